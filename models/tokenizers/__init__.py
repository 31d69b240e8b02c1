"""One interface over every way of cutting text into tokens.

interface    what a tokenizer can do, whichever library does the work
files        which tokenizer a folder or a file holds; `load`
catalogue    tokenizers with a name: shipped, installed, or to be had; `opened` those that a visitor brings
round_trip   what comes back of a text
train        learning a vocabulary; `python -m models.tokenizers --help`
steps        the algorithms one step at a time
chatml       a conversation as ids, with whichever tokenizer has the marks for it

A module per library does the work: `engine` with `byte_level` and `subwords` (`tokenizers`; read by `engine_files`),
`sentencepieces` (`sentencepiece`), `ranks` with `rank_files` (`tiktoken`); `gguf_bpe` builds the tokenizer that a GGUF
file describes, and `settings` reads a folder's tokenizer_config.json. The libraries are imported when the first name that
needs them is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from models.tokenizers.interface import END_OF_TEXT, Encoding, Tokenizer

if TYPE_CHECKING:
    from models.tokenizers.byte_level import bytes_tokenizer, train_byte_bpe
    from models.tokenizers.files import load

# Names that need a library, and the modules that define them.
_WITH_LIBRARY = {"bytes_tokenizer": "byte_level", "train_byte_bpe": "byte_level", "load": "files"}

__all__ = ["END_OF_TEXT", "Encoding", "Tokenizer", "bytes_tokenizer", "load", "train_byte_bpe"]


def __getattr__(name: str) -> object:
    if name not in _WITH_LIBRARY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WITH_LIBRARY[name]}"), name)
