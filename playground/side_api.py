"""The endpoint /objectives."""

from models.errors import InputError
from playground.i18n import explain
from playground.session import DEFAULTS
from playground.side_examples import Side, examples_of, marked_tokenizer
from playground.side_masks import sights, suited
from playground.tab import asked_in, refusals
from playground.turns import turn

NAMES = (
    "causal",
    "prefix",
    "masked",
    "masked_pairs",
    "span_corruption",
    "blank_infilling",
    "mixture_of_denoisers",
)


def objectives(
    text: str, seed: int = DEFAULTS["obj_seed"], objectives: list[str] | None = None, lang: str = "en"
) -> dict:
    """What each training objective makes of one text: what a model reads, what it should say, and what it may see.

    Args:
        text: at most 20,000 characters; of more than 128 tokens the first 128 are taken
        seed: of everything that is drawn
        objectives: which of "causal", "prefix", "masked", "masked_pairs", "span_corruption", "blank_infilling" and
            "mixture_of_denoisers"; by default all
        lang: "en" or "zh", the language of the sentences

    Returns:
        ids, tokens: the text in the vocabulary of the demonstration; n_tokens: how many the whole text has
        examples: for each objective, and for each of its variants (short or long blanks, each of seven denoisers),
            objective, variant
            structure, architectures: what is trained so, and published families of that kind
            inputs, input_tokens: what the model, or its encoder, reads
            decoder_inputs, decoder_tokens: what a decoder reads, else null
            targets, target_tokens: what it should say at each place of `decoder_inputs`, or else of `inputs`; null at
                places that pay no loss
            n_paid, paid_share: places that pay loss, in all and of all places that are read; of a pair [CLS] is one, which
                pays for the answer `is_next`
            n_text_paid, text_share: those that pay for a token of text, not for a sentinel, an end or another mark, in all
                and of the tokens of text that the example has
            position_ids: one row, or two where tokens have two positions; null for 0, 1, 2, …
            token_type_ids: the segments, or null
            prefix_length: how many first tokens see each other, or null
            is_next: whether the second part follows the first, for pairs, else null
            attention: by kind ("self", or "encoder", "decoder" and "cross") rows of 0 and 1: what each place sees
            or, where the text is too short for an objective, `refused` with a sentence
    """
    lang = asked_in(lang)
    with refusals(lang):
        wanted = NAMES if objectives is None else _names(objectives)
        with turn():
            shown = examples_of(text, seed)
            examples = [_listed(side, lang) for side in shown.sides if side.objective in wanted]
    return {"ids": shown.ids, "tokens": _tokens(shown.ids), "n_tokens": shown.n_tokens, "examples": examples}


def _names(objectives: object) -> tuple[str, ...]:
    listed = tuple(objectives) if isinstance(objectives, list) else (objectives,)
    for name in listed:
        if name not in NAMES:
            raise InputError("not_a_choice", field="objectives", value=name, allowed=", ".join(NAMES))
    return listed


def _tokens(ids: list[int | None]) -> list[str | None]:
    return [None if token_id is None else marked_tokenizer().token(token_id) for token_id in ids]


def _listed(side: Side, lang: str) -> dict:
    from models.objectives import IGNORED, SUITS

    structure = SUITS[side.objective][0]
    about = {"objective": side.objective, "variant": side.variant, "structure": structure}
    about["architectures"] = [family.title[lang] for family in suited(side.objective)]
    if side.example is None:
        return {**about, "refused": explain(lang, side.refused)}
    example = side.example
    inputs = example.inputs.tolist()
    decoder = None if example.decoder_inputs is None else example.decoder_inputs.tolist()
    targets = [None if target == IGNORED else target for target in example.targets.tolist()]
    return {
        **about,
        "inputs": inputs,
        "input_tokens": _tokens(inputs),
        "decoder_inputs": decoder,
        "decoder_tokens": None if decoder is None else _tokens(decoder),
        "targets": targets,
        "target_tokens": _tokens(targets),
        "n_paid": side.n_paid,
        "paid_share": side.n_paid / (len(inputs) + len(decoder or ())),
        "n_text_paid": side.n_text_paid,
        "text_share": side.n_text_paid / side.n_text,
        "position_ids": None if example.position_ids is None else example.position_ids.tolist(),
        "token_type_ids": None if example.token_type_ids is None else example.token_type_ids.tolist(),
        "prefix_length": example.prefix_length,
        "is_next": example.is_next,
        "attention": {one.kind: one.seen.int().tolist() for one in sights(structure, example)},
    }
