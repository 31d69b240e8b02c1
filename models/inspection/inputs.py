"""A text as a model reads it, whichever architecture it is: the arguments of its pass, and what stands at each place."""

import unicodedata
from dataclasses import dataclass

import torch
from torch import Tensor

from models.config import ModelConfig
from models.errors import InputError
from models.inspection.pictures import picture
from models.objectives.marks import Marks, marked_ids, marks_of
from models.prompts import prompt_for
from models.reading import TWO_DIMENSIONAL
from models.tokenizers import Tokenizer

SPECIAL, TEXT, DELIMITER, PATCH = "s", "t", "d", "p"


@dataclass(frozen=True)
class Sequence:
    """The places that one stack reads, in order.

    tokens: as the vocabulary spells them; texts: what a reader sees, parts of a character as bytes, "E4 BD"; ids: None for
    the patches of a picture; kinds: a letter a place, "t" text, "d" text of punctuation or spaces alone, "s" special, "p"
    patch; segments: 0 or 1 a place, where the model knows two sentences, or a prefix and what follows.
    """

    tokens: tuple[str, ...]
    texts: tuple[str, ...]
    ids: tuple[int, ...] | None
    kinds: str
    segments: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Inputs:
    """One pass: `model(**arguments)` reads `sequences`, which are named "text" (what a single stack, a decoder or the text
    tower reads), "source" (what an encoder reads) and "image".

    n_tokens: how many tokens the text has; part, parts: which window of it is read, of how many; written_from: the first
    place of "text" that the model has written, None where it has written nothing.
    """

    arguments: dict[str, Tensor]
    sequences: dict[str, Sequence]
    n_tokens: int = 0
    part: int = 0
    parts: int = 1
    written_from: int | None = None


def inputs_of(
    config: ModelConfig,
    tokenizer: Tokenizer | None,
    text: str | tuple[int, ...],
    second: str | tuple[int, ...] = "",
    most: int | None = None,
    part: int = 0,
    shown: str = "scene",
) -> Inputs:
    """What a model of this configuration reads of a text.

    An encoder-decoder reads `text` with its encoder and `second` with its decoder, after `decoder_start_id`; a prefix
    decoder reads `text` as its prefix and `second` as what was written after it; an encoder with segments reads `second`
    as sentence B. `second` may also be ids that the model has written, for a decoder after `text`, which may be ids as
    well. Decoders and classifiers read `text` alone, an encoder of images the picture called `shown`. Of a text with more
    than `most` tokens (never more than the context) the window number `part` is read. Raises `InputError` for a text that
    leaves nothing to read.
    """
    limit = config.max_seq_len if most is None else min(most, config.max_seq_len)
    if config.image is not None:
        pixels, image = _picture(config, shown)
        return Inputs({"pixel_values": pixels}, {"image": image})
    marks = marks_of(tokenizer)
    read = _READERS.get(config.structure, _plain)
    return read(config, tokenizer, marks, text, second, limit, part, shown)


def _plain(config, tokenizer, marks, text, second, limit, part, shown) -> Inputs:
    """A decoder."""
    ids = _ids(tokenizer, text)
    if not ids:
        if marks.end is None:
            raise InputError("prompt_empty")
        ids = [marks.end]
    window, part, parts = _window(ids, limit, part)
    written = _ids(tokenizer, second) if config.structure == "decoder" and not isinstance(second, str) else []
    if written:  # the end of the text is read, and what follows it
        window, part, parts = ids[-max(limit - len(written), limit // 2, 1) :], 0, 1
        written = written[: limit - len(window)]
    sequence = _sequence(tokenizer, marks, window + written, [0] * len(window) + [1] * len(written))
    written_from = len(window) if written else None
    return Inputs({"input_ids": _row(sequence.ids)}, {"text": sequence}, len(ids), part, parts, written_from)


def _encoder(config, tokenizer, marks, text, second, limit, part, shown) -> Inputs:
    """[CLS] A [SEP] or [CLS] A [SEP] B [SEP], with the marks that the vocabulary has."""
    first, other = _ids(tokenizer, text), _ids(tokenizer, second) if config.n_segments > 1 else []
    if not first and not other:
        raise InputError("attention_no_token")
    start = [] if marks.cls is None else [marks.cls]
    stop = [] if marks.sep is None else [marks.sep]
    room = limit - len(start) - len(stop) * (2 if other else 1)
    if other:
        other = other[: max(room // 2, room - len(first))]
        room -= len(other)
    window, part, parts = _window(first, max(room, 1), part)
    ids = [*start, *window, *stop]
    segments = [0] * len(ids)
    if other:
        ids += [*other, *stop]
        segments += [1] * (len(other) + len(stop))
    sequence = _sequence(tokenizer, marks, ids, segments)
    arguments = {"input_ids": _row(ids)}
    if config.n_segments > 1:
        arguments["token_type_ids"] = _row(segments)
    return Inputs(arguments, {"text": sequence}, len(first), part, parts)


def _encoder_decoder(config, tokenizer, marks, text, second, limit, part, shown) -> Inputs:
    """Encoder: the text and its end; decoder: its start, and what it has written."""
    ends = [] if marks.end is None else [marks.end]
    ids = marked_ids(text, tokenizer)
    if not ids and not ends:
        raise InputError("attention_no_token")
    window, part, parts = _window(ids, max(limit - len(ends), 1), part)
    source = _sequence(tokenizer, marks, [*window, *ends], [0] * (len(window) + len(ends)))
    start = config.decoder_start_id
    written = [start, *_ids(tokenizer, second)][:limit]
    target = _sequence(tokenizer, marks, written, [0] * len(written))
    arguments = {"input_ids": _row(source.ids), "decoder_input_ids": _row(written)}
    written_from = 1 if len(written) > 1 else None
    return Inputs(arguments, {"source": source, "text": target}, len(ids), part, parts, written_from)


def _prefix_decoder(config, tokenizer, marks, text, second, limit, part, shown) -> Inputs:
    """The prefix, which sees itself both ways, and what was written after it."""
    prompt = prompt_for(config, tokenizer, text)
    prefix, blank = list(prompt.ids), prompt.blank
    if not prefix:
        raise InputError("attention_no_token")
    written = _ids(tokenizer, second)
    if blank is not None:
        written = [blank.opening_id, *written]
    written = written[: max(limit // 2, 1)]
    room = max(limit - len(written), 1)
    parts = 1
    if len(prefix) > room:
        if blank is None:
            prefix, part, parts = _window(prefix, room, part)
        else:
            kept = max(room - 1, 0)
            window, part, parts = _window([one for at, one in enumerate(prefix) if at != blank.place], kept, part)
            prefix = [*window, prefix[blank.place]]
            blank = type(blank)(len(prefix) - 1, blank.opening_id)
    ids = prefix + written
    sequence = _sequence(tokenizer, marks, ids, [0] * len(prefix) + [1] * len(written))
    arguments = {"input_ids": _row(ids), "prefix_lengths": torch.tensor([len(prefix)])}
    if config.position in TWO_DIMENSIONAL:
        place = len(prefix) - 1 if blank is None else blank.place
        in_text = [*range(len(prefix)), *[place] * len(written)]
        in_block = [*[0] * len(prefix), *range(1, len(written) + 1)]
        arguments["position_ids"] = torch.tensor([[in_text, in_block]])  # (1, 2, T)
    written_from = len(prefix) + (blank is not None)
    written_from = written_from if len(ids) > written_from else None
    return Inputs(arguments, {"text": sequence}, len(prompt.ids), part if parts > 1 else 0, parts, written_from)


def _two_towers(config, tokenizer, marks, text, second, limit, part, shown) -> Inputs:
    """A text up to its end, and a picture."""
    read = _plain(config, tokenizer, marks, text, second, max(limit - 1, 1), part, shown)
    sequence = read.sequences["text"]
    if config.text_end_id is not None and config.text_end_id < tokenizer.vocab_size:
        sequence = _sequence(tokenizer, marks, [*sequence.ids, config.text_end_id], [0] * (len(sequence) + 1))
    pixels, image = _picture(config.vision_tower, shown)
    arguments = {"input_ids": _row(sequence.ids), "pixel_values": pixels}
    return Inputs(arguments, {"text": sequence, "image": image}, read.n_tokens, read.part, read.parts)


_READERS = {
    "encoder": _encoder,
    "encoder_decoder": _encoder_decoder,
    "prefix_decoder": _prefix_decoder,
    "two_towers": _two_towers,
}


def _picture(config: ModelConfig, shown: str) -> tuple[Tensor, Sequence]:
    """The pixels (1, C, size, size) of a picture, and its patches after the class token, named row.column from 1 on."""
    image = config.image
    side = image.image_size // image.patch_size
    names = [f"{row}.{column}" for row in range(1, side + 1) for column in range(1, side + 1)]
    names = ["[CLS]", *names]
    sequence = Sequence(tuple(names), tuple(names), None, SPECIAL + PATCH * (len(names) - 1), (0,) * len(names))
    return picture(shown, image.image_size, image.n_channels)[None], sequence


def _ids(tokenizer: Tokenizer, text: str | tuple[int, ...]) -> list[int]:
    return tokenizer.encode(text) if isinstance(text, str) else list(text)


def _window(ids: list[int], room: int, part: int) -> tuple[list[int], int, int]:
    """Window number `part` of the ids (the last one, if there are fewer), its number, and how many there are."""
    parts = max(1, -(-len(ids) // room))
    part = min(part, parts - 1)
    return ids[part * room : (part + 1) * room], part, parts


def _sequence(tokenizer: Tokenizer, marks: Marks, ids: list[int], segments: list[int]) -> Sequence:
    specials = marks.specials
    known = [token_id < tokenizer.vocab_size for token_id in ids]  # a random model may write ids that no token has
    tokens = tuple(
        tokenizer.token(token_id) if is_token else f"<{token_id}>"
        for token_id, is_token in zip(ids, known, strict=True)
    )
    kinds = "".join(
        SPECIAL if token_id in specials else _kind(tokenizer, token_id) if is_token else TEXT
        for token_id, is_token in zip(ids, known, strict=True)
    )
    texts = tuple(
        _text(tokenizer, token_id) if is_token else f"<{token_id}>"
        for token_id, is_token in zip(ids, known, strict=True)
    )
    return Sequence(tokens, texts, tuple(ids), kinds, tuple(segments))


def _text(tokenizer: Tokenizer, token_id: int) -> str:
    share = tokenizer.bytes_of(token_id)
    return as_read(share) if share else tokenizer.token(token_id)


def as_read(share: bytes) -> str:
    """What a reader sees of a token's bytes: their text; where they are no whole characters, the bytes, "E4 BD"."""
    try:
        return share.decode()
    except UnicodeDecodeError:
        return "\u202f".join(f"{byte:02X}" for byte in share)


def _kind(tokenizer: Tokenizer, token_id: int) -> str:
    try:
        text = tokenizer.bytes_of(token_id).decode()
    except UnicodeDecodeError:  # a part of a character
        return TEXT
    is_delimiter = text and all(unicodedata.category(character)[0] in "PZC" for character in text)
    return DELIMITER if is_delimiter else TEXT


def _row(ids) -> Tensor:
    return torch.tensor([list(ids)])  # (1, T)
