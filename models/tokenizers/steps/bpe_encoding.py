"""How BPE cuts a word: begin with characters or bytes, and do the merge that was learnt first, until there is none.

Sennrich et al., 2016 (arXiv:1508.07909), algorithm 1, applied to a new word.
"""

from dataclasses import dataclass

from models.tokenizers.interface import Tokenizer, check_text
from models.tokenizers.steps.bpe_rules import Rules, rules_of


@dataclass(frozen=True)
class EncodingStep:
    """The pieces before a merge.

    candidates: each pair of neighbours as (place of the left one in `pieces`, left, right, rank); the rank is the
        merge's place in the order in which merges were learnt, None where no such merge was. A pair at two different
        words is never merged, and has none.
    chosen: the place of the pair that is merged next, the leftmost of the lowest rank; None in the last step.
    """

    pieces: list[str]
    candidates: list[tuple[int, str, str, int | None]]
    chosen: int | None


def bpe_encoding(tokenizer: Tokenizer, word: str) -> list[EncodingStep]:
    """The steps from the first pieces of `word` to its tokens, which are the pieces of the last step.

    Pieces are spelled as in the vocabulary. A text of several words is cut into them first, as the tokenizer does. Where
    the merged pieces are not yet tokens, as for characters that become bytes, a last step has no candidates. The time
    grows with the square of the length: 200 characters take some hundredths of a second. Tokens that a vocabulary
    adds besides its merges are not looked for.
    Raises InputError: "train_other_algorithm" for a tokenizer that is no BPE, "text_surrogate", "tokenizer_gave_up" where
    it cannot cut the text into words.
    """
    rules = rules_of(tokenizer)
    words = rules.words(check_text(word))
    steps = [_step(rules, words)]
    while (chosen := steps[-1].chosen) is not None:
        words = _merged(rules, words, chosen)
        steps.append(_step(rules, words))
    tokens = [token for pieces in words for token in rules.finished(pieces)]
    if tokens != steps[-1].pieces:
        steps.append(EncodingStep(tokens, [], None))
    return steps


def _step(rules: Rules, words: list[list[str]]) -> EncodingStep:
    pieces = [piece for word in words for piece in word]
    begins = {0}
    for word in words:
        begins.add(max(begins) + len(word))
    candidates = [
        (
            place,
            pieces[place],
            pieces[place + 1],
            None if place + 1 in begins else rules.rank(*pieces[place : place + 2]),
        )
        for place in range(len(pieces) - 1)
    ]
    ranked = [(rank, place) for place, _, _, rank in candidates if rank is not None]
    return EncodingStep(pieces, candidates, min(ranked)[1] if ranked else None)


def _merged(rules: Rules, words: list[list[str]], chosen: int) -> list[list[str]]:
    """The words after the merge of the pieces at `chosen`, counted through all words, and after it."""
    result = []
    for word in words:
        if 0 <= chosen < len(word):
            word = [*word[:chosen], rules.joined(*word[chosen : chosen + 2]), *word[chosen + 2 :]]
            chosen = -1
        elif chosen >= 0:
            chosen -= len(word)
        result.append(word)
    return result
