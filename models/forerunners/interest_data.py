"""Lists of words that were read, and whether a word comes next: examples for target attention, from stories."""

import random
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.tokenizers import Tokenizer
from models.training.corpora import read_corpus

FILES = ("en/tinystories.txt", "en/tinystories_extra.txt")
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
SENTENCE = re.compile(r"(?<=[.!?])\s+")
N_COMMON = 120  # words that every story has, which say nothing of this one
LONGEST_LIST = 16


@dataclass(frozen=True)
class Examples:
    """lists (N, S) and queries (N,) of word numbers, -1 at padding; labels (N,): 1.0 where the query is of the sentence
    after the list."""

    lists: Tensor
    queries: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.queries)


def read_examples(folder: Path, seed: int) -> tuple[list[str], Examples, Examples]:
    """The words by number, and the examples to learn from and those held out.

    Two stories are read in turn, as somebody with two interests would: the list has words of both. For every further
    sentence of the first, a word of it that was not read before is right, and one drawn from all stories as often as it
    occurs is wrong.
    """
    corpora = [read_corpus(folder, file) for file in FILES]
    training = [story for corpus in corpora for story in corpus.training]
    held_out = [story for corpus in corpora for story in corpus.validation]
    counts = Counter(word for story in training for word in WORD.findall(story.lower()))
    common = {word for word, _ in counts.most_common(N_COMMON)}
    words = sorted(word for word, count in counts.items() if count >= 3 and word not in common)
    numbers = {word: place for place, word in enumerate(words)}
    shares = [counts[word] for word in words]
    chance = random.Random(seed)
    return words, *(_examples(stories, numbers, shares, chance) for stories in (training, held_out))


def _examples(stories: list[str], numbers: dict[str, int], shares: list[int], chance: random.Random) -> Examples:
    lists, queries, labels = [], [], []
    drawn = iter(chance.choices(range(len(shares)), weights=shares, k=1_000_000))
    for story in stories:
        other = _new_words(chance.choice(stories), numbers)
        elsewhere = [number for sentence in other for number in sentence][: LONGEST_LIST // 2]
        read: list[int] = []
        for new in _new_words(story, numbers):
            if len(read) >= 2 and new:
                both = [*read[-(LONGEST_LIST // 2) :], *elsewhere]
                right, wrong = chance.choice(new), next(one for one in drawn if one not in both)
                for query, label in ((right, 1.0), (wrong, 0.0)):
                    lists.append(chance.sample(both, len(both)))
                    queries.append(query)
                    labels.append(label)
            read += new
    padded = [[*one, *[-1] * (LONGEST_LIST - len(one))] for one in lists]
    return Examples(torch.tensor(padded), torch.tensor(queries), torch.tensor(labels))


def _new_words(story: str, numbers: dict[str, int]) -> list[list[int]]:
    """Of each sentence the words that no sentence before it had."""
    seen: set[int] = set()
    found = []
    for sentence in SENTENCE.split(story.lower()):
        new = dict.fromkeys(numbers[word] for word in WORD.findall(sentence) if word in numbers)
        found.append([number for number in new if number not in seen])
        seen.update(new)
    return found


def word_vector(word: str, tokenizer: Tokenizer, embedding: Tensor) -> Tensor:
    """The word's vector in a model's table (V, D): the mean of its tokens', as it stands after a space."""
    return embedding[tokenizer.encode(f" {word.strip()}")].float().mean(dim=0)  # (D,)


def word_vectors(words: list[str], tokenizer: Tokenizer, embedding: Tensor) -> Tensor:
    """`word_vector` of each, brought to unit variance: (N, D)."""
    vectors = torch.stack([word_vector(word, tokenizer, embedding) for word in words])
    return vectors / embedding.float().std()
