"""What the script of the section "sides" asks of the server."""

from playground.answering import answering, told
from playground.side_examples import MOST_TOKENS, Side, examples_of, marked_tokenizer
from playground.side_masks import runs, sights, suited
from playground.turns import turn


@answering
def sides_make(asked: dict, lang: str) -> dict:
    """The text under every objective: ids, their spellings, and of each example what a picture of it needs."""
    from models.objectives import SUITS

    with turn():
        shown = examples_of(asked.get("text"), asked.get("seed"))
        sides = [{**_described(side, lang), "structure": SUITS[side.objective][0]} for side in shown.sides]
    tokenizer = marked_tokenizer()
    used = {token_id for side in shown.sides if side.example for token_id in _ids(side)} | set(shown.ids)
    return {
        "ids": shown.ids,
        "n_tokens": shown.n_tokens,
        "most": MOST_TOKENS,
        "sides": sides,
        "spellings": {token_id: tokenizer.token(token_id) for token_id in sorted(used)},
        "special": sorted(token_id for token_id in used if tokenizer.kind_of(token_id) == "special"),
        "unknown": sum(tokenizer.kind_of(token_id) == "unknown" for token_id in shown.ids),
        "suited": {side.objective: [family.title[lang] for family in suited(side.objective)] for side in shown.sides},
    }


def _ids(side: Side) -> list[int]:
    from models.objectives import IGNORED

    example = side.example
    decoder = [] if example.decoder_inputs is None else example.decoder_inputs.tolist()
    return [*example.inputs.tolist(), *decoder, *(one for one in example.targets.tolist() if one != IGNORED)]


def _described(side: Side, lang: str) -> dict:
    """What of an example is drawn. targets: null where no loss is paid; masks: rows of the stretches that are seen."""
    from models.objectives import IGNORED, SUITS

    about = {"objective": side.objective, "variant": side.variant}
    if side.example is None:
        return {**about, "refused": told(side.refused, lang)}
    example = side.example
    seen = sights(SUITS[side.objective][0], example)
    positions = example.position_ids
    return {
        **about,
        "inputs": example.inputs.tolist(),
        "decoder_inputs": None if example.decoder_inputs is None else example.decoder_inputs.tolist(),
        "targets": [None if target == IGNORED else target for target in example.targets.tolist()],
        "positions": None if positions is None else positions.tolist(),
        "segments": None if example.token_type_ids is None else example.token_type_ids.tolist(),
        "prefix": example.prefix_length,
        "is_next": example.is_next,
        "n_paid": side.n_paid,
        "n_text": side.n_text,
        "n_text_paid": side.n_text_paid,
        "masks": [
            {"kind": one.kind, "columns": one.seen.shape[1], "rows": [runs(row) for row in one.seen.tolist()]}
            for one in seen
        ],
    }


ANSWERS = [sides_make]
