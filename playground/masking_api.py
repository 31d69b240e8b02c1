"""The endpoints /mask and /fill_mask."""

from models.errors import InputError
from playground.mask_filled import filled
from playground.objective_models import BERT
from playground.session import DEFAULTS
from playground.tab import asked_in, refusals


def mask(
    text: str,
    model: str = BERT,
    seed: int = DEFAULTS["obj_seed"],
    share: float = 0.15,
    whole_words: bool = False,
    fates: dict | None = None,
    part: int = 0,
    lang: str = "en",
) -> dict:
    """Masks a text as BERT's pre-training does; nothing is predicted, see /fill_mask.

    Args:
        text: at most 20,000 characters; its first sentences become A, the rest B, cut where the seed says
        model: the name of a model with a head for masked words ("bert-mini"), whose tokenizer reads the text; an unknown
            name is answered with the list of names
        seed: decides the pair, the positions and their dice; the same seed gives the same answer
        share: of the positions of text that are predicted, 0.01 to 0.6
        whole_words: draw whole words
        fates: set by hand, by position: "mask", "random" or "keep"; "leave" takes a position out; a whole number throws
            its dice so many times again. A position that was not drawn is added
        part: of a text that is longer than what is read at once (128 tokens, or the model's context), which part
        lang: "en" or "zh", the language of the sentences

    Returns:
        model, part, parts: who read, and which part of how many
        tokens, ids, segments: the pair with its marks before anything is masked; 0 for A, 1 for B
        fates: for each position that is predicted its position, throw in [0, 1) (null if set by hand), action ("mask" below
            0.8, "random" below 0.9, else "keep"), the token that would take its place if random, and by ("seed", "again" or
            "hand")
        inputs, input_ids: what the model reads
        targets: the true id at each predicted position, -100 where no loss is paid
        n_paid: how many positions pay loss
        notes: a sentence for each thing that is odd about the text
    """
    lang = asked_in(lang)
    with refusals(lang):
        from playground import masking_payload
        from playground.masking_request import masked_text, text_places

        by_hand = {} if fates is None else fates
        asked = {"text": text, "model": model, "seed": seed, "share": share, "words": whole_words, "fates": by_hand}
        listed, loaded, made = masked_text({**asked, "part": part})
        if made.lost:
            raise InputError("mask_position", position=made.lost[0], places=text_places(made))
        sequence = masking_payload.sequence(loaded.tokenizer, made)
        noted = masking_payload.notes(listed, loaded.tokenizer, text, made, lang)
    return {
        "model": listed.name,
        "part": made.part.index,
        "parts": made.part.count,
        **{name: sequence[name] for name in ("tokens", "ids", "segments")},
        "fates": masking_payload.fates(loaded.tokenizer, made),
        **{name: sequence[name] for name in ("inputs", "input_ids")},
        "targets": made.example.targets.tolist(),
        "n_paid": made.example.n_paid,
        "notes": [note["sentence"] for note in noted],
    }


def fill_mask(text: str, model: str = BERT, top_k: int = 5, second: str = "", lang: str = "en") -> dict:
    """Lets a model of BERT's kind fill in every [MASK] of a text.

    Args:
        text: with [MASK] at least once; at most 20,000 characters, and with [CLS] and [SEP] as many tokens as the model
            reads
        model: the name of a model with a head for masked words ("bert-mini"); an unknown name is answered with the list
            of names
        top_k: how many tokens are listed for each [MASK], 1 to 100
        second: a second stretch of text, which may have [MASK] too: the model reads [CLS] text [SEP] second [SEP]
        lang: "en" or "zh", the language of the sentences

    Returns:
        model, trained: who answered, and whether it was trained at all
        tokens, ids: what the model read
        masks: for each [MASK] its position and its predictions, the likeliest first: token, id, probability. Each [MASK]
            is predicted for itself, hearing nothing of what is chosen at the others
        follows: the probability that `second` follows `text`, where there is a second text and the model judges that
    """
    lang = asked_in(lang)
    with refusals(lang):
        return filled(text, model, top_k, second)
