"""What a model that learns writes or fills in on the way, always of the same beginning: by its objective.

Imports torch; import it where a training begins.
"""

import re

import torch

import models
from models.errors import InputError
from models.objectives import IGNORED, Example, marks_of
from models.objectives.masked import apply, draw
from models.objectives.span_corruption import DENSITY, draw_spans
from models.prompts import by_sentinel, prompt_of_ids
from models.tokenizers import Tokenizer

WRITTEN_TOKENS, READ_TOKENS, ANSWER_TOKENS = 36, 32, 24
MOST_CHARACTERS = 400  # of a beginning, more than its tokens hold
MARKED = 2  # tokens of a context that stay free for marks
SAMPLING = models.Sampling(temperature=0.8, top_k=40, top_p=0.95, seed=7)
WORDS_OF_BLANK = 2.0  # on average
WORD = re.compile(r"\s*(?:[^\W\u3400-\u9fff]+|\S)")  # with the space before it; of Chinese, a character


class Writing:
    """A beginning, continued."""

    def __init__(self, tokenizer: Tokenizer, beginning: str) -> None:
        self.tokenizer, self.prompt = tokenizer, tokenizer.encode(beginning)

    def sample(self, model: torch.nn.Module) -> str:
        """The beginning and what the model writes after it."""
        room = model.config.max_seq_len - len(self.prompt)
        # Where somebody looks on, no pass is recorded: the weights change before a recording would be of use.
        with models.capture():
            steps = list(models.generate(model, self.prompt, SAMPLING, max(1, min(WRITTEN_TOKENS, room))))
        ids = [step.token_id for step in steps if step.token_id < self.tokenizer.vocab_size]
        return self.tokenizer.decode([*self.prompt, *ids])


class Unmasking:
    """A held-out beginning, in which an encoder fills the masks."""

    def __init__(self, tokenizer: Tokenizer, held_out: tuple[str, ...], max_seq_len: int) -> None:
        self.tokenizer = tokenizer
        marks = marks_of(tokenizer)
        room = min(READ_TOKENS, max_seq_len - MARKED)
        ids = torch.tensor([marks.cls, *tokenizer.encode(held_out[0])[:room], marks.sep])
        fates = [fate for fate in draw(ids, marks, _chance()) if fate.action == "mask"]
        self.puzzle: Example = apply(ids, fates, marks)

    @torch.inference_mode()
    def sample(self, model: torch.nn.Module) -> str:
        """The sentence with the likeliest token in each mask, in brackets."""
        tokenizer, puzzle = self.tokenizer, self.puzzle
        best = model(puzzle.inputs[None]).logits[0, :, : tokenizer.vocab_size].argmax(-1)
        words = []
        for place, token_id in enumerate(puzzle.inputs.tolist()):
            if puzzle.targets[place] != IGNORED:
                words.append(f"[{tokenizer.token(int(best[place]))}]")
            elif tokenizer.kind_of(token_id) != "special":
                words.append(tokenizer.token(token_id))
        return _joined(words)


class FillingIn:
    """A held-out beginning with blanks of whole words, one for each span, or, for a model that fills in one at a time
    (GLM), the first. Raises InputError("corpus_not_held_out") where no held-out text has two characters."""

    def __init__(self, tokenizer: Tokenizer, held_out: tuple[str, ...], max_seq_len: int) -> None:
        self.tokenizer, self.marks = tokenizer, marks_of(tokenizer)
        room = min(READ_TOKENS, max_seq_len - MARKED)
        beginnings = (_beginning(text, tokenizer, room) for text in held_out)
        words = next((found for found in beginnings if len(found) > 1), None)
        if words is None:
            raise InputError("corpus_not_held_out", documents=len(held_out))
        self.puzzle: list[int] = []
        self.blanks = self.marks.sentinels or (self.marks.mask,)
        place = 0
        spans = draw_spans(len(words), _chance(), DENSITY, WORDS_OF_BLANK)
        for blank, (start, end) in zip(self.blanks, spans, strict=False):
            self.puzzle += [*tokenizer.encode("".join(words[place:start])), blank]
            place = end
        self.puzzle += tokenizer.encode("".join(words[place:]))

    def sample(self, model: torch.nn.Module) -> str:
        """The text with what the model writes for each blank, in brackets."""
        prompt = prompt_of_ids(model.config, self.marks, self.puzzle)
        with models.capture():
            steps = list(
                models.generate(model, prompt.ids, SAMPLING, ANSWER_TOKENS, prompt.stop_ids, blank=prompt.blank)
            )
        answer = [step.token_id for step in steps if step.token_id not in prompt.stop_ids]
        found = by_sentinel(self.marks, answer) if self.marks.sentinels else {}
        # Before it has learnt to name a blank, its noise is shown in the first; a model of one blank never names it.
        return self._with(found or {self.blanks[0]: answer})

    def _with(self, found: dict[int, list[int]]) -> str:
        text, run = "", []
        for token_id in self.puzzle:
            if token_id not in self.blanks:
                run.append(token_id)
                continue
            filling = self._decoded(found.get(token_id, []))
            space = " " if filling.startswith(" ") else ""
            text += f"{self._decoded(run)}{space}[{filling.strip()}]"
            run = []
        return text + self._decoded(run)

    def _decoded(self, ids: list[int]) -> str:
        """A design's vocabulary may be larger than its tokenizer's."""
        return self.tokenizer.decode([token_id for token_id in ids if token_id < self.tokenizer.vocab_size])


Sampler = Writing | Unmasking | FillingIn


def sampler_of(
    objective: str, tokenizer: Tokenizer, beginning: str, held_out: tuple[str, ...], max_seq_len: int
) -> Sampler:
    """What an objective lets a model do: continue `beginning`, or fill in what is missing from a held-out text."""
    if objective.startswith("masked"):
        return Unmasking(tokenizer, held_out, max_seq_len)
    if objective in ("span_corruption", "blank_infilling"):
        return FillingIn(tokenizer, held_out, max_seq_len)
    return Writing(tokenizer, beginning)


def _beginning(text: str, tokenizer: Tokenizer, room: int) -> list[str]:
    """The first words of a text, as many as `room` tokens hold; its first characters where these are not even two."""
    words: list[str] = []
    for words in (WORD.findall(text, 0, MOST_CHARACTERS), list(text[:room])):
        while len(tokenizer.encode("".join(words))) > room:
            words.pop()
        if len(words) > 1:
            break
    return words


def _chance() -> torch.Generator:
    return torch.Generator().manual_seed(SAMPLING.seed)


def _joined(words: list[str]) -> str:
    """WordPiece tokens as a text: ## joins, and Chinese has no spaces."""
    text = ""
    for word in words:
        bare = word.removeprefix("##").replace("[##", "[")
        glued = word.startswith(("##", "[##")) or not text or not (text[-1].isascii() and bare[:1].isascii())
        text += bare if glued else f" {bare}"
    return text
