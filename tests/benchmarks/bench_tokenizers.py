"""What the house interface costs over the bare libraries, and how long the comparison of six tokenizers takes.

Rounds alternate between wrapper and library, so that whatever else the machine does falls on both; the ratio of a round is
computed within it, and the median of the rounds is reported.
"""

import time
from collections.abc import Callable
from statistics import median

import sentencepiece
import tokenizers as hf

from models.tokenizers.catalogue import SHIPPED, load_named
from playground.token_figures import column, size_of
from playground.token_passages import PASSAGES, passage
from playground.views.token_columns import column_payload

MOST_COST = 1.10
AIM_MS = 150.0
CHARACTERS = 2_000
LONG = 100_000  # characters that are encoded in a round
SIX = ("byte-bpe-8k", "sp-bpe-8k", "unigram-8k", "wordpiece-8k", "characters-8k", "bytes")


def run(rounds: int = 15) -> list[tuple[str, str]]:
    """Rows of (label, value) for the benchmark table."""
    text = sample(LONG)
    rows = []
    for name, bare in (("byte-bpe-8k", _hf), ("wordpiece-8k", _hf), ("unigram-8k", _sentencepiece)):
        ours, theirs = load_named(name).encode, bare(name)
        ours(text), theirs(text)
        pairs = [(_seconds(ours, text), _seconds(theirs, text)) for _ in range(rounds)]
        ratio = median(own / other for own, other in pairs)
        seconds = median(own for own, _ in pairs)
        rows.append((f"{name}: encode, 1 MB", f"{seconds * 1e6 / len(text.encode()):.2f} s"))
        rows.append((f"{name}: over the bare library", f"{ratio:.2f} (aim: at most {MOST_COST:.2f})"))
    text = sample(CHARACTERS)
    compare(text)
    label = f"{len(SIX)} tokenizers on {CHARACTERS} characters"
    wall = 1000 * median(_seconds(compare, text) for _ in range(rounds))
    busy = 1000 * median(_seconds(compare, text, time.process_time) for _ in range(rounds))
    rows.append((label, f"{wall:.0f} ms (aim: under {AIM_MS:.0f} ms)"))
    rows.append((f"{label}: of it on the processor", f"{busy:.0f} ms"))
    return rows


def sample(characters: int) -> str:
    """So many characters of the bundled passages, repeated."""
    text = "\n".join(passage(name) for name in PASSAGES)
    return (text * (characters // len(text) + 1))[:characters]


def compare(text: str) -> list[dict]:
    """What one change of the text computes."""
    size = size_of(text)
    return [column_payload(name, name, column(load_named(name), text, size), "en") for name in SIX]


def _hf(name: str) -> Callable[[str], object]:
    engine = hf.Tokenizer.from_file(str(SHIPPED / name / "tokenizer.json"))
    engine.encode_special_tokens = True
    return lambda text: engine.encode_batch_fast([text], add_special_tokens=False)[0].ids


def _sentencepiece(name: str) -> Callable[[str], object]:
    return sentencepiece.SentencePieceProcessor(model_file=str(SHIPPED / name / "tokenizer.model")).encode


def _seconds(work: Callable[[str], object], text: str, clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work(text)
    return clock() - start


if __name__ == "__main__":
    for label, value in run():
        print(f"{label}: {value}")
