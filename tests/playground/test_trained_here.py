"""A model trained here: held under its name in every tab, and out as a zip file and in again; nothing else comes in."""

import io
import json
import zipfile
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
import torch

import models
from models.errors import InputError
from models.tokenizers.catalogue import load_named
from playground import generation_api, model_facts, objective_models, services, train_files, trained_here
from playground.design_strings import design_string, parse_design
from playground.objective_opening import objective_known
from playground.session import DEFAULT_MODEL, Session
from playground.shell import read_arrival, show_model
from playground.train_api import train
from playground.train_designs import trainable
from playground.train_lane import Lane
from playground.train_texts import read
from tests.playground.trainings import TINY, ask


@pytest.fixture(scope="module")
def trained() -> dict:
    """The name of a small model after three steps, and how many they were."""
    lane = Lane(trainable(TINY), read("stories-en"), 10_000, 7)
    for _ in range(3):
        lane.step()
    lane.keep()
    return {"model": lane.track.model, "steps": lane.track.step}


@pytest.fixture(scope="module")
def files(trained) -> dict[str, bytes]:
    """The files in the zip file of this model."""
    data = b64decode(ask("download", model=trained["model"])["zip"])
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


class TestInHand:
    """A model trained here is one of the models of the page, as long as it is kept."""

    def test_it_is_held_described_and_writes(self, trained):
        name = trained["model"]
        model = model_facts.inhand(name)
        assert (model.trained, model.origin_key, model.steps, model.weights) == (True, "here", trained["steps"], name)
        assert model_facts.named(name) == name
        text = generation_api.generate_text("Uncle", model=name, max_new_tokens=4)
        assert len(text["tokens"]) == 4
        picker, facts = show_model("en", name)
        assert picker.value == name
        assert f"trained here, {trained['steps']} steps" in facts

    def test_a_shipped_models_configuration_does_not_make_it_the_shipped_model(self):
        config = models.preset(DEFAULT_MODEL)
        loaded = models.Loaded(models.build(config, seed=1), models.load(DEFAULT_MODEL).tokenizer, config, "here")
        name = trained_here.shelf.keep(DEFAULT_MODEL, loaded, 5, 5_120).name
        assert services.hold(name) is loaded
        assert services.hold(DEFAULT_MODEL) is not loaded

    def test_it_is_not_called_like_the_shipped_one(self):
        config = models.preset(DEFAULT_MODEL)
        loaded = models.Loaded(models.build(config, seed=1), models.load(DEFAULT_MODEL).tokenizer, config, "here")
        known = model_facts.inhand(trained_here.shelf.keep(DEFAULT_MODEL, loaded, 5, 5_120).name)
        assert model_facts.called(known, "en") == f"{model_facts.title(DEFAULT_MODEL)}, trained here"
        assert model_facts.called(known, "zh") != model_facts.called(model_facts.inhand(DEFAULT_MODEL), "zh")

    def test_one_that_fills_masks_answers_in_objectives(self, trained):
        config = models.preset("bert-mini").replace(n_layers=1)
        loaded = models.Loaded(models.build(config, seed=1), load_named("wordpiece-4k"), config, "here")
        kept = trained_here.shelf.keep("bert-mini", loaded, 5, 5_120)
        (listed,) = json.loads(objective_known(json.dumps({"name": kept.name, "lang": "en"})))["models"]
        assert (listed["title"], listed["trained"]) == ("BERT mini, trained here", True)
        assert objective_models.hold_masked(kept.name)[1] is loaded
        assert objective_models.tokenizer_of(kept.name) is loaded.tokenizer
        assert objective_models.known_model(trained["model"]) is None  # which writes
        assert objective_models.known_model("here:gone") is None

    def test_an_address_names_it_and_says_when_it_is_gone(self, trained):
        assert read_arrival(f"model={trained['model']}").model == trained["model"]
        assert trained["model"] in Session(model=trained["model"]).to_query()
        session = read_arrival("model=here:gone&lang=en")
        assert session.model == DEFAULT_MODEL
        assert [(problem.field, problem.error.code) for problem in session.problems] == [("model", "model_here_gone")]

    def test_a_design_may_start_from_it(self, trained):
        parsed = parse_design(f"{trained['model']}~n_layers=2")
        assert parsed.trained is None
        assert parsed.config == parse_design(TINY).config.replace(n_layers=2)
        assert design_string(parsed.base, parsed.config).startswith("llama-mini~")

    def test_the_shelf_drops_the_least_recently_used(self, trained):
        shelf, loaded = trained_here.HereShelf(most=2), services.hold(trained["model"])
        names = [shelf.keep("llama-mini", loaded, 1, 1).name for _ in range(2)]
        shelf.get(names[0])
        shelf.keep("llama-mini", loaded, 1, 1)
        assert shelf.get(names[0])
        with pytest.raises(InputError) as refused:
            shelf.get(names[1])
        assert refused.value.code == "model_here_gone"


def test_it_is_told_how_long_a_model_is_kept():
    """The least recently used goes first; nothing goes because of time."""
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    for told in (readme, train.__doc__):
        words = " ".join(told.split())
        assert f"keeps the {trained_here.MAX_KEPT} models trained or brought there" in words
        assert f"used last, of {trained_here.MAX_KEPT_PARAMS // 10**6} million parameters in all" in words


def sent(data: bytes) -> str:
    """Sends a file in one piece, and returns its name."""
    ask("piece", name="file", index=0, data=b64encode(data).decode(), kind="file")
    return "file"


def zipped(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return archive.getvalue()


class TestFiles:
    """A model goes out as a zip file and comes in again; nothing else comes in."""

    def test_there_and_back(self, trained, files):
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(files)
        answer = ask("bring", sent=sent(zipped(files)))
        model = model_facts.inhand(answer["model"])
        assert (model.origin_key, model.steps, model.name) == ("brought", trained["steps"], "LLaMA mini")
        before, after = services.hold(trained["model"]), services.hold(answer["model"])
        for one, other in zip(before.model.parameters(), after.model.parameters(), strict=True):
            assert torch.equal(one.to(torch.bfloat16).float(), other)
        assert before.tokenizer.encode("Uncle") == after.tokenizer.encode("Uncle")
        text = generation_api.generate_text("Uncle", model=answer["model"], max_new_tokens=3, temperature=0)
        assert len(text["tokens"]) == 3

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"model.safetensors": None}, "lacks model.safetensors"),
            ({"config.json": None}, "lacks config.json"),
            ({"config.json": b"[]"}, "config.json"),
            ({"config.json": b'{"model_type": "gpt2"}'}, "does not describe a model of this project"),
            ({"model.safetensors": b"no tensors"}, "damaged"),
            ({"tokenizer.json": None, "tokenizer_config.json": None}, "tokenizer"),
            ({"pytorch_model.bin": b"x"}, "pytorch_model.bin"),
        ],
        ids=str,
    )
    def test_what_is_no_such_file_is_refused_by_a_sentence(self, files, change, told):
        changed = {name: content for name, content in {**files, **change}.items() if content is not None}
        refused = ask("bring", sent=sent(zipped(changed)))["refused"]
        assert told in refused
        assert "/tmp" not in refused

    def test_no_zip_file_and_bombs_are_refused(self, files, monkeypatch):
        assert "not a zip file" in ask("bring", sent=sent(b"PK nothing"))["refused"]
        huge = json.loads(files["config.json"]) | {"vocab_size": 4_000_000}
        bomb = zipped({**files, "config.json": json.dumps(huge).encode()})
        assert "parameters" in ask("bring", sent=sent(bomb))["refused"]
        monkeypatch.setattr(train_files, "MAX_UNPACKED", 10_000)
        assert "at most" in ask("bring", sent=sent(zipped(files)))["refused"]

    def test_files_beside_the_known_ones_are_not_written(self, files):
        answer = ask("bring", sent=sent(zipped({**files, "../../evil.txt": b"x"})))
        assert answer["model"].startswith("here:")
