"""chrF, how much of its characters a translation shares with a reference (Popović, 2015, https://aclanthology.org/W15-3049).

chrF_β = (1 + β²) · P · R / (β² · P + R), where P and R are the means, over n = 1 … 6, of the share of the translation's
character n-grams that the reference has, and of the reference's that the translation has; β = 2 makes recall count twice as
much. Spaces are left out. Of a corpus the n-grams of all sentences are counted together, each sentence's against the
reference it is nearest to. It needs no words, which Chinese does not mark.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST, BETA = 6, 2.0


@dataclass(frozen=True)
class Matches:
    """For each n: n-grams of the translation, of the reference, and those that both have."""

    translation: tuple[int, ...]
    reference: tuple[int, ...]
    shared: tuple[int, ...]

    @property
    def chrf(self) -> float:
        """From 0 to 100; 0 where either text is empty. Lengths that one of the texts has no n-gram of are left out."""
        counted = [
            (shared / mine, shared / theirs)
            for mine, theirs, shared in zip(self.translation, self.reference, self.shared, strict=True)
            if mine and theirs
        ]
        if not counted:
            return 0.0
        precision, recall = (sum(column) / len(counted) for column in zip(*counted, strict=True))
        if precision + recall == 0:
            return 0.0
        return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def chrf(translations: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The corpus's chrF; `references` has at least one reference for each translation."""
    nearest = [
        max((matches(translation, reference) for reference in several), key=lambda found: found.chrf)
        for translation, several in zip(translations, references, strict=True)
    ]
    totals = (
        [sum(column) for column in zip(*(getattr(one, field) for one in nearest), strict=True)] for field in FIELDS
    )
    return Matches(*map(tuple, totals)).chrf


FIELDS = ("translation", "reference", "shared")


def matches(translation: str, reference: str) -> Matches:
    """The n-grams of a translation and one reference."""
    counts = [(_n_grams(translation, n), _n_grams(reference, n)) for n in range(1, LONGEST + 1)]
    return Matches(
        # Where the reference is too short for any, the translation's do not count against it.
        translation=tuple(mine.total() if theirs else 0 for mine, theirs in counts),
        reference=tuple(theirs.total() for _, theirs in counts),
        shared=tuple((mine & theirs).total() for mine, theirs in counts),
    )


def _n_grams(text: str, n: int) -> Counter[str]:
    packed = "".join(text.split())
    return Counter(packed[start : start + n] for start in range(len(packed) - n + 1))
