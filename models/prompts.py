"""What a model reads of a text so that it writes: the text with the marks that its training put there."""

from dataclasses import dataclass

from models.config import ModelConfig
from models.objectives.marks import marked_ids, marks_of
from models.reading import TWO_DIMENSIONAL, Blank
from models.tokenizers.interface import Tokenizer


@dataclass(frozen=True)
class Prompt:
    """Arguments of `generate`: the ids, those that end the answer, and the blank that it fills in, where there is one."""

    ids: tuple[int, ...]
    stop_ids: tuple[int, ...]
    blank: Blank | None = None


def prompt_for(config: ModelConfig, tokenizer: Tokenizer, text: str) -> Prompt:
    """The prompt of a text, in which marks of the vocabulary may be spelled out.

    An encoder-decoder reads the text up to its end of text; sentinels in it are blanks (T5). A prefix decoder whose
    vocabulary has the marks of blank infilling writes what stands for the first [MASK] or [gMASK]; a text without one is
    continued, by a blank at its end (GLM). Any other model reads the text alone; an empty one is the end of the text before.
    """
    marks = marks_of(tokenizer)
    ids = marked_ids(text, tokenizer)
    ends = () if marks.end is None else (marks.end,)
    if config.structure == "encoder_decoder":
        return Prompt((*ids, *ends), ends)
    fills_in = config.structure == "prefix_decoder" and config.position in TWO_DIMENSIONAL
    if fills_in and marks.mask is not None and marks.start_of_piece is not None and marks.end_of_piece is not None:
        masks = {marks.mask, marks.mask_to_end} - {None}
        if not masks & set(ids):
            ids.append(marks.mask if marks.mask_to_end is None else marks.mask_to_end)
        place = next(place for place, token_id in enumerate(ids) if token_id in masks)
        return Prompt(tuple(ids), (marks.end_of_piece, *ends), Blank(place, marks.start_of_piece))
    return Prompt(tuple(ids) or ends, ends)
