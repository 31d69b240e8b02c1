"""One text under every objective of `models.objectives`: what each makes of it, with one vocabulary that has all marks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from models.errors import InputError
from models.tokenizers.catalogue import load_named
from models.tokenizers.interface import Tokenizer, check_text
from playground.answering import read_whole
from playground.pair_documents import is_chinese, texts_of
from playground.session import BLANKS, LIMITS, TEXTS

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from models.objectives import Example, Marks

VOCABULARY = "wordpiece-16k"
END = "</s>"
N_SENTINELS = 100  # as many as T5 has
MOST_TOKENS = 128  # of a longer text the beginning is taken
LEAST_TOKENS = 2
DENOISER_KEYS = ("r3", "r8", "s", "x3", "x8", "x64", "x64_half")


@dataclass(frozen=True)
class Side:
    """One objective on the text; variant: which of several kinds it has, None where there is one only.

    example is None where the text is too short for this objective, which `refused` then says; n_text: how many tokens of
    text it has, marks not counted.
    """

    objective: str
    variant: str | None
    example: "Example | None"
    refused: InputError | None = None
    n_text: int = 0

    @property
    def n_paid(self) -> int:
        """Places that pay loss; of a pair, [CLS] is one."""
        return self.example.n_paid + (self.example.is_next is not None)

    @property
    def n_text_paid(self) -> int:
        """Places that pay loss for a token of the text: not for a sentinel, an end or another mark of the objective."""
        from models.objectives import IGNORED

        paid = (target for target in self.example.targets.tolist() if target != IGNORED)
        return sum(marked_tokenizer().kind_of(token_id) != "special" for token_id in paid)


@dataclass(frozen=True)
class Shown:
    """The text as `ids`, which are the first of `n_tokens` where there were more, and what the objectives make of it."""

    ids: list[int]
    n_tokens: int
    sides: list[Side]


@cache
def marked_tokenizer() -> Tokenizer:
    """A shipped vocabulary, and after it every mark that any objective needs."""
    from models.objectives.marks import MODES, SPELLINGS
    from models.tokenizers.extended import with_special_tokens

    single = [spellings[-1] for name, spellings in SPELLINGS.items() if name not in ("pad", "mask", "cls", "sep")]
    sentinels = [f"<extra_id_{number}>" for number in range(N_SENTINELS)]
    return with_special_tokens(load_named(VOCABULARY), [*single, END, *sentinels, *MODES], END)


def examples_of(text: object, seed: object) -> Shown:
    """The text under every objective and each of its variants, all with the same seed.

    Raises `InputError` for what is no text, too long, or too short for every objective.
    """
    import torch

    from models.objectives import marks_of
    from models.objectives.next_sentence import N_MARKS

    if not isinstance(text, str):
        raise InputError("not_a_text", field="text", value=text)
    if len(check_text(text)) > TEXTS["obj_text"]:
        raise InputError("token_text_too_long", size=len(text), limit=TEXTS["obj_text"])
    number = read_whole("seed", seed, *LIMITS["obj_seed"])
    tokenizer = marked_tokenizer()
    whole = tokenizer.encode(text)
    if len(whole) < LEAST_TOKENS:
        raise InputError("text_too_short", tokens=len(whole), minimum=LEAST_TOKENS)
    ids, marks = torch.tensor(whole[:MOST_TOKENS]), marks_of(tokenizer)
    sides = []
    for objective, variant, make in _makers(ids, marks):
        try:
            sides.append(Side(objective, variant, make(torch.Generator().manual_seed(number)), n_text=len(ids)))
        except InputError as error:
            sides.append(Side(objective, variant, None, error))
    example = _masked_pair(text, len(ids), marks, torch.Generator().manual_seed(number))
    pair = Side("masked_pairs", None, example, n_text=len(example.inputs) - N_MARKS)
    place = 1 + max(index for index, side in enumerate(sides) if side.objective == "masked")
    return Shown(ids.tolist(), len(whole), [*sides[:place], pair, *sides[place:]])


def _makers(ids: "Tensor", marks: "Marks") -> "Iterator[tuple[str, str | None, Callable[[Generator], Example]]]":
    """Objective, variant, and what makes the example."""
    from models.objectives import OBJECTIVES, blank_infilling
    from models.objectives.denoisers import DENOISERS, denoise

    for name, objective in OBJECTIVES.items():
        if name == "blank_infilling":
            draws = dict(zip(BLANKS, (blank_infilling.draw_blanks, blank_infilling.draw_long_blank), strict=True))
            for variant, draw in draws.items():
                yield (
                    name,
                    variant,
                    lambda chance, draw=draw: blank_infilling.fill_in(ids, draw(len(ids), chance), marks),
                )
        elif name == "mixture_of_denoisers":
            for variant, denoiser in zip(DENOISER_KEYS, DENOISERS, strict=True):
                yield name, variant, lambda chance, denoiser=denoiser: denoise(ids, denoiser, marks, chance)
        else:
            yield name, None, lambda chance, objective=objective: objective(ids, marks, chance)


def _masked_pair(text: str, n_tokens: int, marks: "Marks", chance: "Generator") -> "Example":
    """The first pair of the text's sentences, with documents of ours to draw the other kind from, masked.

    It has as many tokens as the text, so that shares can be compared; twice as many, up to `MOST_TOKENS`, where the text is
    one sentence, which would be cut to half of itself to make room for another.
    """
    from models.objectives.next_sentence import N_MARKS, masked_pair, pairs

    own = _sentences(text)
    documents = [own, *_others("zh-stories" if is_chinese(text) else "en-stories")]
    room = n_tokens if len(own) > 1 else min(2 * n_tokens, MOST_TOKENS)
    made = next(pairs(documents, room + N_MARKS, chance, short_share=0.0))
    return masked_pair(made, marks, chance)


def _sentences(text: str) -> list[list[int]]:
    from models.objectives.sentences import sentences

    return marked_tokenizer().encode_many(sentences(text))


@cache
def _others(file: str) -> tuple[list[list[int]], ...]:
    return tuple(_sentences(text) for text in texts_of(file))
