"""How the values of an address are read: each reader gives a value and, where it had to change one, the reason."""

import re
from dataclasses import dataclass
from math import isfinite

import models
from models.account import BYTES
from models.choices import CHOICES
from models.errors import InputError
from playground.design_strings import design_string, parse_design
from playground.i18n import LANGUAGES
from playground.kv_context import KINDS, NAMED, check_generates
from playground.lineage import route_names
from playground.session_limits import (
    ATTENTION_HEAD,
    ATTENTION_HIDE,
    ATTENTION_PICTURES,
    ATTENTION_SECTIONS,
    BLANKS,
    EXPERT_BIAS,
    EXPERT_MODEL,
    EXPERT_SECTIONS,
    EXPERT_WAYS,
    FATE_LIST,
    FLASH_ORDERS,
    FLASH_TILES,
    LEFT_OUT,
    LIMITS,
    MASK_HEAD,
    MASK_NAME,
    MASK_TWO,
    MASK_WAYS,
    MAX_PROMPT,
    MAX_RACE,
    MODEL_SOURCE,
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
    TRAIN_SECTIONS,
    TRAIN_TEXTS,
    TRAINED,
    WEIGHT_PAIR,
)


@dataclass(frozen=True)
class Problem:
    """One value of an address that could not be used as it stood.

    `code` is a key under `shell.problem`; `field` the session's field. A refused design carries the core's `error`.
    """

    code: str
    field: str
    used: object = None
    error: InputError | None = None


def is_card(name: str) -> bool:
    """Whether a model is known by name alone, so that there is a card to show but nothing to build."""
    return any(card.name == name and card.shares is None for card in models.cards())


def _read_number(name: str, text: str, default: object):
    if not text and default is None:
        return None, None
    whole = not isinstance(default, float)
    value = int(text) if whole else float(text)
    if not isfinite(value):
        raise ValueError(text)
    low, high = LIMITS[name]
    used = min(max(value, low), high)
    return used, Problem("moved", name, used) if used != value else None


def _read_name(allowed: tuple[str, ...]):
    def read(name: str, text: str, default: object):
        if text not in allowed:
            raise ValueError(text)
        return text, None

    return read


def _read_flag(name: str, text: str, default: object):
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true", None


def _read_design(name: str, text: str, default: object):
    design = parse_design(text)
    return design_string(design.base, design.config), None


def _read_model(name: str, text: str, default: object):
    """A design, or a trained model by its own name: with that of its architecture it would be lost where it is absent."""
    return parse_design(text).trained or _read_design(name, text, default)[0], None


def _read_shown(name: str, text: str, default: object):
    """A design, or the card of a model that has none."""
    return (text, None) if is_card(text) else _read_design(name, text, default)


def _read_generating(name: str, text: str, default: object):
    """A design that writes text, and so keeps a cache."""
    design = parse_design(text)
    check_generates(design.config)
    return design_string(design.base, design.config), None


def _read_curves(name: str, text: str, default: object):
    asked = text.split(",") if text else []
    if not set(asked) <= {*KINDS, *NAMED}:
        raise ValueError(text)
    return ",".join(dict.fromkeys(asked)), None


def _read_prompt(name: str, text: str, default: object):
    cut = text[:MAX_PROMPT]
    return cut, Problem("cut", name, MAX_PROMPT) if len(cut) < len(text) else None


def _read_text(name: str, text: str, default: object):
    cut = text[: TEXTS[name]]
    return cut or default, Problem("cut", name, TEXTS[name]) if len(cut) < len(text) else None


def _read_tokenizers(name: str, text: str, default: object):
    """Names of tokenizers; which of them are there, only the tab knows."""
    if not TOKENIZER_NAMES.fullmatch(text):
        raise ValueError(text)
    return ",".join(dict.fromkeys(text.split(","))), None


def _read_matching(pattern: re.Pattern):
    def read(name: str, text: str, default: object):
        if text and not pattern.fullmatch(text):
            raise ValueError(text)
        return text or default, None

    return read


def _read_one_name(name: str, text: str, default: object):
    """The name of a tokenizer or model; whether it is there, only the tab knows."""
    if "," in text or not TOKENIZER_NAMES.fullmatch(f"{text},{text}"):
        raise ValueError(text)
    return text, None


def _read_race(name: str, text: str, default: object):
    """Designs, two to four of them; that they can be trained, the tab says."""
    designs = [_read_design(name, design, default)[0] for design in text.split("|")]
    if not 2 <= len(designs) <= 4 or len(text) > MAX_RACE:
        raise ValueError(text)
    return "|".join(designs), None


READERS = {
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
    "obj_model": _read_matching(MODEL_SOURCE),
    "side_blank": _read_name(BLANKS),
    "pair_from": _read_name(PAIRS_FROM),
    "left_out": _read_matching(LEFT_OUT),
    "mask_words": _read_flag,
    "mask_fates": _read_matching(FATE_LIST),
    "mask_head": _read_matching(MASK_HEAD),
    "mask_two": _read_matching(MASK_TWO),
    "mask_way": _read_name(MASK_WAYS),
    "what_off": _read_matching(OFF),
    "what_method": _read_name(("zero", "mean")),
    "what_mask": _read_matching(MASK_NAME),
    "what_order": _read_flag,
    "what_token": _read_matching(TOKEN_ID),
    "before_kind": _read_name(("bahdanau", "luong")),
    "before_at": _read_matching(PAIR_AT),
    "att_section": _read_name(ATTENTION_SECTIONS),
    "att_from": _read_name(("typed", "generate")),
    "att_picture": _read_name(ATTENTION_PICTURES),
    "att_head": _read_matching(ATTENTION_HEAD),
    "att_view": _read_name(("map", "lines")),
    "att_measure": _read_name(("weight", "contribution")),
    "att_combine": _read_name(("head", "mean", "max", "rollout")),
    "att_hide": _read_matching(ATTENTION_HIDE),
    "att_pairs": _read_name(("all", "aa", "ab", "ba", "bb")),
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
    "exp_way": _read_name(EXPERT_WAYS),
    "exp_format": _read_name(tuple(BYTES)),
    "train_section": _read_name(TRAIN_SECTIONS),
    "train_design": _read_shown,
    "train_race": _read_race,
    "train_experts": _read_design,
    "train_balance": _read_name(("none", "aux", "bias")),
    "train_on": _read_name(TRAIN_TEXTS),
    **dict.fromkeys(TEXTS, _read_text),
    **dict.fromkeys(LIMITS, _read_number),
}
