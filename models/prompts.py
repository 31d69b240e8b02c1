"""What a model reads of a text so that it writes: the text with the marks that its training put there."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.config import ModelConfig
from models.objectives.marks import Marks, marked_ids, marks_of
from models.objectives.translation import SCRIPTS
from models.reading import TWO_DIMENSIONAL, Blank
from models.tokenizers.interface import Tokenizer

WAYS = ("continue", "spans", "blank", "translation", "answer")


@dataclass(frozen=True)
class Prompt:
    """Arguments of `generate`: the ids, those that end the answer, and the blank that it fills in, where there is one."""

    ids: tuple[int, ...]
    stop_ids: tuple[int, ...]
    blank: Blank | None = None


def way_of(config: ModelConfig, tokenizer: Tokenizer | None) -> str:
    """What a model does with a prompt, by its structure and the marks of its vocabulary; one of `WAYS`.

    "continue": it goes on with the text. "spans": it writes what stands for each sentinel (T5). "blank": what stands for
    [MASK], or for a blank at the end (GLM). "translation": the sentence in another language. "answer": what an
    encoder-decoder writes of which no mark tells the training. Without a tokenizer there are no marks.
    """
    if config.structure == "encoder_decoder":
        if tokenizer is None:
            return "answer"
        if marks_of(tokenizer).sentinels:
            return "spans"
        return "translation" if tokenizer.special_id(SCRIPTS[0]) is not None else "answer"
    return "blank" if tokenizer is not None and _fills_in(config, marks_of(tokenizer)) else "continue"


def prompt_for(config: ModelConfig, tokenizer: Tokenizer, text: str) -> Prompt:
    """The prompt of a text, in which marks of the vocabulary may be spelled out.

    An encoder-decoder reads the text up to its end of text; sentinels in it are blanks, and the one after the last of them
    ends the answer (T5). A prefix decoder whose
    vocabulary has the marks of blank infilling writes what stands for the first [MASK] or [gMASK]; a text without one is
    continued, by a blank at its end (GLM). Any other model reads the text alone; an empty one is the end of the text before.
    """
    return prompt_of_ids(config, marks_of(tokenizer), marked_ids(text, tokenizer))


def prompt_of_ids(config: ModelConfig, marks: Marks, ids: Sequence[int]) -> Prompt:
    """The same of a text that has been read already (`marked_ids`), or of a part of one."""
    ends = () if marks.end is None else (marks.end,)
    if config.structure == "encoder_decoder":
        return Prompt((*ids, *ends), (*ends, *_sentinel_at_end(marks, ids)))
    if _fills_in(config, marks):
        masks = {marks.mask, marks.mask_to_end} - {None}
        at_end = marks.mask if marks.mask_to_end is None else marks.mask_to_end
        read = tuple(ids) if masks & set(ids) else (*ids, at_end)
        place = next(place for place, token_id in enumerate(read) if token_id in masks)
        return Prompt(read, (marks.end_of_piece, *ends), Blank(place, marks.start_of_piece))
    return Prompt(tuple(ids) or ends, ends)


def _sentinel_at_end(marks: Marks, ids: Sequence[int]) -> tuple[int, ...]:
    """The sentinel that ends a target, after that of the last span; none where the text or the vocabulary has none."""
    used = [number for number, sentinel in enumerate(marks.sentinels) if sentinel in ids]
    return marks.sentinels[used[-1] + 1 : used[-1] + 2] if used else ()


def _fills_in(config: ModelConfig, marks: Marks) -> bool:
    """Whether a model fills in blanks as GLM does: its positions tell the place in a blank, its vocabulary has the marks."""
    has_marks = None not in (marks.mask, marks.start_of_piece, marks.end_of_piece)
    return config.structure == "prefix_decoder" and config.position in TWO_DIMENSIONAL and has_marks


def with_blanks_filled(way: str, marks: Marks, ids: Sequence[int], answer: Sequence[int]) -> list[int] | None:
    """The ids of a prompt with what was written in place of its blanks; None where it has none, or the answer names none.

    Of sentinels each stands before what is written for it; a blank of GLM is all of the answer, up to its end.
    """
    if way == "spans":
        fillings = by_sentinel(marks, answer)
        known = [token_id for token_id in ids if token_id in fillings]
        filled = [one for token_id in ids for one in fillings.get(token_id, [token_id])]
        return [one for one in filled if one != marks.end] if known else None
    if way == "blank" and marks.mask in ids:
        place = list(ids).index(marks.mask)
        text = [token_id for token_id in answer if token_id not in marks.specials]
        return [*ids[:place], *text, *ids[place + 1 :]]
    return None


def by_sentinel(marks: Marks, answer: Sequence[int]) -> dict[int, list[int]]:
    """What an answer has after each sentinel, up to the next one or its end."""
    fillings: dict[int, list[int]] = {}
    current: list[int] = []  # what comes before the first sentinel stands for none
    for token_id in answer:
        if token_id == marks.end:
            break
        if token_id in marks.sentinels:
            current = fillings.setdefault(token_id, [])
        else:
            current.append(token_id)
    return fillings
