"""Each tokenization algorithm as a list of steps to look at: learning a vocabulary, and cutting a text with it.

The functions return plain values (texts, numbers, tuples) that a page or a notebook can show forwards and backwards.
They are there to be read and watched; the libraries do the work everywhere else, and tests hold these steps to the
libraries' own results. A text of 2,000 characters takes some hundredths of a second; they set no limit of their own.
"""

from models.tokenizers.steps.bpe_encoding import EncodingStep, bpe_encoding
from models.tokenizers.steps.bpe_training import MergeStep, bpe_training
from models.tokenizers.steps.unigram_lattice import Edge, Lattice, unigram_lattice
from models.tokenizers.steps.unigram_training import PruneStep, library_pieces, unigram_pruning
from models.tokenizers.steps.wordpiece_encoding import MatchStep, wordpiece_encoding
from models.tokenizers.steps.wordpiece_training import WordPieceStep, wordpiece_training

__all__ = [
    "Edge",
    "EncodingStep",
    "Lattice",
    "MatchStep",
    "MergeStep",
    "PruneStep",
    "WordPieceStep",
    "bpe_encoding",
    "bpe_training",
    "library_pieces",
    "unigram_lattice",
    "unigram_pruning",
    "wordpiece_encoding",
    "wordpiece_training",
]
