"""How sentence pairs are built of documents, step by step: what `draw_pairs`, which also makes those of a training, drew."""

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from models.tokenizers.interface import Tokenizer
from playground.answering import read_whole
from playground.pair_documents import Document
from playground.session import LIMITS

if TYPE_CHECKING:
    from models.objectives.next_sentence import Drawn

MOST_PAIRS = 60  # that are shown


def drawn_pairs(documents: list[Document], seed: object, max_tokens: object) -> "list[Drawn]":
    """The first pairs of the documents under a seed, each of at most `max_tokens` with [CLS] and [SEP]."""
    from torch import Generator

    from models.objectives.next_sentence import draw_pairs

    chance = Generator().manual_seed(read_whole("seed", seed, *LIMITS["obj_seed"]))
    room = read_whole("tokens", max_tokens, *LIMITS["pair_tokens"])
    return list(islice(draw_pairs([document.ids for document in documents], room, chance), MOST_PAIRS))


def parts_of(drawn: "Drawn", documents: list[Document]) -> tuple[str, str]:
    """The texts of a pair's two parts, as they are after the cuts."""
    own = documents[drawn.document]
    lost = Counter((cut.part, cut.at_front) for cut in drawn.cuts)
    first = own.text(drawn.place, drawn.place + drawn.n_first, lost[0, True], lost[0, False])
    if drawn.other is None:
        return first, own.text(drawn.place + drawn.n_first, drawn.end, lost[1, True], lost[1, False])
    return first, documents[drawn.other].text(drawn.other_place, drawn.other_end, lost[1, True], lost[1, False])


def building(documents: list[Document], pairs: "list[Drawn]", tokenizer: Tokenizer, max_tokens: int) -> dict:
    """What the page walks through: the documents as sentences of tokens, and of each pair what was drawn.

    `cuts` has a digit for each lost token, in order: 0 the front of A, 1 the end of A, 2 and 3 those of B.
    """
    from models.objectives.next_sentence import N_MARKS

    return {
        "documents": [
            {
                "own": document.own,
                "sentences": [
                    {"text": text, "tokens": [tokenizer.token(token_id) for token_id in ids]}
                    for text, ids in zip(document.sentences, document.ids, strict=True)
                ],
            }
            for document in documents
        ],
        "pairs": [_described(drawn, documents) for drawn in pairs],
        "room": max_tokens - N_MARKS,
        "most": MOST_PAIRS,
    }


def _described(drawn: "Drawn", documents: list[Document]) -> dict:
    first, second = parts_of(drawn, documents)
    return {
        "document": drawn.document,
        "place": drawn.place,
        "end": drawn.end,
        "wanted": drawn.wanted,
        "n_first": drawn.n_first,
        "throw": drawn.throw,
        "other": drawn.other,
        "other_place": drawn.other_place,
        "other_end": drawn.other_end,
        "is_next": drawn.pair.is_next,
        "cuts": "".join(str(2 * cut.part + (not cut.at_front)) for cut in drawn.cuts),
        "first": first,
        "second": second,
    }
