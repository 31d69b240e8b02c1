"""A training step of gpt2-mini against the same model in `transformers`: same weights, rows, optimizers, dtype and threads.

A step is what training makes of it: forward, loss, backward, clipping, Muon for the layers' matrices and AdamW for the
rest, in bf16 autocast where the processor multiplies bf16 itself. Ours reads its rows from a token stream, theirs has them.
Rounds alternate between the two, so that whatever else the machine does falls on both; the ratio of a round is computed
within it, and the median of the rounds is reported. With one thread, time is the process's own. FLOPs are the model's, by
formula: three forward passes a step, what the optimizers compute left out; the peak is that of square products here.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
import transformers

import models
from models import tokenizers
from models.training.data import HeldOut, TokenFile, TokenStream, TrainingData
from models.training.muon import Muon
from models.training.processes import Processes
from models.training.recipe import load_recipe
from models.training.trainer import Trainer

NAME, AIM = "gpt2-mini", 1.3
PEAK_SIDE = 1024  # of the square matrices whose product measures the peak


def run(rounds: int = 9) -> list[tuple]:
    """Rows of (label, value, numbers) for the benchmark table."""
    recipe = replace(load_recipe(NAME), tokens=4096 * 100_000, evaluations=1)
    ours = models.build(models.preset(NAME))
    theirs = _twin(ours)
    trainer = Trainer(recipe, ours, _random_text(ours.config.vocab_size, recipe.batch_tokens))
    rows = torch.from_numpy(trainer.data.stream.read(0, recipe.batch_tokens)).view(recipe.rows, recipe.sequence_length)
    step = _their_step(theirs, rows, trainer)
    trainer.advance(), step()
    pairs = [(_seconds(trainer.advance), _seconds(step)) for _ in range(rounds)]
    own, other = (median(column) for column in zip(*pairs, strict=True))
    ratio = median(b / a for a, b in pairs)
    dtype = "bf16 autocast" if trainer.processes.bf16 else "fp32"
    flops = 3 * models.account(ours.config, context=recipe.sequence_length, batch=recipe.rows).flops_forward
    peak = _peak(torch.bfloat16 if trainer.processes.bf16 else torch.float32)
    label = f"{NAME}, a step of {recipe.batch_tokens} tokens, {dtype}"
    speeds = {"ours_tokens_per_s": recipe.batch_tokens / own, "transformers_tokens_per_s": recipe.batch_tokens / other}
    return [
        (f"{label}: ours", f"{recipe.batch_tokens / own:,.0f} tokens/s", speeds | {"ratio": ratio}),
        (f"{label}: transformers", f"{recipe.batch_tokens / other:,.0f} tokens/s"),
        (f"{label}: ratio", f"{ratio:.2f} (aim: at least {AIM})"),
        (f"{label}: FLOPs", f"{flops / own / 1e9:.1f} of {peak / 1e9:.1f} GFLOP/s, {flops / own / peak:.0%}"),
    ]


def _twin(ours: torch.nn.Module) -> transformers.PreTrainedModel:
    """The same weights in `transformers`, without dropout, which ours has none of."""
    with tempfile.TemporaryDirectory() as folder:
        models.export_hf(ours, None, Path(folder))
        still = {"attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0}
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **still).train()


def _their_step(model: transformers.PreTrainedModel, rows: torch.Tensor, trainer: Trainer) -> Callable[[], object]:
    recipe, processes = trainer.recipe, Processes()
    named = dict(model.named_parameters())
    matrices = [p for name, p in named.items() if p.ndim == 2 and ".h." in name]
    others = [p for name, p in named.items() if not (p.ndim == 2 and ".h." in name)]
    products = torch.bfloat16 if processes.bf16 else torch.float32
    optimizers = (
        Muon(matrices, recipe.peak_lr, recipe.momentum, recipe.weight_decay, products),
        torch.optim.AdamW(others, lr=recipe.peak_lr, betas=recipe.betas, weight_decay=0.0, fused=True),
    )

    def step() -> float:
        with processes.precision():
            loss = model(input_ids=rows, labels=rows, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


def _random_text(vocab_size: int, n_tokens: int) -> TrainingData:
    """Tokens drawn evenly, in one document that is read again and again."""
    ids = np.random.default_rng(0).integers(0, vocab_size, 50 * n_tokens).astype(np.uint16)
    file = TokenFile(ids, np.array([0, len(ids)]))
    stream = TokenStream([file], [100], seed=0)
    return TrainingData(tokenizers.bytes_tokenizer(), (), stream, (HeldOut("random", ids[:2]),))


def _peak(dtype: torch.dtype) -> float:
    """Floating-point operations per second of a square product, the best of five."""
    square = torch.randn(PEAK_SIDE, PEAK_SIDE).to(dtype)
    square @ square
    return 2 * PEAK_SIDE**3 / min(_seconds(lambda: square @ square) for _ in range(5))


def _seconds(action: Callable[[], object]) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    action()
    return clock() - start
