"""What a script or program asks of BERT's masking, read and checked."""

from typing import TYPE_CHECKING

from models.errors import InputError
from playground.answering import read_whole
from playground.masking import Masking, masking, read_hand, read_share, read_text
from playground.objective_models import MaskedModel, hold_masked
from playground.objective_passages import twos
from playground.session import LIMITS

if TYPE_CHECKING:
    import models


def masked_text(asked: dict) -> "tuple[MaskedModel, models.Loaded, Masking]":
    """The model of a request, and its text masked; raises `InputError` for what cannot be."""
    text = read_text(asked.get("text"))
    seed = read_whole("seed", asked.get("seed"), *LIMITS["obj_seed"])
    part = read_whole("part", asked.get("part", 0), *LIMITS["mask_part"])
    share, by_hand = read_share(asked.get("share", 0.15)), read_hand(asked.get("fates", ""))
    whole_words = asked.get("words", False)
    if not isinstance(whole_words, bool):
        raise InputError("not_a_flag", field="words", value=whole_words)
    listed, loaded = hold_masked(asked.get("model"))
    made = masking(loaded.tokenizer, loaded.config.max_seq_len, text, seed, share, whole_words, by_hand, part)
    return listed, loaded, made


def text_places(made: Masking) -> str:
    """The positions that hold text, as "1–21, 23–38"."""
    found: list[list[int]] = []
    for position, token_id in enumerate(made.ids.tolist()):
        if token_id in made.marks.specials:
            continue
        if found and found[-1][1] == position - 1:
            found[-1][1] = position
        else:
            found.append([position, position])
    return ", ".join(f"{first}–{last}" if last > first else str(first) for first, last in found)


def two_places(wanted: object, made: Masking, tokenizer) -> tuple[int, int] | None:
    """The two positions of a request ("5,6") where both are text; else two that are worth it: those of a passage, or a
    drawn one and its neighbour. None in a text of one token."""
    specials = made.marks.specials
    text = [position for position, token_id in enumerate(made.ids.tolist()) if token_id not in specials]
    if isinstance(wanted, str) and wanted.count(",") == 1:
        asked = [int(place) for place in wanted.split(",") if place.isdecimal()]
        if len(set(asked)) == 2 and set(asked) <= set(text):
            return min(asked), max(asked)
    if len(text) < 2:
        return None
    ids = made.ids.tolist()
    for words in twos():
        found = tokenizer.encode(words)
        for start in range(len(ids) - len(found) + 1):
            if len(found) > 1 and ids[start : start + len(found)] == found:
                return start, start + len(found) - 1
    first = made.positions[0]
    beside = min((place for place in text if place != first), key=lambda place: (abs(place - first), -place))
    return min(first, beside), max(first, beside)
