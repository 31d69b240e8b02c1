"""Byte-level BPE by ranks, as the library `tiktoken` does it: every token has a number, and of two neighbours that form a
token the pair with the lowest number is merged first.

The package is imported when the first vocabulary is read, not with this file.
"""

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import InputError
from models.tokenizers.alphabet import spelled
from models.tokenizers.failures import Fault, broken, gave_up
from models.tokenizers.interface import Encoding, Tokenizer, check_text
from models.tokenizers.normal_forms import normal_form, origins
from models.tokenizers.offsets import byte_spans, characters_around, consecutive, placed
from models.tokenizers.rank_files import KNOWN, RankFile

if TYPE_CHECKING:
    import tiktoken

CUTTING_SECONDS = 1.0
"""After so long a pattern is given up that runs without end in `regex`, though not in `tiktoken`."""

TEKKEN = "tekken.json"
TEKKEN_SPECIAL = (
    *("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
    *("[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]"),
    *("[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"),
)
"""The first special tokens of Mistral's tekken files that do not list their own; `</s>` ends a text."""


class RankTokenizer(Tokenizer):
    """A `tiktoken.Encoding` behind the house interface.

    ids: the tokens, whose order is that of their ranks. first_id: the id of the one of rank 0; special tokens lie before it
    where it is not 0, as Mistral has them.
    """

    def __init__(
        self,
        engine: "tiktoken.Encoding",
        ids: dict[bytes, int],
        name: str,
        known: RankFile,
        first_id: int = 0,
    ) -> None:
        self.name = name
        self.algorithm = "byte-level BPE"
        self._engine = engine
        self._known = known
        self._first = first_id
        self._form = known.unicode_form
        n_ids = 1 + max(*ids.values(), *known.special.values())
        self._bytes = [b""] * n_ids
        for piece, token_id in ids.items():
            self._bytes[token_id] = piece
        self._special = dict(sorted(known.special.items(), key=lambda item: item[1]))
        self._name_of = {token_id: token for token, token_id in self._special.items()}
        self.eos_id = self._special.get(known.end_of_text)

    @property
    def vocab_size(self) -> int:
        return len(self._bytes)

    def encode(self, text: str) -> list[int]:
        try:
            return self._engine.encode_ordinary(normal_form(check_text(text), self._form))
        except BaseException as error:
            raise gave_up(error, self.name) from None

    def encode_with_offsets(self, text: str) -> Encoding:
        ids = self.encode(text)
        pieces = [self._bytes[token_id] for token_id in ids]
        normalised = normal_form(text, self._form)
        if normalised == text:
            spans = consecutive(pieces)
            return Encoding(ids, characters_around(text, spans), spans)
        char_spans = placed(origins(text, self._form), normalised, pieces)
        return Encoding(ids, char_spans, byte_spans(text, char_spans, pieces))

    def words(self, text: str) -> list[str]:
        """The text, normalised, in the parts that are encoded one by one. Raises `InputError` as `encode` does."""
        import regex  # tiktoken's patterns are written for it; Python's own module does not know all of them

        normalised = normal_form(check_text(text), self._form)
        try:
            found = regex.finditer(self._known.pattern, normalised, timeout=CUTTING_SECONDS)
            return [match[0] for match in found]
        except (regex.error, TimeoutError) as error:
            raise gave_up(error, self.name) from None

    def bytes_of(self, token_id: int) -> bytes:
        return self._bytes[self.check_id(token_id)]

    def token(self, token_id: int) -> str:
        return self._name_of.get(token_id) or spelled(self.bytes_of(token_id))

    def special_tokens(self) -> dict[str, int]:
        return dict(self._special)

    def kind_of(self, token_id: int) -> str:
        return "special" if self.check_id(token_id) in self._name_of else "text"

    def bare(self) -> "tiktoken.Encoding":
        """The library's own tokenizer, for measurements and explanations; it is shared, so do not change it."""
        return self._engine

    def save(self, folder: str | Path) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        ranks = ((rank - self._first, piece) for rank, piece in enumerate(self._bytes) if piece)
        if not self._first:
            lines = (base64.b64encode(piece) + b" %d\n" % rank for rank, piece in ranks)
            (Path(folder) / f"{self._known.name}.tiktoken").write_bytes(b"".join(lines))
            return
        vocab = [{"rank": rank, "token_bytes": base64.b64encode(piece).decode()} for rank, piece in ranks]
        config = {
            "pattern": self._known.pattern,
            "default_vocab_size": self.vocab_size,
            "default_num_special_tokens": self._first,
        }
        special = [{"rank": token_id, "token_str": token} for token, token_id in self._special.items()]
        parts = {"config": config, "vocab": vocab, "special_tokens": special}
        (Path(folder) / TEKKEN).write_text(json.dumps(parts, ensure_ascii=False), encoding="utf-8")


def is_rank_file(data: bytes) -> bool:
    """Whether the first line is a token in base64 and its rank; LLaMA 3's `tokenizer.model` is of this kind, too."""
    try:
        token, rank = data[:4096].split(b"\n", 1)[0].split()
        return bool(base64.b64decode(token, validate=True)) and rank.isdigit()
    except ValueError:
        return False


def read_ranks(data: bytes, file: str, name: str) -> Tokenizer:
    """The tokenizer of a file of ranks; `file` is what refusals call it.

    Raises InputError: "tokenizer_rank", "tokenizer_ids" and "tokenizer_lacks_byte" for a wrong file, "tokenizer_pattern"
    for a vocabulary that is not in `KNOWN`, "tokenizer_needs" where the package is not installed.
    """
    ranks = {}
    for number, line in enumerate(data.splitlines(), 1):
        if line:
            try:
                token, rank = line.split()
                ranks[base64.b64decode(token, validate=True)] = int(rank)
            except ValueError as error:
                raise InputError("tokenizer_rank", file=file, line=number) from error
    known = KNOWN.get(len(ranks))
    if known is None:
        raise InputError("tokenizer_pattern", file=file, n_tokens=len(ranks), known=_known_names())
    return _built(ranks, file, name, known)


def read_tekken(parts: dict, file: str, name: str) -> Tokenizer:
    """The tokenizer of Mistral's tekken file, which holds its own pattern; its special tokens have the first ids.

    Raises InputError: "tokenizer_shape", "tokenizer_ids" and "tokenizer_lacks_byte" for a wrong file, "tokenizer_broken" for
    a pattern that tiktoken cannot read, "tokenizer_needs" where the package is not installed.
    """
    with broken(file):
        config = parts["config"]
        n_special = config["default_num_special_tokens"]
        n_ranks = config["default_vocab_size"] - n_special
        try:
            ranks = {base64.b64decode(token["token_bytes"]): token["rank"] for token in parts["vocab"][:n_ranks]}
        except ValueError as error:
            raise Fault("tokenizer_shape") from error
        listed = {token["rank"]: token["token_str"] for token in parts.get("special_tokens") or []}
        named = listed or dict(enumerate(TEKKEN_SPECIAL))
        special = {named.get(i, f"<SPECIAL_{i}>"): i for i in range(n_special)}
        known = RankFile("tekken", config["pattern"], special, end_of_text="</s>")
    return _built(ranks, file, name, known, n_special)


def _built(ranks: dict[bytes, int], file: str, name: str, known: RankFile, first_id: int = 0) -> Tokenizer:
    try:
        import tiktoken
    except ImportError as error:
        raise InputError("tokenizer_needs", file=file, command="pip install tiktoken") from error
    with broken(file):
        ids = {piece: first_id + rank for piece, rank in ranks.items()} if first_id else ranks
        _check_ids(ids, known)
        # The library takes any numbers in the order of the ranks, and so gives ids at once.
        engine = tiktoken.Encoding(name, pat_str=known.pattern, mergeable_ranks=ids, special_tokens={})
    return RankTokenizer(engine, ids, name, known, first_id)


def _check_ids(ids: dict[bytes, int], known: RankFile) -> None:
    """Raises `Fault` unless each id is that of one token, and every byte is one."""
    taken = {*ids.values(), *known.special.values()}
    if len(taken) != len(ids) + len(known.special):
        raise Fault("tokenizer_ids")
    if min(taken, default=0) < 0 or max(taken) > 2 * len(taken):
        raise Fault("tokenizer_ids")
    lacking = [byte for byte in range(256) if bytes([byte]) not in ids]
    if lacking:
        raise Fault("tokenizer_lacks_byte", byte=f"{lacking[0]:#04x}")


def _known_names() -> str:
    return ", ".join(f"{known.name} ({size:,})" for size, known in KNOWN.items())
