"""A training as data: which model, on which texts, for how long, with which optimizer settings.

Recipes are the TOML files beside this module; a mixture is a file of its own because two models that are to be
compared must name the same one.
"""

import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from models.errors import InputError
from models.installed import INSTALLABLE
from models.objectives import SUITS
from models.tokenizers.train import ALGORITHMS, ALPHABET_SHARE
from models.training.first_positions import FIRST_POSITIONS

HERE = Path(__file__).parent
RECIPES = HERE / "recipes"
MIXTURES = HERE / "mixtures"
DENSE = ("span_corruption", "blank_infilling")  # objectives that can leave out more or less of a text
WORDS = ("writes", "prompt", "limits")  # of a card, which a recipe says anew where its objective is another


def _check(record: object, field: str, holds: bool, allowed: str) -> None:
    if not holds:
        raise InputError("recipe_field", field=field, value=getattr(record, field), allowed=allowed)


def _whole(value: object, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _real(value: object, accept: Callable[[float], bool]) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and accept(value)


@dataclass(frozen=True, kw_only=True)
class CorpusShare:
    """One file of a mixture, how often it is read, and what its licence asks to be said."""

    file: str
    passes: float = 1
    title: str = ""
    source: str = ""
    licence: str = "not stated"

    def __post_init__(self) -> None:
        _check(self, "file", isinstance(self.file, str) and self.file != "", "the name of a file")
        _check(self, "passes", _real(self.passes, lambda v: v > 0), "more than 0")


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Texts in proportion, the tokenizer learnt from them, and what a card says of a model trained on them.

    plain_marks: whether quotes and dashes are made straight and plain (see `corpora.clean`). alphabet_share: how much of
    the vocabulary may spell single characters (see `tokenizers.train.train`).
    """

    name: str
    corpora: tuple[CorpusShare, ...]
    vocab_size: int
    tokenizer_name: str
    algorithm: str = "byte-bpe"
    alphabet_share: float = ALPHABET_SHARE
    plain_marks: bool = True
    writes: str = "continues texts like those below"
    prompt: str = ""
    limits: str = "Nothing filters what the model writes."

    def __post_init__(self) -> None:
        for field in ("tokenizer_name", *WORDS):
            _check(self, field, isinstance(getattr(self, field), str), "a text")
        _check(self, "corpora", len(self.corpora) > 0, "at least one file")
        _check(self, "algorithm", self.algorithm in ALGORITHMS, "one of " + ", ".join(ALGORITHMS))
        _check(self, "vocab_size", _whole(self.vocab_size, 257) and self.vocab_size <= 65536, "between 257 and 65536")
        _check(self, "alphabet_share", _real(self.alphabet_share, lambda v: 0 < v < 1), "between 0 and 1")
        _check(self, "plain_marks", isinstance(self.plain_marks, bool), "true or false")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training, complete: the same recipe on the same texts gives the same weights.

    `tokens` counts predicted tokens; a step sees `batch_tokens` of them in rows of `sequence_length`. The learning
    rate rises linearly over `warmup_fraction` of the steps, then falls along a cosine to `final_lr_fraction` of its
    peak. `momentum` is Muon's (the layers' matrices, which alone feel `weight_decay`), `betas` are AdamW's (all
    else). The first `short_fraction` of the steps read rows of `short_length` instead, as BERT's did (Devlin et al., 2019,
    appendix A.2): among few tokens attention soon finds the one that matters. They may also leave out more,
    `short_density` of the tokens (of GLM's in short blanks), so that there is more to predict in as much text.
    `first_positions` is how trained positions begin: "random"; a table of vectors as "sinusoidal" waves, of which a
    neighbour's are a rotation; "near", so that heads look at neighbours (`models.training.first_positions`). `encoder` is
    the name of an installable model (`models.installed`) whose encoder and tokenizer are used as they are: only the heads
    learn, and the last `learning_layers` of the encoder. Raises InputError("recipe_field") for a field that cannot be.
    """

    name: str
    preset: str
    mixture: Mixture
    objective: str
    seed: int
    tokens: int
    batch_tokens: int
    sequence_length: int
    peak_lr: float
    warmup_fraction: float
    final_lr_fraction: float
    momentum: float
    betas: tuple[float, float]
    weight_decay: float
    clip_norm: float
    evaluations: int
    short_length: int | None = None
    short_fraction: float = 0.0
    short_density: float | None = None
    first_positions: str = "random"
    encoder: str | None = None
    learning_layers: int = 0

    def __post_init__(self) -> None:
        _check(self, "objective", self.objective in list(SUITS), "one of " + ", ".join(SUITS))
        _check(self, "seed", _whole(self.seed, 0), "a whole number of at least 0")
        _check(self, "sequence_length", _whole(self.sequence_length, 2), "a whole number of at least 2")
        divides = _whole(self.batch_tokens, 1) and self.batch_tokens % self.sequence_length == 0
        _check(self, "batch_tokens", divides, f"a multiple of sequence_length = {self.sequence_length}")
        _check(self, "tokens", _whole(self.tokens, self.batch_tokens), f"at least batch_tokens = {self.batch_tokens}")
        _check(self, "peak_lr", _real(self.peak_lr, lambda v: v > 0), "more than 0")
        _check(self, "warmup_fraction", _real(self.warmup_fraction, lambda v: 0 <= v < 1), "from 0 up to, not with, 1")
        _check(self, "final_lr_fraction", _real(self.final_lr_fraction, lambda v: 0 <= v <= 1), "between 0 and 1")
        _check(self, "momentum", _real(self.momentum, lambda v: 0 <= v < 1), "from 0 up to, not with, 1")
        pair = len(self.betas) == 2 and all(_real(beta, lambda v: 0 <= v < 1) for beta in self.betas)
        _check(self, "betas", pair, "two numbers from 0 up to, not with, 1")
        _check(self, "weight_decay", _real(self.weight_decay, lambda v: v >= 0), "at least 0")
        _check(self, "clip_norm", _real(self.clip_norm, lambda v: v > 0), "more than 0")
        _check(self, "evaluations", _whole(self.evaluations, 1), "a whole number of at least 1")
        if self.short_length is not None:
            divides = _whole(self.short_length, 2) and self.batch_tokens % self.short_length == 0
            fits = divides and self.short_length < self.sequence_length
            allowed = f"a divisor of batch_tokens = {self.batch_tokens} below sequence_length = {self.sequence_length}"
            _check(self, "short_length", fits, allowed)
        least = 0 if self.short_length is None else 1e-9
        allowed = "0 without a short_length, from above 0 to 1 with one"
        most = 0 if self.short_length is None else 1
        _check(self, "short_fraction", _real(self.short_fraction, lambda v: least <= v <= most), allowed)
        corrupts = self.short_length is not None and self.objective in DENSE
        between = self.short_density is None or (corrupts and _real(self.short_density, lambda v: 0 < v < 1))
        _check(self, "short_density", between, "left out, or between 0 and 1 for short rows of " + " and ".join(DENSE))
        _check(self, "first_positions", self.first_positions in FIRST_POSITIONS, "one of " + ", ".join(FIRST_POSITIONS))
        encoders = [name for name, entry in INSTALLABLE.items() if not entry.is_gguf]
        _check(self, "encoder", self.encoder in (None, *encoders), "left out, or one of " + ", ".join(encoders))
        _check(self, "learning_layers", _whole(self.learning_layers, 0), "a whole number of at least 0")
        of_pairs = self.encoder is None or self.objective == "masked_pairs"
        _check(self, "encoder", of_pairs, "left out, unless the objective is masked_pairs")

    @property
    def steps(self) -> int:
        return self.tokens // self.batch_tokens

    @property
    def rows(self) -> int:
        """Sequences in a step."""
        return self.batch_tokens // self.sequence_length

    def is_short_at(self, step: int) -> bool:
        """Whether step 0, 1, … reads short rows."""
        return self.short_length is not None and step < self.short_fraction * self.steps

    def length_at(self, step: int) -> int:
        """How long the rows of step 0, 1, … are."""
        return self.short_length if self.is_short_at(step) else self.sequence_length

    @property
    def warmup_steps(self) -> int:
        return max(1, round(self.warmup_fraction * self.steps))

    def to_dict(self) -> dict:
        """What decides the weights, as plain values for JSON: titles, licences and words for the card are left out."""
        mixture = {
            "name": self.mixture.name,
            "corpora": {share.file: share.passes for share in self.mixture.corpora},
            "vocab_size": self.mixture.vocab_size,
            "tokenizer_name": self.mixture.tokenizer_name,
        }
        return asdict(self) | {"betas": list(self.betas), "mixture": mixture}


def recipes() -> list[str]:
    """The names of the recipes that are shipped."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """A shipped recipe by name, or the one of a TOML file.

    Raises InputError: "recipe_unknown", "recipe_unread", or "recipe_field" for a value that cannot be.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = RECIPES / f"{name_or_path}.toml"
    if not path.is_file():
        raise InputError("recipe_unknown", name=name_or_path, known=", ".join(recipes()))
    values = _read_toml(path)
    mixture = load_mixture(MIXTURES / f"{values.get('mixture')}.toml", path)
    words = _table(values, "card", path)
    values.pop("card", None)
    if unknown := sorted(set(words) - set(WORDS)):
        raise InputError("recipe_unread", file=path.name, reason=f"unknown field card.{unknown[0]}")
    mixture = replace(mixture, **words)
    betas = values.get("betas", ())
    values |= {"name": path.stem, "mixture": mixture, "betas": tuple(betas) if isinstance(betas, list) else (betas,)}
    return _construct(Recipe, values, path)


def load_mixture(path: Path, asked_by: Path) -> Mixture:
    """The mixture of a file, or, where there is none, the one that lies beside the recipe asking for it."""
    path = path if path.is_file() else asked_by.parent / path.name
    if not path.is_file():
        raise InputError("recipe_unread", file=asked_by.name, reason=f"there is no mixture {path.name}")
    values = _read_toml(path)
    shares = values.get("corpora", [])
    if not isinstance(shares, list) or not all(isinstance(share, dict) for share in shares):
        raise InputError("recipe_unread", file=path.name, reason="corpora must be tables, [[corpora]]")
    corpora = tuple(_construct(CorpusShare, share, path) for share in shares)
    tokenizer = _table(values, "tokenizer", path)
    flat = {
        "name": path.stem,
        "corpora": corpora,
        "vocab_size": tokenizer.get("vocab_size"),
        "tokenizer_name": tokenizer.get("name", path.stem),
        "algorithm": tokenizer.get("algorithm", "byte-bpe"),
        "alphabet_share": tokenizer.get("alphabet_share", ALPHABET_SHARE),
        "plain_marks": values.get("plain_marks", True),
    }
    return _construct(Mixture, flat | _table(values, "card", path), path)


def _table(values: dict, name: str, path: Path) -> dict:
    table = values.get(name, {})
    if not isinstance(table, dict):
        raise InputError("recipe_unread", file=path.name, reason=f"{name} must be a table, [{name}]")
    return table


def _read_toml(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("recipe_unread", file=path.name, reason=str(error)) from error


def _construct(kind: type, values: dict, path: Path):
    names = {field.name for field in fields(kind)}
    for name in values:
        if name not in names:
            raise InputError("recipe_unread", file=path.name, reason=f"unknown field {name}")
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError("recipe_unread", file=path.name, reason=str(error)) from error
