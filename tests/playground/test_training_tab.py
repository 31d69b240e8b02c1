"""Training in the browser: what is trained, on what, and what is seen of it."""

from dataclasses import replace

import pytest
import torch

import models
from models.errors import InputError
from models.objectives import SUITS
from models.tokenizers.catalogue import load_named
from models.training.in_memory import in_memory, split
from playground import model_facts, services, train_lane, zoo_scores
from playground.design_strings import design_string, parse_design
from playground.i18n import LANGUAGES, say
from playground.train_designs import balances, small_form, trainable, with_balance
from playground.train_lane import Lane, recipe_of
from playground.train_texts import BUNDLED, LEAST_CHARACTERS, MOST_BYTES, own, read
from playground.views.zoo_table import zoo_payload
from playground.zoo_scores import groups
from tests.playground.trainings import TINY, ask, ended, order

SPARSE = (
    "mixtral-mini~max_seq_len=64~d_model=16~n_layers=2~n_heads=2~n_kv_heads=1~d_head=8~attention=mqa~vocab_size=300"
    "~moe.n_experts=4~moe.n_experts_per_token=1~moe.d_expert=8~moe.router=sigmoid~moe.normalise_weights=false"
    "~moe.aux_loss_coef=0"
)


ENCODER = "bert-mini~d_model=16~n_layers=1~n_heads=2~d_head=8~d_ff=24~max_seq_len=64"


@pytest.fixture(scope="module")
def trained() -> dict:
    """A small model after a short training, as the page is told of it."""
    return ended(ask("begin", **order())["training"])["lanes"][0]


class TestDesigns:
    """What is trained, or refused in a sentence that helps."""

    @pytest.mark.parametrize(
        "preset", ["llama3-8b", "deepseek-v3", "bert-base-uncased", "chatglm-6b", "gpt3-175b", "bloom-176b"]
    )
    def test_a_large_design_has_a_small_form_with_its_choices(self, preset):
        small = parse_design(small_form(preset)).config
        large = models.preset(preset)
        for choice in ("structure", "norm", "block", "position", "attention", "ffn", "activation", "tie_embeddings"):
            assert getattr(small, choice) == getattr(large, choice)
        assert trainable(design_string(preset, small)).params < 4_000_000

    @pytest.mark.parametrize(
        ("design", "objective", "tokenizer"),
        [
            ("llama-mini", "causal", "stories-4k"),
            (TINY, "causal", "bytes"),
            (f"{TINY}~structure=prefix_decoder~mask_pattern=prefix", "prefix", "bytes"),
            ("bert-mini~d_model=64~n_layers=1~n_heads=2~d_head=32~d_ff=64", "masked_pairs", "wordpiece-4k"),
        ],
    )
    def test_each_structure_learns_what_suits_it(self, design, objective, tokenizer):
        found = trainable(design)
        assert (found.objective, found.tokenizer) == (objective, tokenizer)

    @pytest.mark.parametrize(
        ("design", "code"),
        [
            ("llama3-8b", "train_too_large"),
            ("t5-small", "train_too_large"),
            ("clip-vit-b32", "train_kind"),
            (f"{TINY}~n_layers=17", "train_too_deep"),
            (f"{TINY}~vocab_size=100", "train_vocabulary"),
            (f"{TINY}~max_seq_len=1", "train_too_short"),
            (f"{ENCODER}~max_seq_len=4", "train_too_short"),
            (f"{ENCODER}~max_seq_len=1~head=mlm~pooler=false", "train_too_short"),
            ("bert-mini~d_model=16~n_heads=2~d_head=8~vocab_size=300", "train_vocabulary"),
            (
                f"{TINY}~n_heads=3000~d_head=2~d_model=4~attention=mha~n_kv_heads=3000~position=alibi~max_seq_len=256",
                "train_too_wide",
            ),
            ("nothing", "train_unknown"),
            ("", "design_empty"),
        ],
    )
    def test_others_are_refused(self, design, code):
        with pytest.raises(InputError) as refused:
            trainable(design)
        assert refused.value.code == code
        answer = ask("check", design=design, lang="zh")
        assert answer["refusal"][-1] in "。."

    def test_the_balance_is_a_field_of_the_mixture(self):
        config = parse_design(SPARSE).config
        assert balances(config) == ("none", "aux", "bias")
        assert with_balance(config, "aux").moe.aux_loss_coef > 0
        assert with_balance(config, "bias").moe.bias_update_rate > 0
        assert with_balance(with_balance(config, "bias"), "none") == config
        switch = parse_design(SPARSE.replace("sigmoid", "switch")).config
        assert balances(switch) == ("none", "aux")
        with pytest.raises(InputError):
            with_balance(switch, "bias")
        with pytest.raises(InputError):
            balances(parse_design(TINY).config)

    def test_what_is_ready_made_can_be_trained(self):
        opening = ask("opening")
        for _, _, joined in opening["races"]:
            assert [trainable(design).row for design in joined.split("|")] == [256, 256]
        for _, _, design in opening["mixtures"]:
            assert "aux" in balances(trainable(design).config)
        for design, _ in opening["small"]:
            trainable(design)


class TestTexts:
    """The bundled texts, and a visitor's own."""

    @pytest.mark.parametrize("name", BUNDLED)
    def test_bundled_texts_are_small_and_have_documents(self, name):
        text = read(name)
        assert len(text.documents) >= 20
        assert sum(len(document.encode()) for document in text.documents) <= 400_000

    def test_ones_own_text_is_cut_into_pieces_that_are_held_out(self):
        text = own("A short sentence stands here. " * 100 + "Another ends it.")
        assert text.is_english
        assert text.prompt == "A short sentence stands"
        assert "".join(text.documents).replace(" ", "") == ("Ashortsentencestandshere." * 100 + "Anotherendsit.")
        training, validation = split([f"{place} {piece}" for place, piece in enumerate(text.documents)])
        assert training
        assert validation
        assert not set(training) & set(validation)
        assert not own("一段没有空格的中文。" * 200 + "完。").is_english

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("short", "train_text_short"),
            (" \n" * LEAST_CHARACTERS, "train_text_short"),
            ("长" * (MOST_BYTES // 3 + 1), "train_text_long"),
            ("a\ud800" * LEAST_CHARACTERS, "text_surrogate"),
            (5, "not_a_text"),
            ("!" * 2_000, "train_text_repeats"),
            (
                "The same line stands here, again and again, twenty times in all, and says nothing new.\n" * 20,
                "train_text_repeats",
            ),
        ],
        ids=str,
    )
    def test_what_is_no_text_to_train_on_is_refused(self, text, code):
        with pytest.raises(InputError) as refused:
            own(text)
        assert refused.value.code == code

    def test_the_beginning_of_ones_own_text_decides_which_tokenizer_is_named(self):
        design = "llama-mini~d_model=16~n_layers=1~n_heads=2~attention=mqa~n_kv_heads=1~d_head=8~d_ff=24"
        for own_text, tokenizer in (("一段没有空格的中文。", "byte-bpe-4k"), ("English words.", "stories-4k")):
            assert tokenizer in ask("check", design=design, text="own", own=own_text)["sentence"]

    def test_a_held_out_part_that_leaves_nothing_to_predict_is_refused(self):
        recipe = recipe_of(trainable(TINY), read("stories-en"), 10_000, 7)
        with pytest.raises(InputError) as refused:
            in_memory(recipe, load_named("bytes"), ["a text"], [""], 500)
        assert refused.value.code == "corpus_not_held_out"

    def test_a_text_of_one_repeated_document_is_refused(self):
        with pytest.raises(InputError) as refused:
            split(["the same"] * 9)
        assert refused.value.code == "corpus_not_held_out"
        training, validation = split(["the same"] * 3 + ["another"])
        assert set(training) | set(validation) == {"the same", "another"}
        assert not set(training) & set(validation)


class TestLearning:
    """A design learns with the project's own trainer; what is seen of it is what happened."""

    def test_the_loss_falls_and_samples_are_written(self, trained):
        first, last = trained["points"][0], trained["points"][-1]
        assert first[2] == pytest.approx(5.7, abs=0.3)  # about ln 300: nothing is known yet
        assert last[1] < first[2] - 0.5
        assert last[2] < first[2] - 0.5
        assert trained["step"] == trained["steps"] == len(trained["points"]) - 1
        assert [step for step, _, _ in trained["samples"]][0] == 0
        assert all(text.startswith("Uncle Wiggily") for _, _, text in trained["samples"])
        assert trained["bytes_per_token"] == pytest.approx(1.0, abs=0.01)

    @pytest.mark.parametrize(
        "design",
        [
            ENCODER,
            f"{ENCODER}~head=mlm~pooler=false",
            f"{ENCODER}~head=mlm~pooler=false~max_seq_len=8",
            f"{TINY}~structure=prefix_decoder~mask_pattern=prefix",
            f"{ENCODER}~head=mlm~pooler=false~mask_pattern=longformer~window=16",
        ],
        ids=["pairs", "masked", "masked, short", "prefix", "masked, global tokens"],
    )
    def test_encoders_and_prefix_decoders_learn_too(self, design):
        lane = Lane(trainable(design), read("stories-en"), 10_000, 7)
        lane.sample()
        for _ in range(8):
            lane.step()
        lane.sample()
        assert lane.track.points[-1][1] < lane.track.points[1][1] - 0.1
        assert len({text for _, _, text in lane.track.samples}) == 2
        lane.keep()
        assert model_facts.inhand(lane.track.model).steps == 8

    def test_a_loss_that_grows_beyond_all_numbers_ends_the_training_and_is_told(self, monkeypatch):
        monkeypatch.setattr(train_lane, "recipe_of", lambda *order: replace(recipe_of(*order), peak_lr=1e30))
        news = ended(ask("begin", **order(tokens=400_000))["training"])
        lane = news["lanes"][0]
        assert (news["why"], lane["diverged"], lane["model"]) == ("diverged", True, None)
        assert lane["step"] < lane["steps"]
        assert lane["points"][-1][1] is None

    def test_designs_of_a_race_read_the_same_tokens(self):
        text, designs = read("stories-en"), [trainable(TINY), trainable(f"{TINY}~norm=layernorm")]
        lanes = [Lane(design, text, 10_000, 7) for design in designs]
        rows = [lane.trainer.data.examples(lane.recipe, 3, torch.Generator())[0].inputs for lane in lanes]
        assert torch.equal(*rows)

    def test_the_same_seed_gives_the_same_curve(self):
        curves = []
        for _ in range(2):
            lane = Lane(trainable(TINY), read("stories-en"), 10_000, 3)
            for _ in range(3):
                lane.step()
            curves.append(lane.track.points)
        assert curves[0] == curves[1]

    def test_data_in_memory_are_those_of_files(self, tmp_path):
        """The stream that a recipe reads from a folder, without the folder."""
        from models.training.data import TokenFile, TokenStream, tokenised

        design, text = trainable(TINY), read("stories-en")
        recipe, tokenizer = recipe_of(design, text, 10_000, 7), load_named("bytes")
        data = in_memory(recipe, tokenizer, text.documents[:3], text.documents[3:4], 500)
        file = tokenised(text.documents[:3], tokenizer, tmp_path)
        assert isinstance(file, TokenFile)
        again = TokenStream([file], [data.shares[0].passes], recipe.seed)
        assert data.stream.fingerprint() == again.fingerprint()
        assert len(data.held_out[0].ids) == 500

    def test_experts_are_counted_and_balanced_on_the_way(self):
        lane = Lane(trainable(SPARSE), read("stories-en"), 10_000, 7, "none")
        router = lane.trainer.model.layers[0].ffn.router
        lane.step()
        assert not router.selection_bias.any()
        lane.balance = "bias"
        lane.step()
        assert router.selection_bias.any()
        kept = router.selection_bias.clone()
        lane.balance = "aux"
        lane.step()
        assert torch.equal(router.selection_bias, kept)
        rows = lane.track.loads
        assert [row[2] for row in rows] == ["none", "bias", "aux"]
        assert lane.track.layers == ["layers.0", "layers.1"]
        for _, layers, _ in rows:
            assert all(sum(layer) == pytest.approx(1, abs=1e-3) for layer in layers)
        lane.keep()
        assert services.hold(lane.track.model).config.moe.bias_update_rate


class TestZoo:
    """The scores of the shipped models, whatever models there are."""

    def test_every_objective_has_words_for_the_day_its_first_model_is_shipped(self):
        for objective in SUITS:
            assert all(say(lang, f"train.objective.{objective}") for lang in LANGUAGES)

    def test_models_that_share_their_data_are_one_group(self):
        together = next(group for group in groups() if "gpt2-mini" in [one.name for one in group])
        assert {"gpt2-mini", "llama-mini"} <= {one.name for one in together}
        assert all(one.curve and one.score["bits_per_byte"] > 0 for one in together)
        losses = [one.score["loss"] for one in together]
        assert losses == sorted(losses)

    def test_tables_have_a_row_for_each_model(self):
        for lang in ("en", "zh"):
            payload = ask("opening", lang=lang)["zoo"]
            assert sum(len(group["rows"]) for group in payload) == len(zoo_scores.scored())
            assert all(len(row) == len(group["heads"]) for group in payload for row in group["rows"])
            assert len({group["title"] for group in payload}) == len(payload)
            for group in payload:
                assert [name for name, meaning in group["columns"] if meaning] == group["heads"][1:]
                curves = group["curves"]
                assert len(curves["heads"]) == 1 + len(group["rows"])
                assert all(len(row) == len(curves["heads"]) for row in curves["rows"])

    def test_what_differed_beside_the_architecture_is_said(self):
        one = next(group[0] for group in groups() if "llama-mini" in [one.name for one in group])
        plain = replace(one, is_along_another_budget=False)
        others = [replace(plain, name="b", title="B"), replace(plain, name="c", title="Slow", peak_lr=0.0015)]
        same, unlike = (zoo_payload([group], "en")[0]["sentence"] for group in ([plain, others[0]], [plain, *others]))
        assert "learning rate" not in same
        assert "what differs is the architecture." in same
        assert "what differs is the architecture and, of some, the learning rate." in unlike
        assert f"was {one.peak_lr:g}, but not for all: Slow 0.0015." in unlike
        slower = replace(others[1], name="d", title="Slower", peak_lr=0.001)
        assert "Slow 0.0015、Slower 0.001。" in zoo_payload([[plain, others[1], slower]], "zh")[0]["sentence"]
        along = [replace(one, is_along_another_budget=True), others[0]]
        assert "another budget" in zoo_payload([along], "en")[0]["sentence"]

    def test_bits_per_byte_are_those_of_models_that_predict_every_token(self):
        for one in zoo_scores.scored():
            assert ("bits_per_byte" in one.score) == (one.objective == "causal")


def test_what_was_recorded_is_shown_in_both_languages():
    for lang in ("en", "zh"):
        for section in ("one", "race", "experts"):
            recorded = ask("opening", lang=lang)["recorded"][section]
            assert len(recorded["about"]) == len(recorded["lanes"])
            for lane in recorded["lanes"]:
                assert lane["step"] == lane["steps"]
                assert lane["points"][-1][2] < lane["points"][0][2] - 2
    ways = [way for _, _, way in ask("opening")["recorded"]["experts"]["lanes"][0]["loads"]]
    assert set(ways) == {"none", "bias"}
