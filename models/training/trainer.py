"""The training itself, one step at a time.

A `Trainer` is iterated: `for progress in trainer: …` makes one optimizer step per turn and may be left at any turn;
what to print, when to save and where to run is the caller's. With the same recipe, data and number of threads the
weights come out bit by bit the same, whether or not the training was interrupted and resumed.
"""

import math
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.building import allocate
from models.config import ModelConfig
from models.errors import InputError
from models.objectives import IGNORED, SUITS, Batch, batch, marks_of
from models.output import ModelOutput
from models.parts.routers import Routing
from models.training import checkpoint
from models.training.data import AnyData
from models.training.evaluate import total
from models.training.first_positions import begin_positions
from models.training.loss import nats
from models.training.muon import Muon
from models.training.processes import Processes, sliced_like, whole
from models.training.recipe import Recipe

CURVE_POINTS = 200  # rows of history, besides those of the evaluations
MTP_WEIGHT = 0.3  # of the loss on further tokens: DeepSeek-V3, arXiv:2412.19437, section 4.2


@dataclass(frozen=True)
class Row:
    """One point of the loss curve. `train_loss` is the mean since the row before; losses in nats per token."""

    step: int
    tokens: int
    train_loss: float
    val_loss: float | None
    lr: float
    seconds: float


@dataclass(frozen=True)
class Progress:
    """What one step did. `row` is there where the step ended a stretch of the loss curve; `expert_counts` has for each
    sparse layer how many of the step's tokens each expert got, (E,), of several processes those of this one."""

    step: int
    tokens: int
    loss: float
    lr: float
    seconds: float
    row: Row | None
    expert_counts: tuple[Tensor, ...] = ()


def learning_rate(recipe: Recipe, step: int) -> float:
    """The rate of step 0, 1, …: a linear rise, then a cosine down to the floor (Loshchilov & Hutter, 2017)."""
    if step < recipe.warmup_steps:
        return recipe.peak_lr * (step + 1) / recipe.warmup_steps
    way = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    floor = recipe.final_lr_fraction
    return recipe.peak_lr * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * way)))


def is_layer_matrix(name: str, parameter: Tensor) -> bool:
    """Whether Muon and weight decay apply; norms, biases, embeddings, routers and heads take AdamW and no decay."""
    return parameter.ndim >= 2 and "layers." in name and not name.endswith(("router.weight", "noise_weight"))


def by_length_of_steps(parameters: list[Tensor], model: nn.Module) -> list[dict]:
    """The groups of AdamW's parameters; `times` multiplies the learning rate of one."""
    if (times := table_times(model.config)) == 1.0:
        return [{"params": parameters}]
    table = [p for p in parameters if p is model.weight]
    return [{"params": [p for p in parameters if p is not model.weight]}, {"params": table, "times": times}]


def table_times(cfg: ModelConfig) -> float:
    """How many times the others' the learning rate of the token table is.

    AdamW's steps are as long whatever a weight does. Where logits are divided by √d_model (T5 before v1.1), the table that
    they are read with begins √d_model larger (`models.build`), and steps so many times longer, so that logits learn as fast.
    """
    return cfg.d_model**0.5 if cfg.scale_logits and cfg.tie_embeddings else 1.0


def parameters_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """All that an optimizer steps."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


class Trainer:
    """A model, its optimizers, and how far they are along the recipe.

    `budgets` lists the token budgets that the training followed, each with the step from which on: more than one where
    it was resumed with another budget than it began with.
    """

    def __init__(self, recipe: Recipe, model: nn.Module, data: AnyData, processes: Processes | None = None) -> None:
        self.recipe = recipe
        self.model = model
        self.processes = processes or Processes()
        self.data = data
        self.step = 0
        self.seconds = 0.0
        self.history: list[Row] = []
        self.budgets = [(0, recipe.tokens)]
        self._losses: list[float] = []
        if model.config.structure not in SUITS[recipe.objective]:
            suiting = ", ".join(name for name, structures in SUITS.items() if model.config.structure in structures)
            raise InputError("recipe_field", field="objective", value=recipe.objective, allowed=f"one of {suiting}")
        _check_sizes(recipe, model.config, data.tokenizer.vocab_size)
        self._pad = marks_of(data.tokenizer).pad
        begin_positions(model, recipe.first_positions)
        self.precision = self.processes.precision()
        products = torch.bfloat16 if self.processes.bf16 else torch.float32
        self.processes.share_out(model)
        self._named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        matrices = [p for name, p in self._named.items() if is_layer_matrix(name, p)]
        others = [p for name, p in self._named.items() if not is_layer_matrix(name, p)]
        groups = by_length_of_steps(others, model)
        self._optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(groups, lr=recipe.peak_lr, betas=recipe.betas, weight_decay=0.0, fused=True)
        ]
        if matrices:  # of a kept encoder none learns
            muon = Muon(matrices, recipe.peak_lr, recipe.momentum, recipe.weight_decay, products)
            self._optimizers.insert(0, muon)

    @property
    def tokens(self) -> int:
        """Tokens predicted so far."""
        return self.step * self.recipe.batch_tokens

    @property
    def finished(self) -> bool:
        return self.step >= self.recipe.steps

    def __iter__(self) -> Iterator[Progress]:
        while not self.finished:
            yield self.advance()

    def advance(self) -> Progress:
        """One optimizer step."""
        began = time.monotonic()
        lr = learning_rate(self.recipe, self.step)
        loss, expert_counts = self._update(lr)
        self.step += 1
        self._losses.append(loss)
        row = self._row(lr, began) if self._ends_stretch() else None
        self.seconds += time.monotonic() - began
        return Progress(self.step, self.tokens, loss, lr, self.seconds, row, expert_counts)

    def _update(self, lr: float) -> tuple[float, tuple[Tensor, ...]]:
        recipe = self.recipe
        self.model.train()
        chance = torch.Generator().manual_seed(recipe.seed * 1_000_003 + self.step)
        examples = self.data.examples(recipe, self.step, chance)
        n_paid = sum(example.n_paid for example in examples)
        made = batch(self.processes.own_rows(examples), self._pad).to(self.processes.device)
        paid = made.targets != IGNORED  # (B, T)
        with self.precision, torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed * 1_000_003 + self.step)  # of routers that choose with noise
            out = self.model(**made.arguments, logits_at=paid)
        loss = nats(out.logits, made.targets[paid]) / n_paid
        # Of several processes the gradients are averaged, where each has a part of the sum.
        (loss * self.processes.n_processes + self._side_losses(out, made)).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip_norm)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr * group.get("times", 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self._balance_experts(out)
        expert_counts = tuple(_chosen(routing) for routing in out.routings)
        return self.processes.sum(loss.detach()).item(), expert_counts

    def _side_losses(self, out: ModelOutput, made: Batch) -> Tensor | float:
        """What training minimises beside the loss that is reported: the answer about a pair of sentences (the two count
        the same: Devlin et al., 2019, appendix A.2), the routers' losses, and that of further tokens."""
        moe, losses = self.model.config.moe, 0.0
        if made.is_next is not None:
            losses = F.cross_entropy(out.nsp_logits.float(), made.is_next)
        if out.aux_loss_by_layer is not None:
            losses = losses + moe.aux_loss_coef * out.aux_loss_by_layer + moe.z_loss_coef * out.z_loss
        for depth, logits in enumerate(out.mtp_logits, start=1):
            losses = losses + MTP_WEIGHT / len(out.mtp_logits) * _mean_nats(logits, made.targets[:, depth:])
        return losses

    @torch.no_grad()
    def _balance_experts(self, out: ModelOutput) -> None:
        """Move the selection biases of routers that balance without a loss, by the load of the step just made."""
        moe = self.model.config.moe
        if moe is None or moe.bias_update_rate is None:
            return
        routers = [module for module in self.model.modules() if hasattr(module, "update_selection_bias")]
        for router, routing in zip(routers, out.routings, strict=True):
            router.update_selection_bias(self.processes.sum(routing.counts()))

    def _ends_stretch(self) -> bool:
        return self._ends_part(CURVE_POINTS) or self._ends_part(self.recipe.evaluations)

    def _ends_part(self, parts: int) -> bool:
        """Whether the step just made is the last of one of `parts` equal parts of the training."""
        return self.step * parts // self.recipe.steps > (self.step - 1) * parts // self.recipe.steps

    def _row(self, lr: float, began: float) -> Row:
        val_loss = None
        if self._ends_part(self.recipe.evaluations) and self.data.held_out:
            val_loss = self.validate()
        seconds = self.seconds + time.monotonic() - began
        row = Row(self.step, self.tokens, sum(self._losses) / len(self._losses), val_loss, lr, round(seconds, 1))
        self.history.append(row)
        self._losses = []
        return row

    def validate(self) -> float:
        """Nats per token on the held-out documents."""
        return total(self.data.scores(self.recipe, self.model, self.precision)).loss

    def save(self, path: Path) -> None:
        """Write everything that resuming needs, on whichever device and in however many processes."""
        tensors = {f"model.{name}": whole(parameter.detach()) for name, parameter in self._named.items()}
        tensors |= {f"buffer.{name}": buffer for name, buffer in self.model.named_buffers()}
        for optimizer in self._optimizers:
            for name, parameter in self._named.items():
                for key, value in optimizer.state.get(parameter, {}).items():
                    tensors[f"optimizer.{name}.{key}"] = whole(value)
        state = {
            "recipe": self.recipe.to_dict(),
            "texts": self.data.stream.fingerprint(),
            "step": self.step,
            "seconds": self.seconds,
            "losses": self._losses,
            "budgets": self.budgets,
            "history": [asdict(row) for row in self.history],
        }
        if self.processes.is_first:
            checkpoint.write(path, tensors, state)

    def on_processor(self) -> nn.Module:
        """The model as one process has it on the processor: itself, or a copy put together from the slices of all."""
        if self.processes.n_processes == 1 and self.processes.device.type == "cpu":
            return self.model
        copy = allocate(self.model.config)
        theirs = dict(self.model.state_dict())
        with torch.no_grad():
            for name, tensor in copy.state_dict().items():
                tensor.copy_(whole(theirs[name]))
        return copy

    def resume(self, path: Path) -> None:
        """Go on from a file of `save`; where only the budget differs, along the new budget's learning rates.

        Raises InputError("checkpoint_differs") where anything else does.
        """
        tensors, state = checkpoint.read(path)
        ours = self.recipe.to_dict() | {"texts": self.data.stream.fingerprint()}
        for field, value in (state["recipe"] | {"texts": state["texts"]}).items():
            if field != "tokens" and ours.get(field) != value:
                raise InputError("checkpoint_differs", file=path.name, field=field)
        with torch.no_grad():
            for name, parameter in self._named.items():
                parameter.copy_(sliced_like(tensors.pop(f"model.{name}"), parameter))
            for name, buffer in self.model.named_buffers():
                buffer.copy_(tensors.pop(f"buffer.{name}"))
        for name, value in tensors.items():
            _, name, key = re.fullmatch(r"(optimizer)\.(.+)\.(\w+)", name).groups()
            parameter = self._named[name]
            owner = next(o for o in self._optimizers if any(parameter is p for p in parameters_of(o)))
            of_all = value.shape == parameter.shape
            owner.state[parameter][key] = sliced_like(value, parameter) if of_all else value.to(parameter.device)
        self.step, self.seconds, self._losses = state["step"], state["seconds"], state["losses"]
        self.history = [Row(**row) for row in state["history"]]
        self.budgets = [(first, tokens) for first, tokens in state["budgets"]]
        if self.budgets[-1][1] != self.recipe.tokens:
            self.budgets.append((self.step, self.recipe.tokens))


def _check_sizes(recipe: Recipe, config: ModelConfig, vocab_size: int) -> None:
    """Raises InputError("recipe_field") where the model has no room for the rows, or for the ids, that it is to read."""
    if vocab_size > config.vocab_size:
        allowed = (
            f"one whose tokenizer has at most the {config.vocab_size:,} ids of {recipe.preset}, not {vocab_size:,}"
        )
        raise InputError("recipe_field", field="mixture", value=recipe.mixture.name, allowed=allowed)
    if recipe.sequence_length > config.max_seq_len:
        allowed = f"at most the context of {recipe.preset}, {config.max_seq_len:,}"
        raise InputError("recipe_field", field="sequence_length", value=recipe.sequence_length, allowed=allowed)


def _chosen(routing: Routing) -> Tensor:
    """How often each expert was chosen, (E,), int64: exact, whatever the number format of the pass."""
    taken = routing.expert_ids[routing.expert_ids >= 0]
    return torch.bincount(taken, minlength=routing.probs.shape[-1])


def _mean_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean nats per target (B, T) under logits (B, T, V); targets of IGNORED count for nothing."""
    paid = targets != IGNORED
    return nats(logits[paid], targets[paid]) / paid.sum()
