"""The published vocabularies that come as a list of ranks: how each cuts text before merging, and its special tokens.

A file of ranks holds neither, so which vocabulary it is must be known. No two of these have the same number of tokens, so
that number tells. The patterns are their authors' own.
"""

from dataclasses import dataclass

from models.tokenizers.interface import END_OF_TEXT

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
O200K = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHAT_MARKS = ("<|im_start|>", "<|im_end|>")


@dataclass(frozen=True)
class RankFile:
    """A published vocabulary of ranks.

    pattern: what cuts the text. special: its special tokens by id; `end_of_text` is the one that ends a text.
    unicode_form: what text is normalised to first, None for nothing.
    """

    name: str
    pattern: str
    special: dict[str, int]
    end_of_text: str = END_OF_TEXT
    unicode_form: str | None = None


def _from(first: int, *tokens: str) -> dict[str, int]:
    return {token: first + i for i, token in enumerate(tokens)}


def _reserved(numbers: range) -> tuple[str, ...]:
    return tuple(f"<|reserved_special_token_{i}|>" for i in numbers)


KNOWN: dict[int, RankFile] = {
    50_256: RankFile("gpt2", GPT2, {END_OF_TEXT: 50_256}),
    # The code models' file leaves the id of the end of text free, in the middle of its own.
    50_280: RankFile("p50k", GPT2, {END_OF_TEXT: 50_256}),
    100_256: RankFile(
        "cl100k",
        CL100K,
        {
            **_from(100_257, END_OF_TEXT, "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"),
            "<|endofprompt|>": 100_276,
        },
    ),
    199_998: RankFile("o200k", O200K, {END_OF_TEXT: 199_999, "<|endofprompt|>": 200_018}),
    128_000: RankFile(
        "llama3",
        LLAMA3,
        _from(
            128_000,
            "<|begin_of_text|>",
            "<|end_of_text|>",
            *_reserved(range(4)),
            "<|start_header_id|>",
            "<|end_header_id|>",
            *_reserved(range(4, 5)),
            "<|eot_id|>",
            *_reserved(range(5, 251)),
        ),
        end_of_text="<|end_of_text|>",
    ),
    151_643: RankFile("qwen", QWEN, _from(151_643, END_OF_TEXT, *CHAT_MARKS), unicode_form="NFC"),
    248_044: RankFile("qwen3.5", QWEN35, _from(248_044, END_OF_TEXT, *CHAT_MARKS), unicode_form="NFC"),
    151_329: RankFile("glm4", LLAMA3, _from(151_329, END_OF_TEXT, "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>")),
}
"""By the number of tokens in the file, special ones not counted.

OpenAI's are as in the package `tiktoken` 0.14, Llama 3's as in Meta's reference code, Qwen's as in the package of its
tokenizer (the ids after the marks of a chat differ between its generations), GLM-4's as in its `tokenization_chatglm.py`.
"""
