"""A trained recurrent translator: its translation of a sentence, with every number of its attention."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.forerunners.words import END_ID, UNKNOWN_ID, Words, source_ids

LONGEST_ANSWER = 24  # characters, after which a translation that does not end is cut
MARK_IDS = (0, UNKNOWN_ID)  # padding and the unknown are never written


@dataclass(frozen=True)
class Translation:
    """words: as they were read, the end mark last; unknown: those that are not in the vocabulary. characters: as they were
    written, the end mark last where it was; probabilities: of each. energies, weights (T, S): a row for each character
    over the words read; a row of weights sums to 1. asked (T, N): the state that asked."""

    words: tuple[str, ...]
    unknown: tuple[bool, ...]
    characters: tuple[str, ...]
    probabilities: tuple[float, ...]
    energies: Tensor
    weights: Tensor
    asked: Tensor

    @property
    def text(self) -> str:
        ended = bool(self.characters) and self.characters[-1] == END
        return "".join(self.characters[:-1] if ended else self.characters)


END = "<end>"


@dataclass(frozen=True)
class Translator:
    """A model with its vocabularies."""

    model: nn.Module
    source: Words
    target: Words

    @torch.inference_mode()
    def translate(self, text: str, longest: int = LONGEST_ANSWER) -> Translation:
        """The likeliest character each time, up to the end mark. Raises `InputError` as `source_ids` does."""
        words, ids = source_ids(self.source, text)
        memory, state = self.model.encode(torch.tensor([ids]), torch.tensor([len(ids)]))
        newest, written, steps = END_ID, [], []
        while len(written) < longest and (not written or newest != END_ID):
            vector = self.model.target_embed(torch.tensor([newest]))  # (1, M)
            step, state = self.model.step(vector, state, memory)
            chances = self.model.word(step.read)[0].softmax(dim=-1)  # (V,)
            allowed = chances.clone()
            allowed[list(MARK_IDS)] = 0.0
            newest = int(allowed.argmax())
            written.append((newest, float(chances[newest])))
            steps.append(step)
        attends = steps[0].weights is not None
        return Translation(
            words=(*words, END),
            unknown=tuple(one == UNKNOWN_ID for one in ids),
            characters=tuple(self.target.entries[one] for one, _ in written),
            probabilities=tuple(probability for _, probability in written),
            energies=torch.cat([step.energies for step in steps]) if attends else torch.zeros(len(steps), 0),
            weights=torch.cat([step.weights for step in steps]) if attends else torch.zeros(len(steps), 0),
            asked=torch.cat([step.asked for step in steps]),
        )

    @torch.inference_mode()
    def terms(self, text: str, translation: Translation, step: int) -> Tensor:
        """What the energies of one step are sums of, (S, widths of the score)."""
        _, ids = source_ids(self.source, text)
        memory, _ = self.model.encode(torch.tensor([ids]), torch.tensor([len(ids)]))
        return self.model.score.terms(translation.asked[step : step + 1], memory.prepared)[0]
