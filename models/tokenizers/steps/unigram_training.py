"""How Unigram learns: begin with far too many pieces, and take away those that the text misses least.

Kudo, 2018, Subword Regularization (arXiv:1804.10959), section 3.2, with what its implementation in SentencePiece does
besides: expected counts below a half are dropped, and digamma takes the place of the logarithm when probabilities are
made of counts (a sparse prior: Liang & Klein, 2007, Structured Bayesian Nonparametric Models with Variational Inference).
"""

import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass

from models.tokenizers.interface import check_text
from models.tokenizers.sentencepieces import SPACE
from models.tokenizers.steps.unigram_lattice import UNKNOWN_PENALTY

MAX_WORD = 50
"""Words are cut after so many characters: products of more probabilities could fall below what a float can hold."""
MAX_PIECE = 16
MIN_EXPECTED = 0.5
EM_ROUNDS = 2
KEPT = 0.75
"""Share of the pieces that a round of pruning keeps."""
UNKNOWN = 1
"""The token of what cannot be spelled is one of the wanted number."""
NO_PIECE = ""
UNKNOWN_NAME = "<unk>"

LogProbs = dict[str, float]
Span = tuple[int, int, str]


@dataclass(frozen=True)
class PruneStep:
    """The pieces before a removal.

    pieces: (piece, log-probability in nats, loss), the most probable first. The loss is by how much the text's
        log-likelihood per word falls, by the approximation of SentencePiece, if the piece is removed: 0 where the best
        ways to cut the words do without it, None where the piece cannot be spelled otherwise, so that it stays.
    removed: those that the next step lacks: the ones with the least loss; in the last round, which has to get from a few
        too many to the wanted number, by the losses of the round before; none in the last step.
    loss: the negative log-likelihood of the text in nats per word, all ways to cut it taken together.
    """

    number: int
    pieces: list[tuple[str, float, float | None]]
    removed: list[str]
    loss: float


def unigram_pruning(text: str, vocab_size: int = 60) -> list[PruneStep]:
    """The steps from all repeated parts of the words of `text` to `vocab_size` pieces.

    Words begin with ▁ for the space before them. Single characters are never removed, so a text with more different
    ones keeps more pieces. Every probability is that of the `tokenizers` library's trainer for the same pieces, to the
    last digits. Which pieces go is mostly the same: its trainer ranks the losses of a few otherwise, so that the two may
    end with some different ones; `library_pieces` tells which.
    A text without words has no step. Raises InputError("text_surrogate").
    """
    words = Counter(part for word in check_text(text).split() for part in _parts(SPACE + word))
    if not words:
        return []
    spans = {word: _spans(word) for word in words}
    log_probs = _seed(words, spans)
    for word in words:  # what is no piece now never will be
        spans[word] = [span for span in spans[word] if span[2] in log_probs]
    letters = {character for word in words for character in word}
    steps: list[PruneStep] = []
    while True:
        for _ in range(EM_ROUNDS):
            log_probs = _reestimated(words, spans, log_probs)
        losses = _losses(words, spans, log_probs)
        if len(log_probs) + UNKNOWN <= _enough(vocab_size):
            break
        kept = _kept(log_probs, losses, vocab_size)
        if len(kept) == len(log_probs):  # nothing is left that could go
            break
        steps.append(_step(len(steps), words, spans, log_probs, losses, kept))
        log_probs = kept
    final = _final(log_probs, letters, vocab_size)
    steps.append(_step(len(steps), words, spans, log_probs, losses, final))
    if final != log_probs:
        losses = _losses(words, spans, final)
        steps.append(_step(len(steps), words, spans, final, losses, final))
    return steps


def library_pieces(text: str, vocab_size: int) -> dict[str, float]:
    """The pieces, with their log-probabilities, that the trainer of the `tokenizers` library learns from the words that
    `unigram_pruning` reads, single characters and the unknown token included in `vocab_size` as there.

    A text without words has none. Raises InputError("text_surrogate").
    """
    import tokenizers as hf

    words = check_text(text).split()
    if not words:
        return {}
    letters = set(SPACE.join(["", *words]))
    engine = hf.Tokenizer(hf.models.Unigram())
    engine.pre_tokenizer = hf.pre_tokenizers.Metaspace()
    trainer = hf.trainers.UnigramTrainer(
        vocab_size=max(vocab_size, len(letters) + UNKNOWN + 1),
        show_progress=False,
        unk_token=UNKNOWN_NAME,
        special_tokens=[UNKNOWN_NAME],
    )
    engine.train_from_iterator(words, trainer)
    learnt = json.loads(engine.to_str())["model"]["vocab"]
    return {piece: log_prob for piece, log_prob in learnt if piece != UNKNOWN_NAME}


def _parts(word: str) -> list[str]:
    return [word[start : start + MAX_WORD] for start in range(0, len(word), MAX_WORD)]


def _spans(word: str) -> list[Span]:
    """Every part of a word that could be a piece: (start, end, part), in the order of their start."""
    return [
        (start, end, word[start:end])
        for start in range(len(word))
        for end in range(start + 1, min(start + MAX_PIECE, len(word)) + 1)
    ]


def _seed(words: Counter[str], spans: dict[str, list[Span]]) -> LogProbs:
    """The characters, and the parts that several words have, in proportion to how many of their characters they cover.

    Of parts that are always followed by the same character only the longest is taken, as from a suffix array.
    """
    letters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            letters[character] += count
    occurrences: Counter[str] = Counter()
    followers: defaultdict[str, set[str]] = defaultdict(set)
    for word in words:
        for _, end, part in spans[word]:
            occurrences[part] += 1
            followers[part].add(word[end : end + 1])
    parts = {part: len(part) * n for part, n in occurrences.items() if len(part) > 1 and len(followers[part]) > 1}
    total = letters.total() + sum(parts.values())
    order = [sorted(weights.items(), key=lambda item: item[::-1], reverse=True) for weights in (letters, parts)]
    return {part: math.log(weight / total) for part, weight in [*order[0], *order[1]]}


def _unknown(log_probs: LogProbs) -> float:
    return min(log_probs.values()) - UNKNOWN_PENALTY


def _likelihood(spans: list[Span], probabilities: dict[str, float], unknown: float, length: int) -> list[float]:
    """The probability of reaching each place of a word from its start, all ways taken together."""
    forward = [1.0] + [0.0] * length
    for start, end, part in spans:
        if part in probabilities:
            forward[end] += forward[start] * probabilities[part]
        elif end == start + 1:
            forward[end] += forward[start] * unknown
    return forward


def _reestimated(words: Counter[str], spans: dict[str, list[Span]], log_probs: LogProbs) -> LogProbs:
    """One round of expectation-maximisation (Dempster et al., 1977) over all ways to cut each word."""
    expected = dict.fromkeys(log_probs, 0.0)
    probabilities = {part: math.exp(log_prob) for part, log_prob in log_probs.items()}
    unknown = math.exp(_unknown(log_probs))
    for word, count in words.items():
        length = len(word)
        forward = _likelihood(spans[word], probabilities, unknown, length)
        backward = [0.0] * length + [count / forward[-1]]
        for start, end, part in reversed(spans[word]):
            if part in probabilities:
                share = backward[end] * probabilities[part]
                backward[start] += share
                expected[part] += forward[start] * share
            elif end == start + 1:
                backward[start] += backward[end] * unknown
    kept = {part: count for part, count in expected.items() if count >= MIN_EXPECTED}
    total = digamma(sum(kept.values()))
    return {part: digamma(count) - total for part, count in kept.items()}


def digamma(x: float) -> float:
    """The derivative of the logarithm of the gamma function, for x > 0: about log(x - 1/2)."""
    result = 0.0
    while x < 7:
        result -= 1 / x
        x += 1
    x -= 0.5
    square = 1 / (x * x)
    series = 1 / 24 - square * (7 / 960 - square * (31 / 8064 - square * 127 / 30720))
    return result + math.log(x) + square * series


def _losses(words: Counter[str], spans: dict[str, list[Span]], log_probs: LogProbs) -> dict[str, float | None]:
    """What the removal of each piece would cost, as in `PruneStep`."""
    unknown = _unknown(log_probs)
    used: Counter[str] = Counter()  # how often each piece is in the best ways to cut the words; what is none, together
    for word, count in words.items():
        for start, end in _best(spans[word], log_probs, unknown, len(word)):
            used[word[start:end] if word[start:end] in log_probs else NO_PIECE] += count
    total, n_words = sum(used.values()), words.total()
    losses: dict[str, float | None] = {}
    for part in log_probs:
        length = len(part)
        if length == 1:
            losses[part] = None
            continue
        others = [span for span in _spans(part) if span[2] != part]
        second = _best(others, log_probs, unknown, length)
        second_log_prob = sum(log_probs.get(part[start:end], unknown) for start, end in second)
        if second_log_prob > log_probs[part] or not used[part]:
            losses[part] = 0.0
        else:
            # Its uses go to the pieces of the second-best way to spell it.
            pieces = (part[start:end] for start, end in second)
            counts = [used[piece if piece in log_probs else NO_PIECE] for piece in pieces]
            log_total = math.log(total + used[part] * (len(counts) - 1))
            without = sum(math.log(count + used[part]) - log_total for count in counts)
            losses[part] = used[part] / n_words * (math.log(used[part]) - math.log(total) - without)
    return losses


def _best(spans: list[Span], log_probs: LogProbs, unknown: float, length: int) -> list[tuple[int, int]]:
    """The best way to cut a word (Viterbi, 1967), as the places of its pieces; of equal ones that with the longest last."""
    best = [0.0] + [-math.inf] * length
    came_from = [0] * (length + 1)
    for start, end, part in spans:
        if part in log_probs:
            log_prob = best[start] + log_probs[part]
        elif end == start + 1:
            log_prob = best[start] + unknown
        else:
            continue
        if log_prob > best[end]:
            best[end], came_from[end] = log_prob, start
    way = []
    end = length
    while end:
        way.append((came_from[end], end))
        end = came_from[end]
    return way[::-1]


def _kept(log_probs: LogProbs, losses: dict[str, float | None], vocab_size: int) -> LogProbs:
    """The pieces without which the text cannot be spelled, then those with the greatest loss."""
    limit = max(_enough(vocab_size), int(KEPT * (len(log_probs) + UNKNOWN))) - UNKNOWN
    needed = [part for part, loss in losses.items() if loss is None]
    costly = sorted((part for part, loss in losses.items() if loss), key=lambda part: -losses[part])
    return {part: log_probs[part] for part in [*needed, *costly[: max(0, limit - len(needed))]]}


def _enough(vocab_size: int) -> int:
    """How many pieces end the rounds: a tenth more than wanted."""
    return vocab_size * 11 // 10


def _final(log_probs: LogProbs, letters: set[str], vocab_size: int) -> LogProbs:
    """All characters, then the other pieces in the order in which `_kept` has left them, `vocab_size` together."""
    least = min(log_probs.values())
    final = {letter: log_probs.get(letter, least) for letter in sorted(letters)}
    for part, log_prob in log_probs.items():
        if len(final) + UNKNOWN >= vocab_size:
            break
        final.setdefault(part, log_prob)
    return final


def _step(
    number: int,
    words: Counter[str],
    spans: dict[str, list[Span]],
    log_probs: LogProbs,
    losses: dict[str, float | None],
    kept: LogProbs,
) -> PruneStep:
    probabilities = {part: math.exp(log_prob) for part, log_prob in log_probs.items()}
    unknown = math.exp(_unknown(log_probs))
    nats = 0.0
    for word, count in words.items():
        nats -= count * math.log(_likelihood(spans[word], probabilities, unknown, len(word))[-1])
    order = sorted(log_probs, key=lambda part: (-log_probs[part], part))
    return PruneStep(
        number=number,
        pieces=[(part, log_probs[part], losses[part]) for part in order],
        removed=[part for part in order if part not in kept],
        loss=nats / words.total(),
    )
