"""Training data from texts that are in memory: what `data.prepare` makes of files, without a corpus folder or a cache.

For short trainings on little text. The tokenizer is given; texts are read as often as the recipe needs.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.errors import InputError
from models.tokenizers import Tokenizer
from models.training.corpora import Corpus, held_out
from models.training.data import HeldOut, TokenFile, TokenStream, TrainingData
from models.training.pairs import PairData, prepare_pairs
from models.training.recipe import CorpusShare, Recipe

HELD_OUT_SHARE = 0.05  # of little text, so that the score is of more than a few sentences
LEAST_HELD_OUT = 2  # where there are documents enough: pairs of sentences take their second part from another


def split(documents: Sequence[str], fraction: float = HELD_OUT_SHARE) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Documents for training and held-out ones, by their own text; where that holds out all or too few, the last ones.

    Raises InputError("corpus_not_held_out") with fewer than two that differ.
    """
    distinct = list(dict.fromkeys(documents))  # what is held out must not be learnt from, however often it occurs
    if len(distinct) < 2:
        raise InputError("corpus_not_held_out", documents=len(distinct))
    kept = [document for document in distinct if held_out(document, fraction)]
    least = min(LEAST_HELD_OUT, len(distinct) // 2)
    if not least <= len(kept) < len(distinct):
        kept = distinct[-least:]
    return tuple(document for document in documents if document not in kept), tuple(kept)


def in_memory(
    recipe: Recipe,
    tokenizer: Tokenizer,
    training: Sequence[str],
    validation: Sequence[str],
    most_validated: int,
) -> TrainingData | PairData:
    """The data of a recipe from documents; of held-out text at most `most_validated` tokens are scored.

    Raises InputError: "corpus_too_short" or "corpus_not_held_out" where there is nothing to predict in what is learnt
    from, or in what is scored; and as the objectives do.
    """
    file = recipe.mixture.corpora[0].file
    if recipe.objective == "masked_pairs":
        corpus = Corpus(file, tuple(training), tuple(validation))
        data = prepare_pairs(recipe, tokenizer, recipe.mixture.corpora, [corpus])
        n_pairs = max(1, most_validated // recipe.sequence_length)
        return replace(data, held_out={file: pairs[:n_pairs] for file, pairs in data.held_out.items()})
    read = _token_file(training, tokenizer)
    needed = recipe.steps * recipe.batch_tokens + 1
    if read.n_tokens < 2:
        raise InputError("corpus_too_short", available=read.n_tokens, wanted=needed)
    passes = math.ceil(needed / read.n_tokens)
    stream = TokenStream([read], [passes], recipe.seed)
    scored = HeldOut(file, _token_file(validation, tokenizer).ids[:most_validated])
    if len(scored.ids) < 2:
        raise InputError("corpus_not_held_out", documents=len(validation))
    return TrainingData(tokenizer, (CorpusShare(file=file, passes=passes),), stream, (scored,))


def _token_file(documents: Sequence[str], tokenizer: Tokenizer) -> TokenFile:
    """The documents as tokens, each after the token that ends a text, where the vocabulary has one."""
    first = [] if tokenizer.eos_id is None else [tokenizer.eos_id]
    rows = [np.array([*first, *ids], dtype=np.uint16) for ids in tokenizer.encode_many(documents)]
    rows = [row for row in rows if len(row)]
    return TokenFile(
        np.concatenate(rows) if rows else np.zeros(0, np.uint16), np.cumsum([0, *map(len, rows)], dtype=np.int64)
    )
