"""One sentence pair before a model of BERT's kind: what it reads, and how sure it is that the second part follows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.errors import InputError
from models.tokenizers.interface import Tokenizer, check_text
from playground.objective_models import MaskedModel, hold_masked, masked_models
from playground.session import TEXTS

if TYPE_CHECKING:
    import models
    from models.objectives.next_sentence import Pair

CUT_SEED = 0  # of the cuts of a pair that is longer than the context


@dataclass(frozen=True)
class Judged:
    """tokens and segments of what was read, [CLS] and [SEP] included; unknown: which of them the vocabulary lacks.

    probability: that the second part follows the first; cut: how many tokens of text did not fit, `limit` is what fits.
    """

    tokens: list[str]
    segments: list[int]
    unknown: list[int]
    probability: float
    cut: int
    limit: int


def hold_judge(name: object) -> "tuple[MaskedModel, models.Loaded]":
    """The model of that name, with a head that judges pairs; raises `InputError` with the names of those that have one."""
    found, loaded = hold_masked(name)
    if not found.judges_pairs:
        able = [one.name for one in masked_models() if one.judges_pairs]
        raise InputError("pair_no_judge", model=found.title, able=", ".join(able) or "–")
    return found, loaded


def typed_pair(first: object, second: object, tokenizer: Tokenizer) -> "Pair":
    """Two typed texts as a pair; raises `InputError` for one that is no text, too long, or without a token."""
    from models.objectives.next_sentence import Pair

    return Pair(_ids("A", first, tokenizer), _ids("B", second, tokenizer), is_next=True)


def _ids(part: str, text: object, tokenizer: Tokenizer) -> tuple[int, ...]:
    if not isinstance(text, str):
        raise InputError("not_a_text", field=part, value=text)
    if len(check_text(text)) > TEXTS["obj_text"]:
        raise InputError("token_text_too_long", size=len(text), limit=TEXTS["obj_text"])
    ids = tuple(tokenizer.encode(text))
    if not ids:
        raise InputError("pair_part_empty", part=part)
    return ids


def judge(loaded: "models.Loaded", pair: "Pair") -> Judged:
    """Runs the model on a pair, cut to its context. Call it in a `turn`."""
    from torch import Generator

    from models.objectives import marks_of
    from models.objectives.next_sentence import N_MARKS, joined, truncated

    tokenizer, limit = loaded.tokenizer, loaded.config.max_seq_len
    fitting = truncated(pair, limit - N_MARKS, Generator().manual_seed(CUT_SEED))
    ids, segments = joined(fitting, marks_of(tokenizer))
    kept = len(fitting.first) + len(fitting.second)
    return Judged(
        tokens=[tokenizer.token(token_id) for token_id in ids.tolist()],
        segments=segments.tolist(),
        unknown=[place for place, token_id in enumerate(ids.tolist()) if tokenizer.kind_of(token_id) == "unknown"],
        probability=probabilities(loaded, [fitting])[0],
        cut=len(pair.first) + len(pair.second) - kept,
        limit=limit,
    )


def probabilities(loaded: "models.Loaded", pairs: "list[Pair]") -> list[float]:
    """How probable the model finds it, for each pair that fits its context, that the second part follows the first."""
    import torch

    from models.objectives import Example, batch, marks_of
    from models.objectives.next_sentence import joined

    marks = marks_of(loaded.tokenizer)
    examples = []
    for pair in pairs:
        ids, segments = joined(pair, marks)
        examples.append(Example(inputs=ids, targets=ids, token_type_ids=segments))
    with torch.inference_mode():
        logits = loaded.model(**batch(examples, marks.pad).arguments).nsp_logits.float()  # (B, 2)
    return logits.softmax(dim=-1)[:, 0].tolist()
