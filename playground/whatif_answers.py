"""What the section "What if" of the tab of attention (static/attention_whatif.js) asks of the server."""

from models.errors import InputError
from playground import limits
from playground.answering import answering, read_whole, told
from playground.turns import turn
from playground.whatif_request import Asked, asked_of, changes_of, lettered

N_SHOWN = 10  # likeliest tokens of either side
LENS_TOKENS = 5  # likeliest tokens of a cell
LENS_PLACES = 32  # places of the lens, the last of which is the one that is asked about
MAX_FLOPS = 1.2e11  # of one batched pass: a few seconds
MAX_ROWS = 512


@answering
def whatif_changes(asked: dict, lang: str) -> dict:
    """What the model says at a place, as it is and with the changes made; or, in `without`, why it says nothing."""
    from models.inspection.silencing import Changes, run
    from playground import whatif_payload

    try:
        found = asked_of(asked)
    except InputError as error:
        if error.code != "whatif_says_nothing":
            raise
        return {"without": told(error, lang)}
    model = found.looked.loaded.model
    changes = changes_of(asked, model.config)
    with turn():
        before = whatif_payload.at_place(run(model, found.arguments, Changes()), found)
        after = whatif_payload.at_place(run(model, found.arguments, changes), found) if changes else before
    return {
        **whatif_payload.about(found, lang),
        **whatif_payload.distributions(before, after, found, asked.get("token"), N_SHOWN),
        "changed": bool(changes),
    }


@answering
def whatif_heads(asked: dict, lang: str) -> dict:
    """How much a token's log-probability changes without each head, from head number `from` on, as many as one batched
    pass has room for; `next` is the first head that is left, or None."""
    import torch

    from models.inspection.ablation import ablated, divergence, log_probabilities
    from models.inspection.silencing import all_heads
    from playground import whatif_payload

    found = asked_of(asked)
    model = found.looked.loaded.model
    method = changes_of(asked, model.config).method
    heads = all_heads(model.config)
    start = read_whole("from", asked.get("from", 0), 0, len(heads) - 1)
    part = heads[start : start + rows_at_once(found)]
    with turn(), torch.inference_mode():
        before = log_probabilities(model, found.arguments, found.place)[0]
        token = whatif_payload.token_asked(asked.get("token"), before)
        without = ablated(model, found.arguments, found.place, part, method)
        nats = (without[:, token] - before[token]).tolist()
        apart = divergence(before, without).tolist()
    end = start + len(part)
    return {
        "token": {"id": token, "text": whatif_payload.spelled(found, token)},
        "p": float(before[token].exp()),
        "from": start,
        "count": len(heads),
        "next": end if end < len(heads) else None,
        "nats": nats,
        "kl": apart,
        "groups": whatif_payload.head_groups(lettered(model.config)),
    }


def rows_at_once(found: Asked) -> int:
    """Heads that one batched pass silences: so many that it takes a few seconds, and its memory stays within bounds."""
    config = found.looked.loaded.config
    n_tokens = sum(len(sequence) for sequence in found.looked.inputs.sequences.values())
    flops = 2 * n_tokens * max(1, found.looked.known.params)
    memory = limits.working_bytes(config, n_tokens)
    return max(1, min(MAX_ROWS, int(MAX_FLOPS / flops), int(limits.MAX_WORKING_BYTES / 2 / memory)))


@answering
def whatif_lens(asked: dict, lang: str) -> dict:
    """What each layer would say at the places up to the one that is asked about."""
    from models.inspection.logit_lens import logit_lens
    from playground import whatif_payload

    found = asked_of(asked)
    n_places = len(found.sequence)
    last = min(max(found.place + 1, LENS_PLACES), n_places)
    first = max(0, last - LENS_PLACES)
    with turn():
        lens = logit_lens(found.looked.loaded.model, found.arguments, LENS_TOKENS, slice(first, last))
    return {**whatif_payload.about(found, lang), "first": first, **whatif_payload.lens(lens, found)}


ANSWERS = [whatif_changes, whatif_heads, whatif_lens]
