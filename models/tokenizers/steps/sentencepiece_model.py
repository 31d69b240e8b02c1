"""What a SentencePiece model knows of its pieces, for the steps that do its work again."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from models.tokenizers.model_proto import PIECES, fields

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

KIND = 3  # the number of a piece's field in sentencepiece_model.proto
NORMAL, USER_DEFINED = 1, 4


@dataclass(frozen=True)
class PieceTable:
    """The pieces that text is cut into; control, byte and unused pieces are none of them.

    scores: of each piece; a log-probability in a Unigram model, minus the place in the order of merges in a BPE model.
    whole: pieces that a user defined; where they occur in a text, nothing is ever cut or merged.
    unknown: the piece of what has none, unless byte_fallback puts its bytes instead.
    """

    ids: dict[str, int]
    scores: dict[str, float]
    whole: frozenset[str]
    unknown: str
    unknown_id: int
    byte_fallback: bool

    def symbols(self, text: str) -> list[str]:
        """Characters, and user-defined pieces as they are, the longest where several begin."""
        longest_first = sorted(self.whole, key=len, reverse=True)
        symbols, place = [], 0
        while place < len(text):
            found = next((piece for piece in longest_first if text.startswith(piece, place)), text[place])
            symbols.append(found)
            place += len(found)
        return symbols

    def spelled(self, pieces: Iterable[str]) -> list[str]:
        """Pieces as the model gives them out: bytes or the unknown piece for those that it lacks. Neighbours that are
        both unknown are one."""
        result: list[str] = []
        for piece in pieces:
            if piece in self.ids:
                result.append(piece)
            elif self.byte_fallback:
                result += [f"<0x{byte:02X}>" for byte in piece.encode()]
            elif result[-1:] != [self.unknown]:
                result.append(self.unknown)
        return result


@lru_cache(maxsize=8)
def piece_table(processor: "SentencePieceProcessor") -> PieceTable:
    """The pieces of a loaded model."""
    data = processor.serialized_model_proto()
    pieces = (dict(fields(value)) for number, value in fields(data) if number == PIECES)
    kinds = {i: piece.get(KIND, NORMAL) for i, piece in enumerate(pieces)}
    spelling = {i: processor.id_to_piece(i) for i, kind in kinds.items() if kind in (NORMAL, USER_DEFINED)}
    return PieceTable(
        ids={piece: i for i, piece in spelling.items()},
        scores={piece: processor.get_score(i) for i, piece in spelling.items()},
        whole=frozenset(piece for i, piece in spelling.items() if kinds[i] == USER_DEFINED),
        unknown=processor.id_to_piece(processor.unk_id()),
        unknown_id=processor.unk_id(),
        byte_fallback=any(processor.is_byte(i) for i in kinds),
    )
