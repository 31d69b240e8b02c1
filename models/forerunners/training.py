"""Training a recurrent translator, and how good it is on held-out sentences."""

import math
import time
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.forerunners.dates import Data
from models.forerunners.recipe import Recipe
from models.forerunners.recurrent import TRANSLATORS, RecurrentConfig
from models.forerunners.translating import Translator
from models.forerunners.words import END_ID, PAD_ID
from models.training.chrf import chrf
from models.training.evaluate_translations import looked_up

SORTED_TOGETHER = 32  # batches whose pairs are sorted by length, so that little is padding


def train(
    recipe: Recipe, data: Data, say: Callable[[str], None], attention: bool = True
) -> tuple[nn.Module, list[float]]:
    """The trained model, in eval mode, and the mean loss of each round, in nats a character.

    The same recipe and data give the same model on the same machine.
    """
    torch.manual_seed(recipe.seed)
    cfg = RecurrentConfig(
        kind=recipe.kind,
        n_source=len(data.source),
        n_target=len(data.target),
        d_embed=recipe.d_embed,
        d_state=recipe.d_state,
        dropout=recipe.dropout,
        attention=attention,
    )
    model = TRANSLATORS[recipe.kind](cfg).train()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=recipe.weight_decay, lr=recipe.peak_lr)
    n_steps = recipe.rounds * (len(data.training) // recipe.rows)
    shuffle = torch.Generator().manual_seed(recipe.seed)
    history, step, started = [], 0, time.monotonic()
    for turn in range(recipe.rounds):
        total, n_batches = 0.0, 0
        for rows in _batches(data.training, recipe.rows, shuffle):
            for group in optimizer.param_groups:
                group["lr"] = recipe.peak_lr * _rate(step, recipe.warmup, n_steps)
            loss = _loss(model, rows)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            total, n_batches, step = total + loss.item(), n_batches + 1, step + 1
        history.append(total / max(1, n_batches))
        say(f"round {turn + 1} of {recipe.rounds}: loss {history[-1]:.3f}, {time.monotonic() - started:.0f} s")
    return model.eval(), history


def _rate(step: int, warmup: int, n_steps: int) -> float:
    return min(1.0, step / warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, n_steps))))


def _batches(pairs: Sequence, rows: int, shuffle: torch.Generator) -> Iterator[list]:
    """The pairs in a random order, in batches of similar lengths; what does not fill a batch waits for the next round."""
    order = torch.randperm(len(pairs), generator=shuffle).tolist()
    batches = []
    for start in range(0, len(order), rows * SORTED_TOGETHER):
        alike = sorted(order[start : start + rows * SORTED_TOGETHER], key=lambda place: len(pairs[place][1]))
        batches += [alike[first : first + rows] for first in range(0, len(alike) - rows + 1, rows)]
    for place in torch.randperm(len(batches), generator=shuffle).tolist():
        yield [pairs[one] for one in batches[place]]


def _loss(model: nn.Module, rows: Sequence) -> Tensor:
    """Nats a character of the true translations, each read up to the character before."""
    source, target = (_padded([pair[side] for pair in rows]) for side in (0, 1))  # (B, S), (B, T)
    lengths = torch.tensor([len(pair[0]) for pair in rows])
    before = torch.cat((torch.full((len(rows), 1), END_ID), target[:, :-1]), dim=1)  # (B, T)
    logits = model(source, lengths, before)  # (B, T, V)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=PAD_ID)


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD_ID)


def scores(translator: Translator, without: Translator, data: Data) -> dict[str, float]:
    """On held-out phrases: how many, chrF of the translations, the likeliest character each time, per cent that are exactly
    right; both also of a translator `without` attention, and of the training phrase that is most alike."""
    references = list(data.held_out.values())
    said, said_without = ([one.translate(source).text for source in data.held_out] for one in (translator, without))
    found = looked_up([(source, "") for source in data.held_out], data.known)
    return {
        "sentences": len(said),
        "chrf": chrf(said, references),
        "exact": _exact(said, references),
        "chrf_without": chrf(said_without, references),
        "exact_without": _exact(said_without, references),
        "chrf_looked_up": chrf(found, references),
        "exact_looked_up": _exact(found, references),
    }


def _exact(said: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Per cent that equal one of their references, spaces left out."""
    right = sum(
        "".join(one.split()) in {"".join(reference.split()) for reference in several}
        for one, several in zip(said, references, strict=True)
    )
    return 100 * right / max(1, len(said))
