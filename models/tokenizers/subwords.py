"""Tokenizers of the `tokenizers` library whose vocabulary spells text in characters, not in bytes: WordPiece, Unigram, BPE
with a mark for the space or for the end of a word, and single characters.

The text of a token depends on where it stands: at the beginning of a text there is no space before it, at the end none
after it. Which it is, the library's own decoder is asked, once for each token.
"""

import re
from collections.abc import Sequence

import tokenizers as hf

from models.tokenizers.engine import EngineTokenizer
from models.tokenizers.interface import UNKNOWN_TEXT

BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
"""How a vocabulary spells one byte of a character that it lacks."""

NEIGHBOUR = "x"  # any token will do


class SubwordTokenizer(EngineTokenizer):
    """A tokenizer whose tokens are characters; `unknown` is the token for what it cannot spell, if it has one.

    byte_fallback: tokens spelled `<0x00>` to `<0xFF>` are single bytes.
    """

    def __init__(
        self,
        engine: hf.Tokenizer,
        name: str,
        algorithm: str,
        end_of_text: str | None = None,
        unknown: str | None = None,
        byte_fallback: bool = False,
        disguise: str = "",
    ) -> None:
        super().__init__(engine, name, algorithm, end_of_text, disguise)
        self._unknown = None if unknown is None else self.id_of(unknown)
        matches = ((i, BYTE_TOKEN.fullmatch(token)) for i, token in enumerate(self._tokens) if byte_fallback)
        self._byte_of = {i: bytes([int(match[1], 16)]) for i, match in matches if match}
        self._within: dict[int, bytes] = {}
        self._at_edge: dict[int, bytes] = {}

    def bytes_of(self, token_id: int) -> bytes:
        return self._share(self.check_id(token_id), at_edge=False)

    def kind_of(self, token_id: int) -> str:
        if self.check_id(token_id) == self._unknown:
            return "unknown"
        return "byte" if token_id in self._byte_of else super().kind_of(token_id)

    def shares(self, ids: Sequence[int]) -> list[bytes]:
        shares = [self._share(self.check_id(token_id), at_edge=False) for token_id in ids]
        edge = self._edge(ids)
        if edge is not None:
            shares[edge] = self._share(ids[edge], at_edge=True)
        return shares

    def _edge(self, ids: Sequence[int]) -> int | None:
        """Where the token is whose space is left out: the first one that has text."""
        return next((i for i, token_id in enumerate(ids) if self.kind_of(token_id) != "special"), None)

    def _share(self, token_id: int, at_edge: bool) -> bytes:
        known = self._at_edge if at_edge else self._within
        if token_id not in known:
            known[token_id] = self._asked(token_id, at_edge)
        return known[token_id]

    def _asked(self, token_id: int, at_edge: bool) -> bytes:
        kind = self.kind_of(token_id)
        if kind == "special":
            return b""
        if kind == "byte":
            return self._byte_of[token_id]
        text = self._text(self._tokens[token_id], at_edge)
        return (text.replace(self._tokens[token_id], UNKNOWN_TEXT) if kind == "unknown" else text).encode()

    def _text(self, token: str, at_edge: bool) -> str:
        """What the decoder makes of a token, as the first one or after another."""
        return self._decoded([token]) if at_edge else self._decoded([NEIGHBOUR, token])[len(NEIGHBOUR) :]

    def _decoded(self, tokens: list[str]) -> str:
        decoder = self._engine.decoder
        return " ".join(tokens) if decoder is None else decoder.decode(tokens)


class WordPieceTokenizer(SubwordTokenizer):
    """WordPiece: the vocabulary has no spaces, so the decoder puts one before every token that does not begin with ##
    (Devlin et al., 2019). What a token itself stands for has none."""

    def bytes_of(self, token_id: int) -> bytes:
        token = self.token(token_id)
        if self.kind_of(token_id) != "text":
            return super().bytes_of(token_id).lstrip()
        prefix = self._engine.model.continuing_subword_prefix
        return token.removeprefix(prefix).encode()


class WordEndTokenizer(SubwordTokenizer):
    """BPE that marks the end of a word, as GPT-1 does with `</w>`: the space stands after it, but not after the last."""

    def _edge(self, ids: Sequence[int]) -> int | None:
        with_text = (i for i in reversed(range(len(ids))) if self.kind_of(ids[i]) != "special")
        return next(with_text, None)

    def _text(self, token: str, at_edge: bool) -> str:
        return self._decoded([token]) if at_edge else self._decoded([token, NEIGHBOUR])[: -len(NEIGHBOUR)]
