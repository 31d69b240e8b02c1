"""The endpoints /mask and /fill_mask."""

from typing import TYPE_CHECKING

from models.errors import InputError
from playground import services
from playground.i18n import language
from playground.objective_models import BERT, hold_masked
from playground.session import DEFAULTS
from playground.tab import refusals
from playground.views.numbers import exact

if TYPE_CHECKING:
    from models.tokenizers import Tokenizer

MASK = "[MASK]"
MOST_LISTED = 100
MOST_CHARACTERS = 20_000


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
    lang = language(lang)
    with refusals(lang):
        from playground import masking_payload
        from playground.masking_request import masked_text

        by_hand = {} if fates is None else fates
        asked = {"text": text, "model": model, "seed": seed, "share": share, "words": whole_words, "fates": by_hand}
        listed, loaded, made = masked_text({**asked, "part": part})
        if made.lost:
            raise InputError("mask_position", position=made.lost[0], last=len(made.ids) - 1)
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
    lang = language(lang)
    with refusals(lang):
        import torch

        if isinstance(top_k, bool) or not isinstance(top_k, int):
            raise InputError("not_an_integer", field="top_k", value=top_k)
        if not 1 <= top_k <= MOST_LISTED:
            raise InputError("out_of_range", field="top_k", value=top_k, low=1, high=MOST_LISTED)
        listed, loaded = hold_masked(model)
        ids, segments = _read(loaded.tokenizer, [_checked("text", text), _checked("second", second)])
        tool, mask_id = loaded.tokenizer, loaded.tokenizer.special_id(MASK)
        places = [place for place, token_id in enumerate(ids) if token_id == mask_id]
        if not places:
            raise InputError("fill_mask_none")
        if len(ids) > loaded.config.max_seq_len:
            raise InputError("fill_mask_too_long", n_tokens=len(ids), max_seq_len=loaded.config.max_seq_len)
        with services.turn(), torch.inference_mode():
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
