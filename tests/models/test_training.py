"""Training repeats itself exactly, survives interruption, and says what it did."""

import io
import json
import math
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import models
from models.errors import InputError
from models.objectives import IGNORED, OBJECTIVES
from models.objectives.causal import causal
from models.training import checkpoint, run
from models.training.__main__ import main
from models.training.data import TokenStream, prepare
from models.training.evaluate import evaluate, windows
from models.training.first_positions import begin_positions
from models.training.muon import Muon, orthogonalised
from models.training.recipe import CorpusShare
from models.training.run import StopRequest, train
from models.training.terminal import Terminal, duration
from models.training.trainer import Trainer, learning_rate
from tests.models.little_training import CONFIG, MIXTURE, RECIPE, story_data, story_folder


@pytest.fixture(scope="module")
def data():
    return story_data()


@pytest.fixture
def corpus(tmp_path):
    return story_folder(tmp_path)


@pytest.fixture
def small_preset(monkeypatch):
    """What the recipe's preset means to a run: the small configuration, for speed."""
    monkeypatch.setattr(models, "preset", lambda name: CONFIG.replace(vocab_size=300))


def trainer(data, seed=0, recipe=RECIPE, **changes):
    return Trainer(replace(recipe, **changes), models.build(CONFIG, seed=seed), data)


def weights(of):
    return {name: value.clone() for name, value in of.model.state_dict().items()}


def curve(of):
    return [replace(row, seconds=0.0) for row in of.history]


def test_same_recipe_gives_the_same_weights(data):
    first, second = trainer(data), trainer(data)
    assert [p.loss for p in first] == [p.loss for p in second]
    assert all(torch.equal(value, weights(second)[name]) for name, value in weights(first).items())


def test_resumed_training_equals_an_uninterrupted_one_bit_by_bit(data, tmp_path):
    whole = trainer(data, tokens=12 * 64)
    for _ in whole:
        continue
    interrupted = trainer(data, tokens=12 * 64)
    for progress in interrupted:
        if progress.step == 5:
            break
    interrupted.save(tmp_path / "state.safetensors")
    resumed = trainer(data, seed=99, tokens=12 * 64)
    resumed.resume(tmp_path / "state.safetensors")
    assert resumed.step == 5
    for _ in resumed:
        continue
    assert all(torch.equal(value, weights(resumed)[name]) for name, value in weights(whole).items())
    assert curve(resumed) == curve(whole)


def test_noise_of_routers_repeats_itself_too(data):
    moe = models.preset("switch-mini").moe
    config = CONFIG.replace(moe=replace(moe, d_expert=24, jitter=0.3))

    def losses():
        return [progress.loss for progress in Trainer(RECIPE, models.build(config, seed=1), data)]

    first = losses()
    torch.rand(7)  # whatever else draws in the process
    assert losses() == first


def test_a_step_tells_which_experts_its_tokens_chose_also_where_it_ends_in_a_validation(data):
    moe = models.preset("mixtral-mini").moe
    steps = Trainer(RECIPE, models.build(CONFIG.replace(moe=replace(moe, d_expert=24)), seed=1), data)
    for progress in steps:
        assert [counts.shape for counts in progress.expert_counts] == [(moe.n_experts,)] * CONFIG.n_layers
        chosen = RECIPE.batch_tokens * moe.n_experts_per_token
        assert [counts.sum().item() for counts in progress.expert_counts] == [chosen] * CONFIG.n_layers
    assert any(row.val_loss for row in steps.history)


def test_state_of_another_recipe_or_other_texts_is_refused(data, tmp_path):
    state = tmp_path / "state.safetensors"
    first = trainer(data)
    first.advance()
    first.save(state)
    with pytest.raises(InputError, match="peak_lr differs"):
        trainer(data, peak_lr=1e-3).resume(state)
    other = replace(data, stream=TokenStream(data.stream.files, [2], seed=3))
    with pytest.raises(InputError, match="texts differs"):
        trainer(other).resume(state)


def test_budget_may_change_under_way(data, tmp_path):
    first = trainer(data, tokens=20 * 64)
    for progress in first:
        if progress.step == 4:
            break
    first.save(tmp_path / "state.safetensors")
    shorter = trainer(data, tokens=8 * 64)
    shorter.resume(tmp_path / "state.safetensors")
    rates = [progress.lr for progress in shorter]
    assert rates == [learning_rate(shorter.recipe, step) for step in range(4, 8)]
    assert shorter.budgets == [(0, 20 * 64), (4, 8 * 64)]


def test_state_file_is_plain_safetensors(data, tmp_path):
    first = trainer(data)
    first.advance()
    first.save(tmp_path / "state.safetensors")
    tensors, state = checkpoint.read(tmp_path / "state.safetensors")
    assert state["step"] == 1
    assert {name.split(".")[0] for name in tensors} == {"model", "optimizer"}
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_training_learns(data):
    losses = [progress.loss for progress in trainer(data, tokens=40 * 64)]
    assert losses[0] == pytest.approx(math.log(257), rel=0.02)
    assert losses[-1] < 0.75 * losses[0]


def test_curve_has_the_evaluations_at_equal_distances(data):
    steps = trainer(data, tokens=10 * 64, evaluations=5)
    for _ in steps:
        continue
    assert [row.step for row in steps.history if row.val_loss is not None] == [2, 4, 6, 8, 10]
    assert steps.history[-1].tokens == 640


def test_each_token_is_predicted_once(data, monkeypatch):
    seen = []

    def remember(ids, marks, chance):
        example = causal(ids)
        seen.append(example)
        return example

    monkeypatch.setitem(OBJECTIVES, "causal", remember)
    for _ in trainer(data, evaluations=1):
        continue
    seen = seen[: 6 * RECIPE.rows]  # what follows is the evaluation
    targets = torch.cat([example.targets.flatten() for example in seen]).numpy()
    inputs = torch.cat([example.inputs.flatten() for example in seen]).numpy()
    np.testing.assert_array_equal(targets, data.stream.read(1, 6 * 64))
    np.testing.assert_array_equal(inputs, data.stream.read(0, 6 * 64))


def test_masked_places_do_not_count(data, monkeypatch):
    def first_half_only(ids, marks, chance):
        example = causal(ids)
        return replace(example, targets=torch.cat((example.targets[:8], torch.full((8,), IGNORED))))

    steps = trainer(data)
    monkeypatch.setitem(OBJECTIVES, "causal", first_half_only)
    ids = torch.from_numpy(data.stream.read(0, 65)).unfold(0, 17, 16)
    logits = steps.model(ids[:, :-1]).logits[:, :8]
    expected = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:9].flatten()).item()
    assert steps.advance().loss == pytest.approx(expected, rel=1e-5)


def test_a_table_of_positions_may_begin_as_waves(data):
    trainer = Trainer(replace(RECIPE, first_positions="sinusoidal"), models.build(CONFIG), data)
    table = trainer.model.position.weight
    assert table.std().item() == pytest.approx(models.build(CONFIG).position.weight.std().item())
    alike = F.cosine_similarity(table[:-1], table[1:])  # neighbours differ by one and the same rotation
    assert alike.max() - alike.min() < 1e-5
    assert alike.min() > 0.9


@pytest.mark.parametrize(
    ("preset", "stack", "neighbours"),
    [
        ("glm-mini", "", [-1, 1, -2, 2, -3, 3]),
        ("t5-mini", "encoder.", [-1, 1, -2, 2]),
        ("t5-mini", "decoder.", [-1, -2, -3, -4]),
    ],
)
@torch.no_grad()
def test_heads_may_begin_at_neighbours(preset, stack, neighbours):
    """On random tokens each head of the first layer looks about where its neighbour is, by the mean over places."""
    config = models.preset(preset)
    model = models.build(config, seed=1)
    begin_positions(model, "near")
    ids = torch.randint(config.vocab_size, (4, 30), generator=torch.Generator().manual_seed(0))
    with models.capture(f"{stack}layers.0.attn.probs") as trace:
        model(ids, **({"decoder_input_ids": ids} if stack else {"prefix_lengths": torch.full((4,), 30)}))
    (probs,) = trace.values()
    for head, neighbour in enumerate(neighbours):
        away = {at: float(probs[:, head].diagonal(at, dim1=-2, dim2=-1)[:, 5:-5].mean()) for at in range(-5, 6)}
        assert sum(away.values()) > 0.7, (head, away)
        assert sum(at * p for at, p in away.items()) / sum(away.values()) == pytest.approx(neighbour, abs=0.6), (
            head,
            away,
        )


def test_a_head_that_sees_back_alone_hardly_begins_at_its_own_place():
    """The places ahead, far away all of them, share the bucket of the own place: t5-mini and switch-mini began so."""
    model = models.build(models.preset("t5-mini"))
    begin_positions(model, "near")
    own, neighbour = model.decoder.position.weight[:2, 0].tolist()  # of the head that looks one place back
    assert neighbour == 0 > own + 7


def test_positions_begin_only_as_they_can():
    with pytest.raises(InputError, match="random or near"):
        begin_positions(models.build(models.preset("t5-mini").replace(n_layers=1, n_encoder_layers=1)), "sinusoidal")
    with pytest.raises(InputError, match="must be random"):
        begin_positions(models.build(CONFIG.replace(position="rotary")), "near")


def test_divided_logits_begin_and_learn_like_others(data):
    """What T5 divides by √d_model is as if its table were smaller: the same losses as of a table that is read √d_model
    times larger, where both are normalised first."""
    config = CONFIG.replace(tie_embeddings=True, norm="rmsnorm", embed_norm=True, biases=(), position="none")
    losses = {}
    for divides in (True, False):
        trainer = Trainer(RECIPE, models.build(config.replace(scale_logits=divides), seed=1), data)
        losses[divides] = [progress.loss for progress in trainer]
    assert losses[True] == pytest.approx(losses[False], rel=1e-3)
    assert losses[True][-1] < losses[True][0]


def test_validation_score_counts_every_token_and_byte(data):
    model = models.build(CONFIG)
    ids = np.array([256, *b"One dog. Two dogs, three dogs.", 256, *b"End"])
    score = evaluate(model, windows(ids, 16), np.array([1] * 256 + [0]), pad=0)
    assert (score.tokens, score.bytes) == (len(ids) - 1, len(ids) - 2)
    rows = [ids[0:17], ids[16:33], ids[32:]]
    nats = sum(
        F.cross_entropy(model(torch.tensor(row[None, :-1])).logits[0], torch.tensor(row[1:]), reduction="sum").item()
        for row in rows
    )
    assert score.nats == pytest.approx(nats, rel=1e-4)
    assert score.perplexity == pytest.approx(math.exp(nats / score.tokens), rel=1e-4)
    assert score.bits_per_byte == pytest.approx(nats / math.log(2) / score.bytes, rel=1e-4)


def test_learning_rate_rises_then_falls_to_its_floor():
    recipe = replace(RECIPE, tokens=100 * 64)
    rates = [learning_rate(recipe, step) for step in range(101)]
    assert rates[0] == pytest.approx(recipe.peak_lr / 20)
    assert max(rates) == rates[19] == recipe.peak_lr
    assert rates[19:] == sorted(rates[19:], reverse=True)
    assert rates[100] == pytest.approx(recipe.peak_lr * recipe.final_lr_fraction)


@pytest.mark.parametrize("shape", [(16, 16), (24, 8), (8, 40)])
def test_muon_evens_out_singular_values(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert 0.3 < values.min() <= values.max() < 1.4
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert F.cosine_similarity(orthogonalised(matrix).flatten(), (left @ right).flatten(), dim=0) > 0.95


def test_muon_in_bf16_steps_in_the_same_direction():
    steps = {}
    for products in (torch.float32, torch.bfloat16):
        matrix = torch.nn.Parameter(torch.zeros(24, 40))
        matrix.grad = torch.randn(24, 40, generator=torch.Generator().manual_seed(3))
        Muon([matrix], lr=0.1, products=products).step()
        steps[products] = matrix.detach().flatten()
    assert F.cosine_similarity(*steps.values(), dim=0) > 0.999


def test_muon_leaves_alone_what_a_step_did_not_use():
    used, unused = (torch.nn.Parameter(torch.ones(4, 6)) for _ in range(2))
    used.grad = torch.randn(4, 6, generator=torch.Generator().manual_seed(3))
    Muon([used, unused], lr=0.1).step()
    assert torch.equal(unused, torch.ones(4, 6))
    assert not torch.equal(used, torch.ones(4, 6))


def test_interrupted_run_keeps_its_state_and_goes_on(small_preset, corpus, tmp_path):
    heard = []

    def interrupt(text):
        heard.append(text)
        if "tokens of text" in text:
            os.kill(os.getpid(), signal.SIGINT)

    stop = StopRequest()
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    stop.catch_signals()
    try:
        assert train(RECIPE, corpus, tmp_path / "work", tmp_path / "out", stop, interrupt) is False
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    assert "stopped after step 1" in heard[-1]
    assert not (tmp_path / "out").exists()

    assert train(RECIPE, corpus, tmp_path / "work", tmp_path / "out", StopRequest(), heard.append)
    assert any("going on after step 1 of 6" in text for text in heard)
    assert train(RECIPE, corpus, tmp_path / "fresh", tmp_path / "whole", StopRequest(), heard.append)
    assert (tmp_path / "out/model.safetensors").read_bytes() == (tmp_path / "whole/model.safetensors").read_bytes()


def test_a_terminal_shows_how_far_it_is_in_one_line_that_gives_way(small_preset, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "SHOW_EVERY", 0.0)
    screen = io.StringIO()
    terminal = Terminal(screen)
    assert train(RECIPE, corpus, tmp_path / "work", tmp_path / "out", StopRequest(), terminal.say, show=terminal.show)
    lines = [line.split("\r")[-1].rstrip() for line in screen.getvalue().split("\n")[:-1]]  # as they stay
    assert not any("tokens/s" in line for line in lines)
    assert "finished" in lines[-1]
    shown = [part for part in screen.getvalue().split("\r") if "tokens/s" in part]
    assert "[########................]  33%  step 2/6  loss 5." in shown[1]
    assert "[########################] 100%  step 6/6" in shown[-1]
    assert "0 s left" in shown[-1]


def test_time_that_is_left_is_told_in_its_own_unit():
    assert [duration(seconds) for seconds in (4.4, 89, 600, 3.1 * 3600)] == ["4 s", "89 s", "10 min", "3 h 06 min"]


def test_finished_run_writes_a_model_that_loads_and_a_card_that_is_true(small_preset, corpus, tmp_path):
    out = tmp_path / "out"
    recipe = replace(RECIPE, mixture=replace(MIXTURE, prompt="Once", limits="It is a test."))
    assert train(recipe, corpus, tmp_path / "work", out, StopRequest(), lambda text: None)
    loaded = models.load(out)
    history = json.loads((out / "history.json").read_text())
    card = (out / "CARD.md").read_text()
    assert history["params"] == sum(p.numel() for p in loaded.model.parameters())
    assert history["tokens"] == 384 == history["curve"][-1]["tokens"]
    assert history["validation"]["all"]["perplexity"] == pytest.approx(math.exp(history["validation"]["all"]["loss"]))
    for words in (f"{history['params']:,} parameters", "384 tokens in 6 steps", "`a.txt`", "> Once", "It is a test."):
        assert words in card
    assert str(tmp_path) not in card + json.dumps(history)
    assert loaded.tokenizer.vocab_size == 300


def test_folder_of_other_texts_is_read_as_often_as_needed(corpus, tmp_path):
    recipe = replace(
        RECIPE, tokens=20_000, batch_tokens=64, mixture=replace(MIXTURE, corpora=(CorpusShare(file="b.txt"),))
    )
    prepared = prepare(recipe, corpus, tmp_path)
    assert [share.file for share in prepared.shares] == ["a.txt"]
    assert prepared.stream.n_tokens > 20_000


def test_too_short_a_corpus_is_refused(corpus, tmp_path):
    with pytest.raises(InputError, match="Raise the passes"):
        train(replace(RECIPE, tokens=10**7), corpus, tmp_path, tmp_path / "out", StopRequest(), lambda text: None)


def test_command_line_says_what_is_missing(tmp_path, capsys):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        assert main(["llama-mini", "--corpus", str(tmp_path / "nowhere"), "--work", str(tmp_path)]) == 2
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    assert "en/tinystories.txt" in capsys.readouterr().err


def test_command_line_helps(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    help_text = capsys.readouterr().out
    assert all(word in help_text for word in ("llama-mini", "--corpus", "--work", "--out", "--threads"))
