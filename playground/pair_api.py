"""The endpoint /next_sentence."""

from playground.objective_models import BERT
from playground.pair_judging import hold_judge, judge, typed_pair
from playground.tab import asked_in, refusals
from playground.turns import turn


def next_sentence(first: str, second: str, model: str = BERT, lang: str = "en") -> dict:
    """Asks a model of BERT's kind whether one text follows another.

    Args:
        first: a sentence or more, at most 20,000 characters
        second: what may follow it, or be from elsewhere
        model: the name of a model with a head for sentence pairs; another name is answered with the names there are
        lang: "en" or "zh", the language of a refusal

    Returns:
        model: what answered
        probability: that the second text follows the first; that it comes from elsewhere is as much as 1 lacks
        follows: whether that is more than one half
        tokens, segments: what the model read, [CLS] and [SEP] included
        unknown: the places of tokens that the vocabulary lacks
        cut: how many tokens of text did not fit into the model's context of `limit` tokens, and were left out: the longer
            text loses one at a time, at its front or its end
    """
    with refusals(asked_in(lang)):
        found, loaded = hold_judge(model)
        pair = typed_pair(first, second, loaded.tokenizer)
        with turn():
            judged = judge(loaded, pair)
    return {
        "model": found.name,
        "probability": judged.probability,
        "follows": judged.probability > 0.5,
        "tokens": judged.tokens,
        "segments": judged.segments,
        "unknown": judged.unknown,
        "cut": judged.cut,
        "limit": judged.limit,
    }
