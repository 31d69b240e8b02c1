"""Answers before and after a change, heads by their weight, and the logit lens, as plain values for the page's script."""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.errors import InputError
from models.inspection.ablation import divergence
from models.inspection.inputs import as_read
from models.inspection.logit_lens import Lens
from models.inspection.silencing import SWAPPABLE
from models.tokenizers import Tokenizer
from playground.i18n import say
from playground.whatif_request import Asked, lettered


def about(found: Asked, lang: str) -> dict:
    """What is asked, and what can be changed of this model."""
    config = found.looked.loaded.config
    ids = found.sequence.ids
    tokenizer = found.looked.loaded.tokenizer
    return {
        "kind": found.kind,
        "place": found.place,
        "tokens": found.sequence.tokens if ids is None else [readable(tokenizer, one) for one in ids],
        "kinds": found.sequence.kinds,
        "groups": head_groups(lettered(config)),
        "parts": [[letter, stack.n_layers] for letter, (stack, part) in lettered(config).items() if part == "ffn"],
        "position": None if config.position == "none" else say(lang, f"part.choice.position.{config.position}"),
        "mask": list(dict.fromkeys(config.mask_pattern)),
        "masks": []
        if config.image is not None
        else [[name, say(lang, f"part.choice.mask.{name}")] for name in SWAPPABLE],
        "structure": config.structure,
    }


def head_groups(known: dict) -> list[dict]:
    """The grids of heads, in the order in which `all_heads` has them."""
    order = {"e": 0, "a": 1, "c": 2}
    return [
        {"letter": letter, "n_layers": known[letter][0].n_layers, "n_heads": known[letter][0].n_heads}
        for letter in sorted(order.keys() & known.keys(), key=order.get)
    ]


def at_place(logits: Tensor, found: Asked) -> Tensor:
    """Log-probabilities (V,) at the place, or of the classes."""
    row = logits[0] if found.kind == "class" else logits[0, found.place]
    return F.log_softmax(row.float(), dim=-1)


def token_asked(token: object, before: Tensor) -> int:
    """The id that is watched: the one that was chosen, else the likeliest."""
    if token is None or token == "":
        return int(before.argmax())
    if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < len(before):
        raise InputError("token_out_of_range", token_id=str(token)[:40], vocab_size=len(before))
    return token


def spelled(found: Asked, token_id: int) -> str:
    """A token as it reads; of a class its number."""
    if found.kind == "class":
        return f"№{token_id}"
    return readable(found.looked.loaded.tokenizer, token_id)


def readable(tokenizer: Tokenizer, token_id: int) -> str:
    """What a token writes, parts of a character as bytes; what writes nothing as its vocabulary spells it."""
    if token_id >= tokenizer.vocab_size:  # a random model may have more ids than there are tokens
        return f"<{token_id}>"
    spelling = tokenizer.token(token_id)
    if tokenizer.kind_of(token_id) != "text" or spelling.startswith("##"):
        return spelling
    text = tokenizer.decode([token_id])
    if text and "\ufffd" not in text:
        return text
    share = tokenizer.bytes_of(token_id)
    return as_read(share) if share else spelling


def distributions(before: Tensor, after: Tensor, found: Asked, token: object, n_shown: int) -> dict:
    """The likeliest tokens of both sides with their probabilities; the token that is watched; KL(before ‖ after) and
    entropies, in nats."""
    watched = token_asked(token, before)
    ids = [watched, *before.topk(min(n_shown, len(before))).indices.tolist()]
    ids += after.topk(min(n_shown, len(after))).indices.tolist()
    ids = sorted(dict.fromkeys(ids), key=lambda one: -float(torch.maximum(before[one], after[one])))
    return {
        "rows": [
            {
                "id": one,
                "text": spelled(found, one),
                "before": float(before[one].exp()),
                "after": float(after[one].exp()),
                "nats": float(after[one] - before[one]),
            }
            for one in ids
        ],
        "watched": watched,
        "kl": float(divergence(before, after[None])[0]),
        "entropy": [_entropy(before), _entropy(after)],
        "top": [int(before.argmax()), int(after.argmax())],
        "n": len(before),
    }


def _entropy(log_probs: Tensor) -> float:
    return float(-(log_probs.exp() * log_probs.clamp(min=-1e4)).sum())


def lens(found_lens: Lens, found: Asked) -> dict:
    """The lens row by row: ids and probabilities of each cell's likeliest, entropy, distance to the answer; and how the
    ids are spelled."""
    ids = found_lens.ids.tolist()
    names = {one: spelled(found, one) for rows in ids for cell in rows for one in cell}
    return {
        "ids": ids,
        "probabilities": _rounded(found_lens.probabilities),
        "entropy": _rounded(found_lens.entropy),
        "kl": _rounded(found_lens.divergence),
        "answered": _rounded(found_lens.answered),
        "names": names,
    }


def _rounded(values: Tensor) -> list:
    """As lists, to five digits after the point, which is more than a cell shows."""
    return torch.round(values.double(), decimals=5).tolist()
