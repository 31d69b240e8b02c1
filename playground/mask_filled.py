"""A text in which [MASK] is written, filled in by a model of BERT's kind."""

from typing import TYPE_CHECKING

from models.errors import InputError
from playground.answering import read_whole
from playground.objective_models import hold_masked
from playground.turns import turn
from playground.views.numbers import exact

if TYPE_CHECKING:
    from models.tokenizers import Tokenizer

MASK = "[MASK]"
MOST_LISTED = 100
MOST_CHARACTERS = 20_000


def filled(text: object, model: object, top_k: object, second: object = "") -> dict:
    """What the endpoint /fill_mask gives; raises `InputError` for what it refuses."""
    import torch

    top_k = read_whole("top_k", top_k, 1, MOST_LISTED)
    listed, loaded = hold_masked(model)
    ids, segments = _read(loaded.tokenizer, [_checked("text", text), _checked("second", second)])
    tool, mask_id = loaded.tokenizer, loaded.tokenizer.special_id(MASK)
    places = [place for place, token_id in enumerate(ids) if token_id == mask_id]
    if not places:
        raise InputError("fill_mask_none")
    if len(ids) > loaded.config.max_seq_len:
        raise InputError("fill_mask_too_long", n_tokens=len(ids), max_seq_len=loaded.config.max_seq_len)
    with turn(), torch.inference_mode():
        heard = torch.tensor([segments]) if loaded.config.n_segments else None
        read = torch.tensor([ids])
        out = loaded.model(read, token_type_ids=heard, logits_at=read == mask_id)
        best = out.logits.float().softmax(-1).topk(min(top_k, tool.vocab_size))  # (N, top_k)
        follows = None
        if second.strip() and out.nsp_logits is not None:
            follows = float(out.nsp_logits[0].softmax(-1)[0])
    return {
        "model": listed.name,
        "trained": listed.trained,
        "tokens": [tool.token(token_id) for token_id in ids],
        "ids": ids,
        "masks": [
            {
                "position": place,
                "predictions": [
                    {"token": tool.token(token_id), "id": token_id, "probability": p}
                    for token_id, p in zip(found, probabilities, strict=True)
                ],
            }
            for place, found, probabilities in zip(places, best.indices.tolist(), best.values.tolist(), strict=True)
        ],
        "follows": follows,
    }


def _checked(field: str, text: object) -> str:
    if not isinstance(text, str):
        raise InputError("not_a_text", field=field, value=text)
    if len(text) > MOST_CHARACTERS:
        raise InputError("token_text_too_long", size=exact(len(text)), limit=exact(MOST_CHARACTERS))
    return text


def _read(tokenizer: "Tokenizer", texts: list[str]) -> tuple[list[int], list[int]]:
    """[CLS] A [SEP] B [SEP], or without B, as ids and segments; each [MASK] that is written is the mark itself."""
    from models.objectives import marks_of

    marks = marks_of(tokenizer)
    marks.need("cls", "sep", "mask")
    ids, segments = [marks.cls], [0]
    for segment, text in enumerate(texts):
        if segment and not text.strip():
            break
        for index, piece in enumerate(text.split(MASK)):
            ids += [marks.mask] if index else []
            ids += tokenizer.encode(piece)
        ids.append(marks.sep)
        segments += [segment] * (len(ids) - len(segments))
    return ids, segments
