"""One interface over every way of cutting text into tokens.

`interface.Tokenizer` says what a tokenizer can do; a module per family wraps the library that does it
(`byte_level`: the `tokenizers` library); `files.load` chooses the class for a folder. A new family is a new
module and one more case in `files`. `gguf_bpe` builds the tokenizer that a GGUF file describes; `chatml` writes a
conversation as ids, with whichever tokenizer has the marks for it.
"""

from models.tokenizers.byte_level import bytes_tokenizer, train_byte_bpe
from models.tokenizers.files import load
from models.tokenizers.interface import END_OF_TEXT, Tokenizer

__all__ = ["END_OF_TEXT", "Tokenizer", "bytes_tokenizer", "load", "train_byte_bpe"]
