"""The model in hand and the text that its attention is looked at on, as every section of the tab reads a request."""

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING

from models.config import ModelConfig
from models.errors import InputError
from models.inspection.groups import groups_of
from models.tokenizers.interface import check_text
from playground import model_facts, services
from playground.answering import read_whole
from playground.attention_written import written_text
from playground.session import LIMITS, TEXTS
from playground.turns import turn

if TYPE_CHECKING:
    import models
    from models.inspection.inputs import Inputs

MAX_TOKENS = 512  # of one pass that is looked into
MAX_WEIGHTS = 8_000_000  # attention weights of all heads together, which are sent as a byte each
N_OWN = 12  # tokens that an encoder-decoder or prefix decoder writes itself, where nothing is given


@dataclass(frozen=True)
class Looked:
    """A request, read: the model, and its inputs. own: the second text was written by the model itself, greedily.
    cut: the text had more characters than are read. generated: it is that of Generate, of which the model has written
    `n_written` tokens, that there is room for or not. picture: the name of what a model of images is shown."""

    known: model_facts.InHand
    loaded: "models.Loaded"
    inputs: "Inputs"
    own: bool
    cut: bool
    generated: bool = False
    n_written: int = 0
    picture: str = "scene"


def most_tokens(config: ModelConfig) -> int:
    """How many tokens one pass may have, so that the weights of all heads stay within bounds."""
    return min(MAX_TOKENS, config.max_seq_len, isqrt(MAX_WEIGHTS // n_maps(config)))


def n_maps(config: ModelConfig) -> int:
    """Heads of all layers together, those of cross-attention and of a second stack or tower included."""
    return sum(group.n_layers * group.config.n_heads for group in groups_of(config))


def check_picture(config: ModelConfig) -> None:
    """Raises `InputError` where the patches of an image make more weights than are looked at."""
    seen = config if config.image is not None else config.vision_tower
    if seen is None:
        return
    n_places = 1 + seen.image.n_patches
    if seen.n_layers * seen.n_heads * n_places**2 > MAX_WEIGHTS:
        raise InputError("attention_too_many_patches", n_places=n_places)


def looked_at(asked: dict) -> Looked:
    """The model of a request (`design`), holding its weights, and what it reads of `text`, `second`, `part`, `picture`.

    With `from` "generate" the text is that of Generate, see `written_text`. Raises `InputError` for what cannot be looked
    at.
    """
    from models.inspection.inputs import inputs_of

    design = asked.get("design")
    if not isinstance(design, str):
        raise InputError("not_a_text", field="design", value=design)
    text, second = _text(asked, "text"), _text(asked, "second")
    picture = asked.get("picture", "scene")
    if not isinstance(picture, str):
        raise InputError("not_a_text", field="picture", value=picture)
    part = read_whole("part", asked.get("part", 0), *LIMITS["att_part"])
    written: tuple[int, ...] = ()
    known = model_facts.inhand(design)
    check_picture(known.config)
    generated = asked.get("from") == "generate"
    if known.config.image is None and not generated and not text.strip():
        raise InputError("token_text_empty")
    loaded = services.hold(design)
    if loaded.tokenizer is None and loaded.config.image is None:
        raise loaded.tokenizer_problem or InputError("attention_no_tokenizer")
    most = most_tokens(loaded.config)
    if generated:
        prompt_ids, written = written_text(asked, design)
        _check_ids(loaded.config, (*prompt_ids, *written))
        second = ""
        text = prompt_ids if loaded.config.structure == "decoder" else _text({"text": asked.get("prompt", "")}, "text")
    own = not generated and not second and not written and _writes_beside(loaded.config)
    if own:
        with turn():
            written = _own_words(loaded, text, most)
    given = second if second or not written else written
    inputs = inputs_of(loaded.config, loaded.tokenizer, text, given, most, part, picture)
    cut = not generated and len(asked.get("text", "")) > TEXTS["att_text"]
    return Looked(known, loaded, inputs, own, cut, generated, len(written), picture)


def _writes_beside(config: ModelConfig) -> bool:
    """Whether the model reads one text and writes another, which is looked at too."""
    return config.structure in ("encoder_decoder", "prefix_decoder") and config.head == "lm"


def _own_words(loaded: "models.Loaded", text: str, most: int) -> tuple[int, ...]:
    """What the model writes greedily after a text, as ids."""
    import models
    from models.prompts import prompt_for

    prompt = prompt_for(loaded.config, loaded.tokenizer, text)
    if not prompt.ids:
        return ()
    ids = list(prompt.ids)
    blank = prompt.blank
    if len(ids) > most // 2 and blank is None:
        ids = ids[: most // 2]
    steps = models.generate(loaded.model, ids, models.Sampling(temperature=0), N_OWN, prompt.stop_ids, blank=blank)
    return tuple(step.token_id for step in steps)


def _text(asked: dict, name: str) -> str:
    value = asked.get(name, "")
    if not isinstance(value, str):
        raise InputError("not_a_text", field=name, value=value)
    return check_text(value[: TEXTS[f"att_{name}"]])


def _check_ids(config: ModelConfig, ids: tuple[int, ...]) -> None:
    if any(token_id >= config.vocab_size for token_id in ids):
        raise InputError("attention_written")
