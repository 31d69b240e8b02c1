"""What all tokenizers of the `tokenizers` library have in common."""

from collections.abc import Iterable
from pathlib import Path

import tokenizers as hf

from models.tokenizers.disguise import undisguised
from models.tokenizers.failures import gave_up
from models.tokenizers.interface import Encoding, Tokenizer, check_text
from models.tokenizers.offsets import byte_spans

FILE = "tokenizer.json"


class EngineTokenizer(Tokenizer):
    """A `tokenizers.Tokenizer` behind the house interface. A subclass says which bytes its tokens stand for; `disguise` is
    what stands before the names of special tokens in `engine`, and is not shown.

    The batch methods are used even for one text: they run without Python's lock, so that a long text stops no other
    thread, and the fast one leaves out the offsets.
    """

    def __init__(
        self, engine: hf.Tokenizer, name: str, algorithm: str, end_of_text: str | None, disguise: str = ""
    ) -> None:
        # Without this the engine turns a typed "<|endoftext|>" into the special token.
        engine.encode_special_tokens = True
        engine.no_padding()
        engine.no_truncation()
        # What comes after encoding adds special tokens, which are not wanted here, and may cut spaces off the offsets.
        self._post_processor = engine.post_processor
        engine.post_processor = None
        self.name = name
        self.algorithm = algorithm
        self._engine = engine
        self._disguise = disguise
        self._added = engine.get_added_tokens_decoder()
        n_ids = 1 + max(engine.get_vocab().values())
        self._tokens = [engine.id_to_token(i) or "" for i in range(n_ids)]
        self._special = {}
        for i in sorted(i for i, token in self._added.items() if token.special):
            self._tokens[i] = self._tokens[i].removeprefix(disguise)
            self._special[self._tokens[i]] = i
        self.eos_id = None if end_of_text is None else self.id_of(end_of_text)

    @property
    def vocab_size(self) -> int:
        return len(self._tokens)

    def encode(self, text: str) -> list[int]:
        return self.encode_many([text])[0]

    def encode_many(self, texts: Iterable[str]) -> list[list[int]]:
        checked = [check_text(text) for text in texts]
        try:
            encoded = self._engine.encode_batch_fast(checked, add_special_tokens=False)
        except BaseException as error:
            raise gave_up(error, self.name) from None
        return [encoding.ids for encoding in encoded]

    def encode_with_offsets(self, text: str) -> Encoding:
        try:
            encoded = self._engine.encode_batch([check_text(text)], add_special_tokens=False)[0]
        except BaseException as error:
            raise gave_up(error, self.name) from None
        ids = encoded.ids
        return Encoding(ids, encoded.offsets, byte_spans(text, encoded.offsets, self.shares(ids)))

    def words(self, text: str) -> list[str]:
        """The text, normalised, in the parts that are encoded one by one. Raises `InputError` as `encode` does."""
        normalizer, cutter = self._engine.normalizer, self._engine.pre_tokenizer
        try:
            normalised = normalizer.normalize_str(check_text(text)) if normalizer else check_text(text)
            return [word for word, _ in cutter.pre_tokenize_str(normalised)] if cutter else [normalised]
        except BaseException as error:
            raise gave_up(error, self.name) from None

    def id_of(self, token: str) -> int | None:
        """The id of a token, as the vocabulary spells it; None if there is none."""
        return self._special.get(token, self._engine.token_to_id(token))

    def token(self, token_id: int) -> str:
        return self._tokens[self.check_id(token_id)]

    def special_tokens(self) -> dict[str, int]:
        return dict(self._special)

    def kind_of(self, token_id: int) -> str:
        return "special" if self.token(token_id) in self._special else "text"

    def save(self, folder: str | Path) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        whole = hf.Tokenizer.from_str(self.to_json())
        if self._post_processor is not None:
            whole.post_processor = self._post_processor
        whole.save(str(Path(folder) / FILE))

    def to_json(self) -> str:
        """The tokenizer as its tokenizer.json has it, without what comes after encoding."""
        text = self._engine.to_str()
        return undisguised(text) if self._disguise else text

    def bare(self) -> hf.Tokenizer:
        """The library's own tokenizer, for measurements and explanations; it is shared, so do not change it."""
        return self._engine
