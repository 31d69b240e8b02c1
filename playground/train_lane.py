"""One design that learns: the project's own trainer on a text in memory, and what is seen of it while it learns.

Imports torch; import it where a training begins.
"""

import math
from dataclasses import dataclass, field

from torch import Tensor

import models
from models.objectives import MARKS, marks_of
from models.tokenizers import Tokenizer
from models.tokenizers.catalogue import load_named
from models.tokenizers.extended import with_special_tokens
from models.training.in_memory import in_memory, split
from models.training.recipe import CorpusShare, Mixture, Recipe
from models.training.routing import sparse_layers
from models.training.trainer import Trainer
from playground.train_designs import Trainable, with_balance
from playground.train_samples import sampler_of
from playground.train_texts import Text
from playground.trained_here import shelf

EVALUATIONS = 16
VALIDATED = 1_024  # tokens of each evaluation
FIRST_POSITIONS = {("blank_infilling", "learned_2d"): "near", ("span_corruption", "relative"): "near"}
LOADS = 60  # rows of the experts' load


@dataclass
class Track:
    """What is seen of a training, as plain values.

    points: [tokens, training loss (None before the first step), held-out loss or None], losses in nats per token.
    samples: [steps, tokens, text]. loads: [tokens, for each of `layers`, those with experts, the share of tokens that each
    got, how they are balanced]. diverged: the loss is no longer a number, and nothing more is learnt.
    """

    points: list[list] = field(default_factory=list)
    samples: list[list] = field(default_factory=list)
    loads: list[list] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    bytes_per_token: float | None = None
    model: str | None = None
    diverged: bool = False

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds if self.seconds else 0.0


def recipe_of(design: Trainable, text: Text, tokens: int, seed: int) -> Recipe:
    """The training of a design as the trainer takes it; two designs with rows of one length read the same tokens."""
    mixture = Mixture(
        name=text.name, corpora=(CorpusShare(file=text.name),), vocab_size=65_536, tokenizer_name=design.tokenizer
    )
    return Recipe(
        name="browser",
        preset=design.base,
        mixture=mixture,
        objective=design.objective,
        seed=seed,
        tokens=max(tokens, design.batch),
        batch_tokens=design.batch,
        sequence_length=design.row,
        peak_lr=5e-3,
        warmup_fraction=0.05,
        final_lr_fraction=0.05,
        momentum=0.95,
        betas=(0.9, 0.98),
        weight_decay=0.1,
        clip_norm=1.0,
        evaluations=EVALUATIONS,
        first_positions=FIRST_POSITIONS.get((design.objective, design.config.position), "random"),
    )


def tokenizer_of(design: Trainable) -> Tokenizer:
    """The tokenizer of a design, with the marks of its objective."""
    tokenizer = load_named(design.tokenizer)
    return with_special_tokens(tokenizer, MARKS[design.objective]) if design.objective in MARKS else tokenizer


class Lane:
    """A design, its trainer and its track. `step` is called until `finished`; `keep` puts the model on the shelf.

    `balance` says how experts are balanced, where that is asked for, and may be changed between two steps.
    """

    def __init__(self, design: Trainable, text: Text, tokens: int, seed: int, balance: str | None = None):
        self.design, self.text = design, text
        self.track = Track()
        config = design.config
        # Built with the bias where there can be one, so that the way can be changed while the model learns.
        self.built = with_balance(config, "bias") if balance and config.moe.router == "sigmoid" else config
        tokenizer = tokenizer_of(design)
        if config.structure == "encoder_decoder":  # whose decoder begins with the token that the objective begins with
            self.built = self.built.replace(decoder_start_id=marks_of(tokenizer).pad)
        self.recipe = recipe_of(design, text, tokens, seed)
        training, validation = split(text.documents)
        data = in_memory(self.recipe, tokenizer, training, validation, VALIDATED)
        self.trainer = Trainer(self.recipe, models.build(self.built, seed=seed), data)
        self.is_sparse = config.moe is not None and not config.moe.uses_all
        self._counts: list[Tensor] = []  # tokens of each expert since the last row of loads, layer by layer
        self.balance = balance
        self.sampled = 0.0  # seconds of training at the last sample
        self._sampler = sampler_of(design.objective, tokenizer, text.prompt, validation, self.built.max_seq_len)
        self.track.bytes_per_token = self._bytes_per_token(data)
        self.track.layers = sparse_layers(self.trainer.model) if self.is_sparse else []
        self.track.points.append([0, None, _finite(self.trainer.validate())])

    @property
    def finished(self) -> bool:
        return self.trainer.finished or self.track.diverged

    def step(self) -> None:
        """One step of the trainer."""
        if self.balance:  # the trainer asks the model's configuration how its experts are balanced
            self.trainer.model.config = with_balance(self.built, self.balance)
        progress = self.trainer.advance()
        held = progress.row.val_loss if progress.row else None
        track = self.track
        track.step, track.tokens, track.seconds = progress.step, progress.tokens, progress.seconds
        track.points.append([progress.tokens, _finite(progress.loss), _finite(held)])
        track.diverged = not math.isfinite(progress.loss)
        if self.is_sparse:
            self._count(progress.expert_counts)

    def _count(self, counts: tuple[Tensor, ...]) -> None:
        """Adds where the step's tokens went; the shares since the last row become a row of the track."""
        self._counts = [sum(pair) for pair in zip(self._counts, counts, strict=True)] if self._counts else list(counts)
        step, steps = self.track.step, self.recipe.steps
        if step * LOADS // steps > (step - 1) * LOADS // steps:
            shares = [(layer / layer.sum()).tolist() for layer in self._counts]
            rounded = [[round(share, 4) for share in layer] for layer in shares]
            self.track.loads.append([self.track.tokens, rounded, self.balance])
            self._counts = []

    def sample(self) -> None:
        """Lets the model write, or fill in, as it is now."""
        self.trainer.model.eval()
        text = self._sampler.sample(self.trainer.model)
        self.track.samples.append([self.track.step, self.track.tokens, text])
        self.sampled = self.track.seconds

    def _bytes_per_token(self, data) -> float | None:
        """Of the scored text, where every token of it is predicted: what makes losses bits per byte."""
        if self.design.objective != "causal":
            return None
        ids = data.held_out[0].ids[1:]
        return sum(len(data.tokenizer.bytes_of(int(token_id))) for token_id in ids) / max(1, len(ids))

    def keep(self) -> None:
        """Puts the model on the shelf, under a name of its own; the trainer is let go."""
        if self.trainer is None:
            return
        if self.track.step and not self.track.diverged:
            model = self.trainer.model.eval()
            model.config = self.built
            loaded = models.Loaded(model, self.trainer.data.tokenizer, self.built, "here")
            self.track.model = shelf.keep(self.design.base, loaded, self.track.step, self.track.tokens).name
        self.trainer = None


def _finite(loss: float | None) -> float | None:
    """JSON has no number for a loss that has grown beyond all bounds."""
    return round(loss, 5) if loss is not None and math.isfinite(loss) else None
