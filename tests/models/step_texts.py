"""Texts on which the steps of tokenization algorithms are held to the libraries."""

ENGLISH = """Once upon a time there was a miller who had three sons, a mill, a donkey and a cat. The sons ground the
corn, the donkey carried it home, and the cat chased the mice away. "What's the use of that?" said the youngest.
When the miller died, the eldest took the mill, the second the donkey, and nothing was left for the third but the cat.
"""
CHINESE = """从前有一个磨坊主，他有三个儿子、一座磨坊、一头驴和一只猫。儿子们磨面，驴子驮粮，猫儿捉老鼠。
磨坊主死后，大儿子得了磨坊，二儿子得了驴子，小儿子什么也没有得到，只得到了那只猫。
"""
ODD = [
    "", " ", "a", "naïve café", "supercalifragilistic", "👩‍👩‍👧", "e\u0301", "𠮷野家", "two  spaces", "a\nb\tc", "\0x",
    "don't", "<unk>", "[UNK]", "<0x41>", "▁▁", "ＡＢＣ", "שלום", "x" * 120, "tokenization，分词", " lead", "trail ",
]  # fmt: skip
WORDS = [*dict.fromkeys(ENGLISH.split()), *(CHINESE[i : i + 7] for i in range(0, len(CHINESE), 5)), *ODD]
TEXTS = [*WORDS, *ENGLISH.splitlines(), *CHINESE.splitlines()]

HUG = " ".join(["hug"] * 10 + ["pug"] * 5 + ["pun"] * 12 + ["bun"] * 4 + ["hugs"] * 5)
REPEATS = "aaaa aaaaa ababab aaa bbbb abab"


def found_tokens(steps, unknown: str) -> list[str]:
    """The tokens that WordPiece's steps end in: the found pieces, or `unknown` for a word in which a piece is missing."""
    tokens: list[str] = []
    of_word: list[str] = []
    for i, step in enumerate(steps):
        of_word.append(step.found or unknown)
        if i + 1 == len(steps) or steps[i + 1].start == 0:
            tokens += [unknown] if unknown in of_word else of_word
            of_word = []
    return tokens


def library_tokens(tokenizer, text: str) -> list[str]:
    return [tokenizer.token(token_id) for token_id in tokenizer.encode(text)]
