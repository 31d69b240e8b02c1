"""The tokens that objectives put into a text: [MASK], [CLS], sentinels, … by their ids in one vocabulary."""

import re
from dataclasses import dataclass, fields
from itertools import count, takewhile

from models.errors import InputError
from models.tokenizers.interface import Tokenizer

SPELLINGS = {
    "pad": ("[PAD]", "<pad>"),
    "mask": ("[MASK]",),
    "mask_to_end": ("[gMASK]",),
    "cls": ("[CLS]",),
    "sep": ("[SEP]",),
    "start_of_piece": ("<|startofpiece|>", "<sop>"),
    "end_of_piece": ("<|endofpiece|>", "<eop>"),
}
MODES = ("[R]", "[S]", "[X]")


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Ids of the marks in a vocabulary of `vocab_size` ids; None where it has no such mark.

    mask_to_end: GLM's [gMASK], for a blank that reaches to the end; start_of_piece, end_of_piece: what opens and ends
    the answer for a blank; sentinels: T5's <extra_id_0>, <extra_id_1>, …; modes: UL2's [R], [S] and [X].
    """

    vocab_size: int
    pad: int | None = None
    end: int | None = None
    mask: int | None = None
    mask_to_end: int | None = None
    cls: int | None = None
    sep: int | None = None
    start_of_piece: int | None = None
    end_of_piece: int | None = None
    sentinels: tuple[int, ...] = ()
    modes: tuple[int, ...] = ()

    @property
    def specials(self) -> frozenset[int]:
        """All ids that are no text."""
        ids: set[int] = set()
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "vocab_size" and value is not None:
                ids |= set(value) if isinstance(value, tuple) else {value}
        return frozenset(ids)

    def need(self, *names: str) -> None:
        """Raises InputError("mark_missing") where the vocabulary lacks a mark that an objective cannot do without."""
        for name in names:
            if getattr(self, name) in (None, ()):
                raise InputError("mark_missing", mark=name)


def marks_of(tokenizer: Tokenizer) -> Marks:
    """The marks that a tokenizer's vocabulary has, by their usual spellings; without one to pad with, its end of text."""
    found = {name: _first(tokenizer, spellings) for name, spellings in SPELLINGS.items()}
    if found["pad"] is None:
        found["pad"] = tokenizer.eos_id
    numbered = (tokenizer.special_id(f"<extra_id_{number}>") for number in count())
    sentinels = tuple(takewhile(lambda token_id: token_id is not None, numbered))
    modes = tuple(tokenizer.special_id(mode) for mode in MODES)
    return Marks(
        vocab_size=tokenizer.vocab_size,
        end=tokenizer.eos_id,
        sentinels=sentinels,
        modes=() if None in modes else modes,
        **found,
    )


def marked_ids(text: str, tokenizer: Tokenizer) -> list[int]:
    """The ids of a text in which marks of the vocabulary are spelled out: "a little<extra_id_0> in the house".

    One space before a mark is left out: where tokens begin with their space, it belongs to what the mark stands for.
    """
    special = tokenizer.special_tokens()
    spellings = sorted(special, key=len, reverse=True)
    ids: list[int] = []
    for piece in re.split(f"( ?(?:{'|'.join(map(re.escape, spellings))}))", text) if spellings else [text]:
        mark = special.get(piece.removeprefix(" "))
        ids += tokenizer.encode(piece) if mark is None else [mark]
    return ids


def _first(tokenizer: Tokenizer, spellings: tuple[str, ...]) -> int | None:
    ids = (tokenizer.special_id(spelling) for spelling in spellings)
    return next((token_id for token_id in ids if token_id is not None), None)
