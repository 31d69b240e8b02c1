"""Translation (Vaswani et al., 2017, section 3.1): an encoder reads a sentence, a decoder writes it in another language.

A language may be written in two scripts: traditional Chinese is asked for by a mark before the sentence, so that a sentence
without one is put into simplified Chinese.
"""

from collections.abc import Sequence

import torch

from models.objectives.example import Example
from models.objectives.marks import Marks

SIMPLIFIED, TRADITIONAL = "", "<traditional>"
SCRIPTS = (TRADITIONAL,)  # the marks among them


def translation(source: Sequence[int], target: Sequence[int], marks: Marks, script: int | None = None) -> Example:
    """The example of a sentence and its translation, both as ids; `script` is the id of the mark that asks for one.

    Both end with `marks.end`; the decoder reads the target one place later, after `marks.pad`.
    """
    marks.need("end", "pad")
    asked = [] if script is None else [script]
    answer = [*target, marks.end]
    return Example(
        inputs=torch.tensor([*asked, *source, marks.end]),
        targets=torch.tensor(answer),
        decoder_inputs=torch.tensor([marks.pad, *target]),
    )


def script_of(text: str) -> str:
    """`TRADITIONAL` where Chinese text has characters that only traditional writing has, else `SIMPLIFIED`.

    By the national standards: GB 2312 has the simplified characters and those common to both, Big5 the traditional ones.
    """
    return TRADITIONAL if not _can_be_written_in(text, "gb2312") and _can_be_written_in(text, "big5") else SIMPLIFIED


def _can_be_written_in(text: str, standard: str) -> bool:
    try:
        text.encode(standard)
    except UnicodeEncodeError:
        return False
    return True
