"""assets/tokenizers/CARD.md: what the shipped tokenizers were learnt from, and what they do; every figure is measured."""

from dataclasses import dataclass
from pathlib import Path

from models.tokenizers.interface import Tokenizer
from models.tokenizers.sample import MEASURED_BYTES, SOURCES, Sample

FAMILIES = {
    "byte-bpe-*": "Byte-level BPE, as GPT-2 (Radford et al., 2019); trainer of the `tokenizers` library",
    "sp-bpe-*": "BPE over characters, with bytes for what has no piece, as LLaMA; trainer of SentencePiece "
    "(Kudo & Richardson, 2018, arXiv:1808.06226)",
    "unigram-*": "Unigram language model, as T5 (Kudo, 2018, arXiv:1804.10959); trainer of SentencePiece, beginning with "
    "ten candidates an id",
    "wordpiece-*": "WordPiece, as BERT's cased vocabularies (Devlin et al., 2019, arXiv:1810.04805); trainer of the "
    "`tokenizers` library, which merges the most frequent pair",
    "characters-*": "One id a character: those of the texts by frequency, then ASCII, GB 2312 and GBK in their order, "
    "until the vocabulary is full",
    "bytes": "One id a byte, and one for the end of a text; it has no other size, and nothing to learn",
}

CARD = """# Tokenizers

{count} tokenizers, learnt from the same {total:,} bytes of English and Chinese: those of one size differ by their
algorithm only. `python -m models.tokenizers train all` makes the same files again from the texts below.

| folder | algorithm |
| --- | --- |
{families}

`4k`, `8k` and `16k` are 4,096, 8,192 and 16,384 ids, special ones among them. Nothing is lower-cased and no Unicode
form is changed; WordPiece drops control characters and the spaces between words. Three eighths of the ids at most
spell a single character, but for byte-level BPE, whose alphabet are the bytes, and for characters. What is rarer
becomes bytes (`sp-bpe`, in which line ends and tabs are bytes, too) or the unknown token (`unigram`, `wordpiece`,
`characters`).

## Texts

Whole documents, drawn in the order of a SHA-256 hash of their text until the next would not fit.

| texts | source | licence | bytes learnt from |
| --- | --- | --- | ---: |
{sources}

The folders hold vocabularies: words and parts of words with their ranks or probabilities, no sentence of these texts.

## Measured

On documents of the same files that were not learnt from, {measured_bytes:,} bytes a file at most. Seconds are of
learning, once, with the processor shared with other work.

| folder | ids | kB | seconds | tokens a character, en | zh | unknown or byte tokens, en | zh |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
{rows}
"""

ROW = "| `{name}` | {ids:,} | {kb:,.0f} | {seconds} | {en} | {zh} | {lost_en} | {lost_zh} |"


@dataclass(frozen=True)
class Measured:
    """A learnt tokenizer on documents that it did not learn from; the dictionaries are by language."""

    name: str
    n_ids: int
    file_bytes: int
    seconds: float
    tokens_per_character: dict[str, float]
    share_without_piece: dict[str, float]  # of the tokens: unknown, or a byte of a character that has no piece

    def line(self) -> str:
        """One line for the terminal."""
        figures = ", ".join(f"{value:.4f} {language}" for language, value in self.tokens_per_character.items())
        measured = f"; tokens per character: {figures}" if figures else ""
        return f"{self.name}: {self.n_ids:,} ids, {self.file_bytes:,} bytes, {self.seconds:.1f} s{measured}"


def measure(tokenizer: Tokenizer, folder: Path, seconds: float, texts: dict[str, list[str]]) -> Measured:
    """Tokens per character, and the share of tokens without a piece, in each language of `texts`."""
    tokens_per_character, share_without_piece = {}, {}
    for language, documents in texts.items():
        ids = [token_id for encoded in tokenizer.encode_many(documents) for token_id in encoded]
        without = sum(tokenizer.kind_of(token_id) in ("unknown", "byte") for token_id in ids)
        tokens_per_character[language] = len(ids) / sum(map(len, documents))
        share_without_piece[language] = without / len(ids)
    file_bytes = sum(path.stat().st_size for path in folder.iterdir())
    return Measured(folder.name, tokenizer.vocab_size, file_bytes, seconds, tokens_per_character, share_without_piece)


def write_card(path: Path, sample: Sample, rows: list[Measured]) -> None:
    """Write the card of the tokenizers that `rows` measured."""
    sources = [
        f"| {source.title} (`{source.file}`) | {source.origin} | {source.licence} | {sample.bytes_learnt[source.file]:,} |"
        for source in SOURCES
    ]
    text = CARD.format(
        count=len(rows),
        families="\n".join(f"| `{folder}` | {text} |" for folder, text in FAMILIES.items()),
        total=sum(sample.bytes_learnt.values()),
        sources="\n".join(sources),
        measured_bytes=MEASURED_BYTES,
        rows="\n".join(map(_row, rows)),
    )
    path.write_text(text, encoding="utf-8")


def _row(row: Measured) -> str:
    return ROW.format(
        name=row.name,
        ids=row.n_ids,
        kb=row.file_bytes / 1000,
        seconds=f"{row.seconds:.1f}" if row.seconds else "–",
        **{language: f"{value:.3f}" for language, value in row.tokens_per_character.items()},
        **{f"lost_{language}": f"{value:.2%}" for language, value in row.share_without_piece.items()},
    )
