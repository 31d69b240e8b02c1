"""What a visitor chose, as plain data, and its way into the page's address and back.

An address is written by strangers: `Session.from_query` never raises. A value that cannot be taken falls back to its
default, one out of range is moved to the nearest allowed, and each such change is listed in `problems`.
"""

from dataclasses import dataclass, fields, replace
from math import isfinite
from urllib.parse import quote

import models
from models.account import BYTES, MAX_BATCH
from models.config import ModelConfig, RopeScaling
from models.errors import InputError
from models.installed import INSTALLABLE
from playground.i18n import LANGUAGES

DEFAULT_MODEL = "llama-mini"
TABS = ("generate", "build")
MAX_PROMPT = 100_000  # characters; longer text is cut, and the visitor is told
MAX_DESIGN = 2_000  # characters of a design string

DERIVED = ("n_kv_heads", "d_head", "rotary_dim")  # fields that a configuration can work out from others
ROPE_NUMBERS = ("factor", "original_max_seq_len", "low_freq_factor", "high_freq_factor")
WHOLE = ("original_max_seq_len",)

# Numbers and what they may be; the widgets use the same limits.
LIMITS: dict[str, tuple[float, float]] = {
    "context": (1, 100_000_000),
    "batch": (1, MAX_BATCH),
    "temperature": (0.0, 2.0),
    "top_k": (0, 200),
    "top_p": (0.05, 1.0),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (1.0, 2.0),
    "seed": (0, 2**31 - 1),
    "max_new_tokens": (1, 512),
}


@dataclass(frozen=True)
class Problem:
    """One value of an address that could not be used as it stood.

    `code` is a key under `shell.problem`; `field` the session's field. A refused design carries the core's `error`.
    """

    code: str
    field: str
    used: object = None
    error: InputError | None = None


@dataclass(frozen=True)
class Design:
    """A configuration and the preset that it started from."""

    base: str
    config: ModelConfig


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
    prompt: str = "Once upon a time"
    chat: bool = True  # the prompt is a message, where the model was trained to answer one
    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 7
    max_new_tokens: int = 64
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
        return {name: "" if getattr(self, name) is None else _text(getattr(self, name)) for name in FIELDS}

    def with_problem(self, problem: Problem, **changes) -> "Session":
        """This session with `changes` made, and the reason added to `problems`."""
        return replace(self, problems=(*self.problems, problem), **changes)


FIELDS = tuple(field.name for field in fields(Session) if field.name != "problems")
DEFAULTS = {field.name: field.default for field in fields(Session) if field.name != "problems"}


def parse_design(text: str) -> Design:
    """The design of a string like "gpt2~norm=rmsnorm~n_layers=6~biases=q,k,v".

    A preset's name, or an installable model's for its preset, then the fields that differ from it. Tuples are
    comma-separated, flags true or false, an empty value means none; RoPE scaling is kind:factor:original_max_seq_len,
    for llama3 with :low:high. Raises `InputError`.
    """
    if len(as_text("model", text)) > MAX_DESIGN:
        raise InputError("design_too_long", length=len(text), limit=MAX_DESIGN)
    base, *parts = text.split("~")
    changes = {}
    for part in parts:
        name, separator, value = part.partition("=")
        if not separator:
            raise InputError("design_not_readable", part=part)
        changes[name] = _read_config_value(name, value)
    if base in INSTALLABLE:
        base = INSTALLABLE[base].preset
    return Design(base, models.preset(base).replace(**changes))


def as_text(field: str, value: object) -> str:
    """`value`, which must be a text: callers of the API can send anything. Raises `InputError` that names `field`."""
    if not isinstance(value, str):
        raise InputError("not_a_text", field=field, value=value)
    return value


def as_flag(field: str, value: object) -> bool:
    """`value`, which must be True or False, likewise."""
    if not isinstance(value, bool):
        raise InputError("not_a_flag", field=field, value=value)
    return value


def design_string(base: str, config: ModelConfig) -> str:
    """The inverse of `parse_design`: `base` and the fields in which `config` differs from that preset."""
    start = models.preset(base)
    changes = {name: new for name, _, new in models.diff(start, config)}
    if not _leads_to(start, changes, config):
        # What usually follows from the other fields does not here, so it is written out.
        values = {field.name: getattr(config, field.name) for field in fields(ModelConfig)}
        changes = {name: value for name, value in values.items() if name in DERIVED or value != getattr(start, name)}
    return "~".join([base, *(f"{name}={_config_text(value)}" for name, value in changes.items())])


def _leads_to(start: ModelConfig, changes: dict, config: ModelConfig) -> bool:
    try:
        return start.replace(**changes) == config
    except InputError:
        return False


_FLAGS = {"true": True, "false": False}
_CONFIG_TYPES = {field.name: str(field.type) for field in fields(ModelConfig)}


def _read_config_value(name: str, value: str):
    kind = _CONFIG_TYPES.get(name)
    if kind is None:
        raise InputError("unknown_field", field=name, allowed=", ".join(_CONFIG_TYPES))
    if "tuple" in kind:
        return tuple(part for part in value.split(",") if part)
    if not value:
        return None
    if "RopeScaling" in kind:
        return _read_rope_scaling(value)
    if "bool" in kind:
        return _FLAGS.get(value, value)
    if "int" in kind or "float" in kind:
        return _number(value, whole="int" in kind)
    return value


def _read_rope_scaling(value: str) -> RopeScaling:
    kind, *numbers = value.split(":")
    if len(numbers) not in (2, 4):
        raise InputError("design_not_readable", part=f"rope_scaling={value}")
    values = {name: _number(text, name in WHOLE) for name, text in zip(ROPE_NUMBERS, numbers, strict=False)}
    return RopeScaling(kind=kind, **values)


def _number(text: str, whole: bool):
    """The number, or the text as it stands: the configuration's own check then names the field and the value."""
    try:
        return int(text) if whole else float(text)
    except ValueError:
        return text


def _config_text(value) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, RopeScaling):
        parts = [value.kind, _text(value.factor), _text(value.original_max_seq_len)]
        if value.kind == "llama3":
            parts += [_text(value.low_freq_factor), _text(value.high_freq_factor)]
        return ":".join(parts)
    return _text(value)


def _text(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)


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
    if text not in _FLAGS:
        raise ValueError(text)
    return _FLAGS[text], None


def _read_design(name: str, text: str):
    design = parse_design(text)
    return design_string(design.base, design.config), None


def _read_prompt(name: str, text: str):
    cut = text[:MAX_PROMPT]
    return cut, Problem("cut", name, MAX_PROMPT) if len(cut) < len(text) else None


_READERS = {
    "tab": _read_name(TABS),
    "lang": _read_name(LANGUAGES),
    "dtype": _read_name(tuple(BYTES)),
    "model": _read_design,
    "design": _read_design,
    "chat": _read_flag,
    "prompt": _read_prompt,
    **dict.fromkeys(LIMITS, _read_number),
}
