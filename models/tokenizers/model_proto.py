"""The few fields of a SentencePiece model file that its library does not tell: by which algorithm it was learnt.

The file is a protocol buffer (sentencepiece_model.proto): fields with a number and a wire type, one after the other.
"""

from collections.abc import Iterator

from models.tokenizers.failures import Fault

PIECES, TRAINER, MODEL_TYPE = 1, 2, 3
UNIGRAM, BPE, WORD, CHARACTERS = 1, 2, 3, 4
ALGORITHMS = {UNIGRAM: "Unigram", BPE: "SentencePiece BPE", CHARACTERS: "characters"}

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5


def algorithm_of(data: bytes) -> str:
    """What made the model file `data`, as in `Tokenizer.algorithm`.

    Raises ValueError if it is no such file, Fault("tokenizer_kind") if it holds whole words.
    """
    model = dict(fields(data))
    if PIECES not in model:
        raise ValueError("it has no pieces")
    trainer = dict(fields(model.get(TRAINER, b"")))
    kind = trainer.get(MODEL_TYPE, UNIGRAM)
    if kind not in ALGORITHMS:
        raise Fault("tokenizer_kind", kind=f"model_type {kind}", known=", ".join(ALGORITHMS.values()))
    return ALGORITHMS[kind]


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a message; of numbers only whole ones are decoded, others stay bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == VARINT:
            value, position = _varint(data, position)
        elif wire_type in (FIXED_64, FIXED_32, BYTES):
            if wire_type == BYTES:
                length, position = _varint(data, position)
            else:
                length = 8 if wire_type == FIXED_64 else 4
            value, position = data[position : position + length], position + length
        else:
            raise ValueError(f"field {number} has the wire type {wire_type}")
        if position > len(data):
            raise ValueError("the file is cut off")
        yield number, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A whole number, seven bits a byte, the lowest first, and the position after it."""
    value = 0
    for i in range(10):
        if position + i >= len(data):
            raise ValueError("the file is cut off")
        byte = data[position + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, position + i + 1
    raise ValueError("a number has no end")
