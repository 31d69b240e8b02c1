"""Learning a vocabulary from texts, with the trainers of the `tokenizers` and `sentencepiece` libraries.

Five algorithms, one interface. What they have in common is set here, so that vocabularies of one size differ by their
algorithm only: the same texts, nothing lower-cased or normalised, and, if nothing else is asked for, at most
`ALPHABET_SHARE` of the ids for single characters. The same texts give the same vocabulary, however often they are learnt
from and on whatever machine.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tokenizers as hf
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from models.errors import InputError
from models.tokenizers.byte_level import train_byte_bpe
from models.tokenizers.engine import FILE
from models.tokenizers.engine_files import BERT_SPECIAL, UNKNOWN
from models.tokenizers.files import load
from models.tokenizers.interface import END_OF_TEXT, Tokenizer, check_text
from models.tokenizers.sentencepieces import FILE as SENTENCEPIECE_FILE
from models.tokenizers.sentencepieces import SPACE

MAX_TEXT_BYTES = 1_000_000
"""UTF-8 bytes of a visitor's own text: the slowest algorithm learns from so much in about five seconds."""
MIN_VOCAB_SIZE, MAX_VOCAB_SIZE = 512, 16_384

ALPHABET_SHARE = 3 / 8
"""Of 4,096 ids at most 1,536 spell a single character: Chinese alone would fill such a vocabulary with its characters,
and leave no room for pieces. What is rarer falls to bytes where an algorithm has them, and to the unknown token."""

SEEDS_PER_ID = 10
"""Unigram begins with so many candidates for each id of the final vocabulary. SentencePiece's own 1,000,000 takes many
times as long."""
LINE_CHARACTERS = 1_000
"""SentencePiece leaves out lines of more than 4,192 bytes; longer ones are given to it in pieces."""

Progress = Callable[[float, str], None]
"""Called with the share of the work that is done, and the name of the stage that begins: one of `STAGES`."""
STAGES = ("reading", "learning", "opening")


@dataclass(frozen=True)
class Wanted:
    """What is to be learnt: so many ids, at most `n_characters` of them for single characters, and for a vocabulary of
    characters those of `reserve` where the texts leave ids over."""

    vocab_size: int
    n_characters: int
    reserve: str


def train(
    algorithm: str,
    texts: Iterable[str],
    vocab_size: int,
    progress: Progress | None = None,
    name: str | None = None,
    alphabet_share: float = ALPHABET_SHARE,
) -> Tokenizer:
    """The tokenizer that `algorithm` (a key of `ALGORITHMS`) learns from `texts`.

    At most `alphabet_share` of the ids spell a single character, where characters are the alphabet (not in "byte-bpe",
    nor in "characters", which has nothing else). It has `vocab_size` ids, special tokens among them, or fewer where the
    texts do not yield so many. An exception of `progress` stops the work: before each stage, and in the first one before
    each text. Once a library has begun to learn, it cannot be stopped; it lets other threads run meanwhile.
    Raises InputError: "train_algorithm", "train_size", "train_nothing", "text_surrogate", "train_failed".
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / (name or algorithm)
        train_into(folder, algorithm, texts, vocab_size, progress, alphabet_share=alphabet_share)
        if progress:
            progress(0.95, "opening")
        return load(folder)


def train_on_text(algorithm: str, text: str, vocab_size: int, progress: Progress | None = None) -> Tokenizer:
    """`train` on a text that a visitor gave; besides, raises InputError("train_text_too_long")."""
    n_bytes = len(check_text(text).encode())
    if n_bytes > MAX_TEXT_BYTES:
        raise InputError("train_text_too_long", n_bytes=n_bytes, limit=MAX_TEXT_BYTES)
    return train(algorithm, [text], vocab_size, progress)


def train_into(
    folder: str | Path,
    algorithm: str,
    texts: Iterable[str],
    vocab_size: int,
    progress: Progress | None = None,
    reserve: str = "",
    alphabet_share: float = ALPHABET_SHARE,
) -> None:
    """`train`, written into `folder` as files that `tokenizers.load` reads.

    `reserve` are characters that fill the ids that are left over, for "characters" only. Raises InputError: as `train`
    does, "train_failed" with SentencePiece's own words, "train_needs_package" where it is not installed.
    """
    if algorithm not in ALGORITHMS:
        raise InputError("train_algorithm", name=algorithm, known=", ".join(ALGORITHMS))
    if not MIN_VOCAB_SIZE <= vocab_size <= MAX_VOCAB_SIZE:
        raise InputError("train_size", value=vocab_size, low=MIN_VOCAB_SIZE, high=MAX_VOCAB_SIZE)
    report = progress or _silent
    report(0.0, "reading")
    read = []
    for text in texts:
        report(0.0, "reading")
        read.append(check_text(text))
    if not any(text.strip() for text in read):
        raise InputError("train_nothing")
    report(0.1, "learning")
    Path(folder).mkdir(parents=True, exist_ok=True)
    ALGORITHMS[algorithm](Path(folder), read, Wanted(vocab_size, int(alphabet_share * vocab_size), reserve))


def _silent(share: float, stage: str) -> None:
    """Progress that nobody watches."""


def most_frequent(counts: Counter[str], limit: int) -> list[str]:
    """The `limit` most frequent characters; of equally frequent ones those with the lower code points."""
    return sorted(counts, key=lambda character: (-counts[character], character))[:limit]


def _byte_bpe(folder: Path, texts: list[str], wanted: Wanted) -> None:
    """As GPT-2 (Radford et al., 2019). Its alphabet are the 256 bytes, so no character is left out."""
    train_byte_bpe(texts, wanted.vocab_size).save(folder)
    _write(folder, json.loads((folder / FILE).read_text(encoding="utf-8")))


def _sentencepiece_bpe(folder: Path, texts: list[str], wanted: Wanted) -> None:
    """As LLaMA: a character without a piece of its own becomes its bytes, `<0x00>` to `<0xFF>`."""
    _sentencepiece(folder, texts, wanted, model_type="bpe", byte_fallback=True)


def _unigram(folder: Path, texts: list[str], wanted: Wanted) -> None:
    """As T5 (Kudo, 2018, arXiv:1804.10959): what has no piece is unknown. Line ends and tabs, which SentencePiece does
    not learn from, have an id each."""
    _sentencepiece(
        folder,
        texts,
        wanted,
        model_type="unigram",
        user_defined_symbols=["\n", "\t"],
        seed_sentencepiece_size=SEEDS_PER_ID * wanted.vocab_size,
    )


def _sentencepiece(folder: Path, texts: list[str], wanted: Wanted, **settings: object) -> None:
    try:
        import sentencepiece
    except ImportError:
        raise InputError("train_needs_package", command="pip install sentencepiece") from None
    lines = _with_alphabet([line for text in texts for line in _lines(text)], wanted.n_characters)
    with (folder / SENTENCEPIECE_FILE).open("wb") as file:
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(lines),
                model_writer=file,
                vocab_size=wanted.vocab_size,
                character_coverage=1.0,
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                hard_vocab_limit=False,
                num_threads=1,  # the sums of several threads are rounded differently from run to run
                minloglevel=2,
                **settings,
            )
        except RuntimeError as error:
            raise InputError("train_failed", reason=str(error).splitlines()[0]) from error


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        for start in range(0, len(line), LINE_CHARACTERS):
            yield line[start : start + LINE_CHARACTERS]


def _with_alphabet(lines: list[str], limit: int) -> list[str]:
    """The lines with NUL, which SentencePiece takes for a character that is not to be learnt, instead of all but the
    `limit` most frequent characters. Its own setting, a share of the text, does not go below 98%."""
    counts = Counter()
    for line in lines:
        counts.update(line)
    counts[SPACE] += counts.pop(" ", 0) + len(lines)  # a space, and the one that is put before each line
    rare = counts.keys() - set(most_frequent(counts, limit))
    table = dict.fromkeys(map(ord, rare), "\0")
    return [line.translate(table) for line in lines]


def _wordpiece(folder: Path, texts: list[str], wanted: Wanted) -> None:
    """As BERT's multilingual vocabulary (Devlin et al., 2019): cased, each Chinese character a word of its own.

    The library's trainer merges the most frequent pair, as BPE does. It numbers the characters in an order that changes
    from run to run, and breaks ties by these numbers; given the alphabet as if it were special tokens, it does not.
    """
    engine = hf.Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    engine.normalizer, engine.pre_tokenizer = wordpiece_parts()
    words = Counter()
    for text in texts:
        cut = engine.pre_tokenizer.pre_tokenize_str(engine.normalizer.normalize_str(text))
        words.update(word for word, _ in cut)
    alphabet = _wordpiece_alphabet(words, wanted.n_characters)
    trainer = trainers.WordPieceTrainer(
        vocab_size=wanted.vocab_size,
        special_tokens=[*BERT_SPECIAL, *alphabet],
        limit_alphabet=0,
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    vocab = json.loads(engine.to_str())["model"]["vocab"]
    # The same parts around the vocabulary, without the alphabet among the special tokens.
    finished = hf.Tokenizer(models.WordPiece(vocab, unk_token=UNKNOWN))
    finished.normalizer, finished.pre_tokenizer = engine.normalizer, engine.pre_tokenizer
    finished.decoder = decoders.WordPiece()
    finished.add_special_tokens(list(BERT_SPECIAL))
    _write(folder, json.loads(finished.to_str()))


def wordpiece_parts() -> tuple[normalizers.Normalizer, pre_tokenizers.PreTokenizer]:
    """What cuts a text into words for WordPiece, as for BERT's cased vocabularies: control characters are dropped, and
    words end at spaces, around punctuation and around each Chinese character."""
    normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    return normalizer, pre_tokenizers.BertPreTokenizer()


def _wordpiece_alphabet(words: Counter[str], limit: int) -> list[str]:
    """The most frequent characters, then those that stand inside a word again with ##; each in the order of their code
    points."""
    counts = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    kept = set(most_frequent(counts, limit))
    inside = {character for word in words for character in word[1:]} & kept
    return [*sorted(kept), *(f"##{character}" for character in sorted(inside))]


def _characters(folder: Path, texts: list[str], wanted: Wanted) -> None:
    """One id for each of the most frequent characters, spaces and line ends among them."""
    counts = Counter()
    for text in texts:
        counts.update(text)
    special = [UNKNOWN, END_OF_TEXT]
    order = dict.fromkeys([*special, *most_frequent(counts, len(counts)), *wanted.reserve])
    vocab = {token: token_id for token_id, token in enumerate([*order][: wanted.vocab_size])}
    engine = hf.Tokenizer(models.WordLevel(vocab, unk_token=UNKNOWN))
    engine.pre_tokenizer = pre_tokenizers.Split(hf.Regex("(?m:.)"), "isolated")
    engine.decoder = decoders.Fuse()
    engine.add_special_tokens(special)
    _write(folder, json.loads(engine.to_str()))


def _write(folder: Path, parts: dict) -> None:
    """Write tokenizer.json in as few bytes as its form allows: each merge as one text, no spaces between the entries."""
    if merges := parts["model"].get("merges"):
        parts["model"]["merges"] = [" ".join(pair) for pair in merges]
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


ALGORITHMS: dict[str, Callable[[Path, list[str], Wanted], None]] = {
    "byte-bpe": _byte_bpe,
    "sp-bpe": _sentencepiece_bpe,
    "unigram": _unigram,
    "wordpiece": _wordpiece,
    "characters": _characters,
}
