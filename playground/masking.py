"""A text on its way into BERT: cut into sentences and tokens, paired, positions drawn, their fates decided by dice.

Nothing here needs a model, only its tokenizer; all chance comes from the seed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from models.errors import InputError
from models.objectives import Example, Marks, marks_of
from models.objectives.masked import CHOSEN, MASKED, RANDOM, Fate, apply, draw, text_ids
from models.objectives.next_sentence import N_MARKS, Pair, joined
from models.objectives.sentences import sentences
from models.objectives.words import words
from models.tokenizers import Tokenizer
from models.tokenizers.interface import check_text
from playground.session import LIMITS, TEXTS
from playground.session_limits import MAX_THROWS

READ_AT_ONCE = 128  # tokens: the length of 90 % of BERT's own training steps (appendix A.2), and of bert-mini's
ACTIONS = ("mask", "random", "keep")
LEAVE = "leave"  # by hand: this position is not predicted
SURE = {"mask": MASKED / 2, "random": MASKED + RANDOM / 2, "keep": MASKED + RANDOM + (1 - MASKED - RANDOM) / 2}
Hand = Mapping[int, str | int]


@dataclass(frozen=True)
class Part:
    """What is read at once of a text: whole sentences as ids, as many as fit; of `cut` ones too long, a piece."""

    sentences: tuple[tuple[int, ...], ...]
    index: int
    count: int
    n_tokens: int  # of the whole text
    cut: bool


@dataclass(frozen=True)
class Thrown:
    """The fate of one position, and how it came about: by "seed", thrown again ("again", so many `times`) or by "hand"."""

    fate: Fate
    by: str
    times: int = 0


@dataclass(frozen=True)
class Masking:
    """A part of a text, ready for the model.

    n_first: how many of its sentences are A; B is empty where there is but one. ids (T,) and segments (T,) have the marks;
    by_seed: the positions that the seed draws; `thrown` is what became of them after the visitor's hand, and `example` what
    training would read. n_text: how many positions may be drawn, n_chosen: how many should be; lost: positions set by hand
    that hold no text.
    """

    part: Part
    n_first: int
    ids: torch.Tensor
    segments: torch.Tensor
    words: list[list[int]]
    marks: Marks
    by_seed: list[int]
    thrown: list[Thrown]
    example: Example
    n_text: int
    n_chosen: int
    lost: tuple[int, ...]

    @property
    def positions(self) -> list[int]:
        """Those that pay loss."""
        return [one.fate.position for one in self.thrown]


def read_parts(tokenizer: Tokenizer, text: str, max_seq_len: int) -> list[tuple[list[tuple[int, ...]], bool]]:
    """The text in parts that are read at once: (sentences, whether the part is a piece of a too long one)."""
    room = min(READ_AT_ONCE, max_seq_len) - N_MARKS
    cut = [tuple(ids) for ids in tokenizer.encode_many(sentences(text)) if ids]
    parts: list[tuple[list[tuple[int, ...]], bool]] = []
    for sentence in cut:
        pieces = [sentence[start : start + room] for start in range(0, len(sentence), room)]
        for piece in pieces:
            n_tokens = sum(map(len, parts[-1][0])) if parts else room
            if len(pieces) > 1 or n_tokens + len(piece) > room or parts[-1][1]:
                parts.append(([piece], len(pieces) > 1))
            else:
                parts[-1][0].append(piece)
    return parts


def read_text(text: object) -> str:
    """The text of a request, cut to what is read at most; raises `InputError` for what is no text."""
    if not isinstance(text, str):
        raise InputError("not_a_text", field="text", value=text)
    return check_text(text[: TEXTS["obj_text"]])


def masking(
    tokenizer: Tokenizer,
    max_seq_len: int,
    text: str,
    seed: int,
    share: float = CHOSEN,
    whole_words: bool = False,
    by_hand: Hand | None = None,
    part: int = 0,
) -> Masking:
    """Masks part number `part` of a text (the last one, if there are fewer).

    by_hand: for a position "mask", "random" or "keep"; "leave", which takes it out; or how many times its dice are thrown
    again. Raises `InputError` where there is nothing to mask, or nothing is left of it.
    """
    parts = read_parts(tokenizer, text, max_seq_len)
    if not parts:
        raise InputError("nothing_to_mask")
    index = min(part, len(parts) - 1)
    read, is_cut = parts[index]
    n_all = sum(len(sentence) for some, _ in parts for sentence in some)
    chosen = Part(tuple(read), index, len(parts), n_all, is_cut)
    marks, chance = marks_of(tokenizer), torch.Generator().manual_seed(seed)
    n_first = 1 + int(torch.randint(max(1, len(read) - 1), (), generator=chance))
    ids, segments = _joined(chosen, n_first, marks)
    groups = words(tokenizer, ids.tolist())
    drawn = draw(ids, marks, chance, share, groups if whole_words else None)
    n_text = sum(map(len, read))
    thrown, lost = _settled(drawn, by_hand or {}, ids, marks, seed)
    if not thrown:
        raise InputError("mask_none_left")
    example = replace(apply(ids, [one.fate for one in thrown], marks), token_type_ids=segments)
    return Masking(
        part=chosen,
        n_first=n_first,
        ids=ids,
        segments=segments,
        words=groups,
        marks=marks,
        by_seed=[fate.position for fate in drawn],
        thrown=thrown,
        example=example,
        n_text=n_text,
        n_chosen=max(1, round(share * n_text)),
        lost=lost,
    )


def _joined(part: Part, n_first: int, marks: Marks) -> tuple[torch.Tensor, torch.Tensor]:
    """The ids with their marks, and the segments; one sentence alone is [CLS] A [SEP]."""
    first = tuple(token_id for sentence in part.sentences[:n_first] for token_id in sentence)
    second = tuple(token_id for sentence in part.sentences[n_first:] for token_id in sentence)
    ids, segments = joined(Pair(first, second, is_next=True), marks)
    return (ids, segments) if second else (ids[:-1], segments[:-1])


def _settled(
    drawn: list[Fate], by_hand: Hand, ids: torch.Tensor, marks: Marks, seed: int
) -> tuple[list[Thrown], tuple[int, ...]]:
    """The fates after the visitor's hand, in order of position, and the positions that cannot be set."""
    settled = {fate.position: Thrown(fate, "seed") for fate in drawn}
    lost = []
    for position, wish in by_hand.items():
        if position >= len(ids) or int(ids[position]) in marks.specials:
            lost.append(position)
        elif wish == LEAVE:
            settled.pop(position, None)
        elif isinstance(wish, int):
            settled[position] = Thrown(_throw(position, wish, marks, seed), "again", wish)
        else:
            known = settled[position].fate if position in settled else _throw(position, 0, marks, seed)
            settled[position] = Thrown(replace(known, throw=SURE[wish]), "hand")
    return [settled[position] for position in sorted(settled)], tuple(lost)


def _throw(position: int, times: int, marks: Marks, seed: int) -> Fate:
    """The dice of one position, thrown for the `times`-th time again."""
    chance = torch.Generator().manual_seed((seed * 1_000_003 + position) * 101 + times)
    text = text_ids(marks)
    throw = float(torch.rand((), generator=chance))
    return Fate(position, throw, int(text[int(torch.randint(len(text), (), generator=chance))]))


def read_hand(written: object) -> dict[int, str | int]:
    """What was set by hand: {position: wish}, from the address ("7:keep,9:2") or from a program ({"7": "keep"}).

    Raises `InputError` for what is neither.
    """
    try:
        pairs = (
            [pair.split(":") for pair in written.split(",") if pair] if isinstance(written, str) else written.items()
        )
        found = {int(position): _wish(wish) for position, wish in pairs}
    except (ValueError, TypeError, AttributeError):
        raise InputError("mask_fates", value=str(written)[:80]) from None
    if any(position < 0 for position in found):
        raise InputError("mask_fates", value=str(written)[:80])
    return found


def _wish(wish: object) -> str | int:
    if wish in (*ACTIONS, LEAVE):
        return str(wish)
    if isinstance(wish, str) and wish.isdecimal():
        wish = int(wish)
    if isinstance(wish, int) and not isinstance(wish, bool) and 1 <= wish <= MAX_THROWS:
        return wish
    raise ValueError(wish)


def read_share(share: object) -> float:
    """The share of positions, 0.01 to 0.6; raises `InputError` for any other value."""
    low, high = (limit / 100 for limit in LIMITS["mask_share"])
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise InputError("not_a_number", field="share", value=share)
    if not low <= share <= high:
        raise InputError("out_of_range", field="share", value=share, low=low, high=high)
    return float(share)
