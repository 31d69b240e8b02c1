"""Which tokens make up a word: what whole-word masking takes together (Google's BERT, 2019)."""

from collections.abc import Sequence

from models.tokenizers.interface import Tokenizer

CONTINUES = "##"  # how WordPiece spells a piece that goes on with a word


def words(tokenizer: Tokenizer, ids: Sequence[int]) -> list[list[int]]:
    """The positions of each word of `ids`, in order; a special token is a word of its own.

    WordPiece says itself which pieces go on; with other algorithms a word ends before a space. A Chinese character is a
    word of its own in BERT's vocabularies, so that nothing changes for Chinese.
    """
    found: list[list[int]] = []
    shares = [] if tokenizer.algorithm == "WordPiece" else tokenizer.shares(ids)
    whole = False  # whether the last word takes no more
    for position, token_id in enumerate(ids):
        special = tokenizer.kind_of(token_id) == "special"
        goes_on = tokenizer.token(token_id).startswith(CONTINUES) if not shares else shares[position][:1].strip() != b""
        if found and goes_on and not special and not whole:
            found[-1].append(position)
        else:
            found.append([position])
        whole = special
    return found
