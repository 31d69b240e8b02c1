"""What a visitor chose, as plain data, and its way into the page's address and back.

An address is written by strangers: `Session.from_query` never raises. A value that cannot be taken falls back to its
default, one out of range is moved to the nearest allowed, and each such change is listed in `problems`.
"""

import re
from dataclasses import dataclass, fields, replace
from math import isfinite
from urllib.parse import quote

import models
from models.account import BYTES
from models.choices import CHOICES
from models.errors import InputError
from playground.design_strings import Design, as_flag, as_text, as_written, design_string, parse_design
from playground.i18n import LANGUAGES
from playground.kv_context import KINDS, NAMED, check_generates
from playground.lineage import route_names
from playground.session_limits import (
    ATTENTION_SECTIONS,
    BLANKS,
    DEFAULT_MODEL,
    EXPERT_BIAS,
    EXPERT_MODEL,
    EXPERT_SECTIONS,
    FATE_LIST,
    FLASH_ORDERS,
    FLASH_TILES,
    KING,
    LILY,
    LIMITS,
    MASK_HEAD,
    MASK_NAME,
    MASK_TWO,
    MAX_PROMPT,
    MAX_RACE,
    OBJECTIVE_SECTIONS,
    OFF,
    PAIR_AT,
    PAIRS_FROM,
    PRECISIONS,
    SECTIONS,
    SIGHT_NUMBERS,
    TABS,
    TEXTS,
    TOKEN_ID,
    TOKEN_SECTIONS,
    TOKEN_STEPS,
    TOKENIZER_NAMES,
    TOKENIZERS,
    TRAIN_EXPERTS,
    TRAIN_RACE,
    TRAIN_SECTIONS,
    TRAIN_SMALL,
    TRAIN_TEXTS,
    TRAINED,
    WEIGHT_AT,
    WEIGHT_PAIR,
)

__all__ = [
    "DEFAULTS",
    "DEFAULT_MODEL",
    "FIELDS",
    "LIMITS",
    "MAX_PROMPT",
    "SECTIONS",
    "TABS",
    "TRAINED",
    "Design",
    "Problem",
    "Session",
    "as_flag",
    "as_text",
    "design_string",
    "is_card",
    "parse_design",
]


@dataclass(frozen=True)
class Problem:
    """One value of an address that could not be used as it stood.

    `code` is a key under `shell.problem`; `field` the session's field. A refused design carries the core's `error`.
    """

    code: str
    field: str
    used: object = None
    error: InputError | None = None


@dataclass(frozen=True, kw_only=True)
class Session:
    """Everything that is needed to show the same screen again. `model` and `design` are design strings."""

    tab: str = "generate"
    lang: str = "en"
    model: str = DEFAULT_MODEL  # the model in hand
    design: str = DEFAULT_MODEL  # what the form on Build shows
    context: int | None = None  # of Build's KV cache; None: the whole context of the design
    batch: int = 1  # sequences in that cache
    dtype: str = "bf16"  # and its number format
    ranks: int = 8  # devices that training is shared among
    prompt: str = "Once upon a time"
    chat: bool = True  # the prompt is a message, where the model was trained to answer one
    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 7
    max_new_tokens: int = 64
    section: str = "compare"  # of the tab of architectures
    left: str = "gpt2"  # the designs that it compares
    right: str = "llama3-8b"
    route: str = "deepseek-v3"  # the lineage, and the step of it that is shown
    step: int = 0
    kv_model: str = "llama3-8b"  # in whose sizes the cache is drawn against the context
    kv_shown: str = "mha,gqa,mqa,mla,sliding"  # the curves
    kv_batch: int = 1
    kv_window: int = 4096
    kv_dtype: str = "bf16"
    weights_dtype: str = "bf16"
    tok_section: str = "compare"  # of the tab of tokenizers
    text: str = "The same sentence can cost one reader twice as much. 同样一句话，有的读者要多花一倍的词元。👩‍💻"
    tokenizers: str = TOKENIZERS  # those that are compared, by name
    tok_steps: str = "bpe"  # what is stepped through, on which text, and how far
    tok_text: str = "low low low low low lower lower newest newest newest newest newest newest widest widest widest"
    tok_step: int = 0
    tok_word: str = "unhappiness"
    tok_with: str = "wordpiece-8k"  # the tokenizer that encodes the word
    train_with: str = "byte-bpe"
    train_size: int = 1024
    obj_section: str = "bert"  # of the tab of objectives
    obj_model: str = "bert-mini"  # the model that answers there, by name
    obj_text: str = KING
    obj_seed: int = 3
    mask_step: int = 0  # of BERT's masking
    mask_share: int = 15  # per cent of the positions that are drawn
    mask_words: bool = False  # whole words only
    mask_fates: str = ""  # set by hand: "7:keep,9:2" keeps position 7, and throws the dice for 9 again, twice
    mask_part: int = 0  # which part of a text that is longer than what is read at once
    mask_at: int = 0  # the position that is looked at
    mask_head: str = "0.mean"  # the layer and head whose attention is shown
    mask_two: str = ""  # the two positions that are predicted together
    pair_from: str = "stories"  # the documents that sentence pairs are built from
    pair_tokens: int = 64  # that a pair may have
    pair_at: int = 0  # the pair that is looked at, and the step of its making
    pair_step: int = 0
    pair_first: str = ""  # the texts that were typed in place of that pair's
    pair_second: str = ""
    side_blank: str = "short"  # which blanks GLM's objective has, side by side with others
    side_denoiser: int = 0  # and which of UL2's denoisers is shown there
    what_off: str = "a0"  # heads and parts of layers that are silenced in "What if", and how
    what_method: str = "zero"
    what_mask: str = ""  # the mask that every layer sees through there, and its number
    what_width: int = 4
    what_order: bool = False  # positions are dropped
    what_place: int = -1  # where the answer is asked for; -1: where this kind of model answers
    what_token: str = ""  # whose probability is watched; empty: the likeliest
    before_kind: str = "bahdanau"  # the translator of "Before transformers", its sentence, and the weight taken apart
    before_text: str = "I do not like this book."
    before_at: str = ""
    din_query: str = "cake"
    din_list: str = "oven, butter, sugar, dog, ball, park, rain, umbrella"
    att_section: str = "maps"  # of the tab of attention
    att_text: str = "Tom and his dog went to the park. Anna and her cat went to the park. Tom and his dog were happy."
    att_second: str = ""  # what an encoder-decoder or prefix decoder writes, or a second sentence
    att_part: int = 0  # which part of a text that is longer than what is looked at at once
    weight_at: str = ""  # the head whose weights are taken apart, "decoder.2.0"; empty: one in the middle
    weight_pair: str = ""  # the places of query and key; empty: the last token and what it looks at most
    weight_mask: str = "sliding"  # of the catalogue
    weight_sizes: str = ""  # numbers that its masks are drawn with
    flash_tiles: str = "4.4"  # queries and keys of a tile
    flash_order: str = "flash1"
    flash_as: str = "float32"
    flash_step: int = 12
    flash_row: int = 21
    exp_section: str = "board"  # of the tab of experts
    exp_model: str = ""  # whose experts are shown, "hand" or a preset's name; empty: the model in hand, if it has any
    exp_text: str = LILY
    exp_target: str = ""  # what a decoder reads beside it; empty: what is missing from the text
    exp_layer: int = 0  # which sparse layer is looked at, and which token
    exp_at: int = 1
    exp_chosen: int = 0  # what the router is made to do instead: 0 leaves it as it is
    exp_capacity: int = 0
    exp_noise: int = 0  # per cent of the noise's size
    exp_seed: int = 1
    exp_bias: str = ""  # added to experts of that layer: "3:0.25,5:-0.1"
    exp_again: bool = False  # a pass was made with these settings
    train_section: str = "one"  # of the tab that trains models
    train_design: str = TRAIN_SMALL
    train_race: str = TRAIN_RACE  # the designs that run a race
    train_experts: str = TRAIN_EXPERTS
    train_balance: str = "none"
    train_on: str = "stories-en"
    train_tokens: int = 100_000
    train_seed: int = 7
    problems: tuple[Problem, ...] = ()

    @classmethod
    def from_query(cls, query: dict[str, str]) -> "Session":
        """The session of an address's parameters; never raises, see `problems`."""
        values, problems = {}, []
        for name in FIELDS:
            if name not in query:
                continue
            try:
                values[name], problem = _READERS[name](name, str(query[name]))
            except (ValueError, OverflowError, InputError) as error:
                refused = error if isinstance(error, InputError) else None
                problem = Problem("unusable", name, DEFAULTS[name], refused)
            if problem:
                problems.append(problem)
        return cls(**values, problems=tuple(problems))

    def to_query(self) -> str:
        """The address's parameters, defaults left out; the language stays, since its default is the reader's own."""
        defaults = Session().texts()
        chosen = {name: text for name, text in self.texts().items() if name == "lang" or text != defaults[name]}
        return "&".join(f"{name}={quote(text, safe='~,=:')}" for name, text in chosen.items())

    def texts(self) -> dict[str, str]:
        """Every field as an address holds it; an empty text is None."""
        return {name: "" if getattr(self, name) is None else as_written(getattr(self, name)) for name in FIELDS}

    def with_problem(self, problem: Problem, **changes) -> "Session":
        """This session with `changes` made, and the reason added to `problems`."""
        return replace(self, problems=(*self.problems, problem), **changes)


def is_card(name: str) -> bool:
    """Whether a model is known by name alone, so that there is a card to show but nothing to build."""
    return any(card.name == name and card.shares is None for card in models.cards())


FIELDS = tuple(field.name for field in fields(Session) if field.name != "problems")
DEFAULTS = {field.name: field.default for field in fields(Session) if field.name != "problems"}


def _read_number(name: str, text: str):
    if not text and DEFAULTS[name] is None:
        return None, None
    whole = not isinstance(DEFAULTS[name], float)
    value = int(text) if whole else float(text)
    if not isfinite(value):
        raise ValueError(text)
    low, high = LIMITS[name]
    used = min(max(value, low), high)
    return used, Problem("moved", name, used) if used != value else None


def _read_name(allowed: tuple[str, ...]):
    def read(name: str, text: str):
        if text not in allowed:
            raise ValueError(text)
        return text, None

    return read


def _read_flag(name: str, text: str):
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true", None


def _read_design(name: str, text: str):
    design = parse_design(text)
    return design_string(design.base, design.config), None


def _read_model(name: str, text: str):
    """A design, or a trained model by its own name: with that of its architecture it would be lost where it is absent."""
    return parse_design(text).trained or _read_design(name, text)[0], None


def _read_shown(name: str, text: str):
    """A design, or the card of a model that has none."""
    return (text, None) if is_card(text) else _read_design(name, text)


def _read_generating(name: str, text: str):
    """A design that writes text, and so keeps a cache."""
    design = parse_design(text)
    check_generates(design.config)
    return design_string(design.base, design.config), None


def _read_curves(name: str, text: str):
    asked = text.split(",") if text else []
    if not set(asked) <= {*KINDS, *NAMED}:
        raise ValueError(text)
    return ",".join(dict.fromkeys(asked)), None


def _read_prompt(name: str, text: str):
    cut = text[:MAX_PROMPT]
    return cut, Problem("cut", name, MAX_PROMPT) if len(cut) < len(text) else None


def _read_text(name: str, text: str):
    cut = text[: TEXTS[name]]
    return cut or DEFAULTS[name], Problem("cut", name, TEXTS[name]) if len(cut) < len(text) else None


def _read_tokenizers(name: str, text: str):
    """Names of tokenizers; which of them are there, only the tab knows."""
    if not TOKENIZER_NAMES.fullmatch(text):
        raise ValueError(text)
    return ",".join(dict.fromkeys(text.split(","))), None


def _read_matching(pattern: re.Pattern):
    def read(name: str, text: str):
        if text and not pattern.fullmatch(text):
            raise ValueError(text)
        return text or DEFAULTS[name], None

    return read


def _read_one_name(name: str, text: str):
    """The name of a tokenizer or model; whether it is there, only the tab knows."""
    if "," in text or not TOKENIZER_NAMES.fullmatch(f"{text},{text}"):
        raise ValueError(text)
    return text, None


def _read_race(name: str, text: str):
    """Designs, two to four of them; that they can be trained, the tab says."""
    designs = [_read_design(name, design)[0] for design in text.split("|")]
    if not 2 <= len(designs) <= 4 or len(text) > MAX_RACE:
        raise ValueError(text)
    return "|".join(designs), None


_READERS = {
    "tab": _read_name(TABS),
    "lang": _read_name(LANGUAGES),
    "dtype": _read_name(tuple(BYTES)),
    "model": _read_model,
    "design": _read_shown,
    "chat": _read_flag,
    "prompt": _read_prompt,
    "section": _read_name(SECTIONS),
    "left": _read_design,
    "right": _read_design,
    "route": _read_name(route_names()),
    "kv_model": _read_generating,
    "kv_shown": _read_curves,
    "kv_dtype": _read_name(tuple(BYTES)),
    "weights_dtype": _read_name(tuple(BYTES)),
    "tok_section": _read_name(TOKEN_SECTIONS),
    "tokenizers": _read_tokenizers,
    "tok_steps": _read_name(TOKEN_STEPS),
    "tok_with": _read_one_name,
    "train_with": _read_name(TRAINED),
    "obj_section": _read_name(OBJECTIVE_SECTIONS),
    "obj_model": _read_one_name,
    "side_blank": _read_name(BLANKS),
    "pair_from": _read_name(PAIRS_FROM),
    "mask_words": _read_flag,
    "mask_fates": _read_matching(FATE_LIST),
    "mask_head": _read_matching(MASK_HEAD),
    "mask_two": _read_matching(MASK_TWO),
    "what_off": _read_matching(OFF),
    "what_method": _read_name(("zero", "mean")),
    "what_mask": _read_matching(MASK_NAME),
    "what_order": _read_flag,
    "what_token": _read_matching(TOKEN_ID),
    "before_kind": _read_name(("bahdanau", "luong")),
    "before_at": _read_matching(PAIR_AT),
    "att_section": _read_name(ATTENTION_SECTIONS),
    "weight_at": _read_matching(WEIGHT_AT),
    "weight_pair": _read_matching(WEIGHT_PAIR),
    "weight_mask": _read_name(CHOICES["mask"]),
    "weight_sizes": _read_matching(SIGHT_NUMBERS),
    "flash_tiles": _read_matching(FLASH_TILES),
    "flash_order": _read_name(FLASH_ORDERS),
    "flash_as": _read_name(PRECISIONS),
    "exp_section": _read_name(EXPERT_SECTIONS),
    "exp_model": _read_matching(EXPERT_MODEL),
    "exp_bias": _read_matching(EXPERT_BIAS),
    "exp_again": _read_flag,
    "train_section": _read_name(TRAIN_SECTIONS),
    "train_design": _read_shown,
    "train_race": _read_race,
    "train_experts": _read_design,
    "train_balance": _read_name(("none", "aux", "bias")),
    "train_on": _read_name(TRAIN_TEXTS),
    **dict.fromkeys(TEXTS, _read_text),
    **dict.fromkeys(LIMITS, _read_number),
}
