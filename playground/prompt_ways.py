"""Prompts that suit a model: what it opens with, and examples to try, by what it does with a prompt."""

from models.errors import InputError
from models.tokenizers import Tokenizer
from playground import model_facts
from playground.house_tokenizers import tokenizer_of
from playground.i18n import say

EXAMPLES = {
    "continue": ("once", "park", "dragon", "talk"),
    "continue_chinese": ("chinese_once", "chinese_mother", "chinese_rabbit", "chinese_evening"),
    "spans": ("spans_little", "spans_king", "spans_end"),
    "blank": ("blank_word", "blank_short", "blank_end"),
    "translation": ("station", "music", "school", "traditional"),
}
"""Names under `generate.example`, by way (see `models.prompts.way_of`; a text is continued in one of two languages); the
first is what a model of that way opens with."""


def example(name: str) -> str:
    """The text of an example, which is in the language of the models, whatever the page's."""
    return say("en", f"generate.example.{name}")


def examples_of(way: str) -> tuple[str, ...]:
    """The names of the examples for a way; one that no model was trained for here has those for continuing."""
    return EXAMPLES.get(way, EXAMPLES["continue"])


def opening_prompt(way: str) -> str:
    """What stands in the prompt's box until something else is typed."""
    return example(examples_of(way)[0])


def suited(prompt: str, way: str) -> str:
    """The prompt, or, where it is what models of another way open with, what those of `way` do."""
    is_opening = prompt in {opening_prompt(other) for other in EXAMPLES}
    return opening_prompt(way) if is_opening else prompt


def way_in_hand(design: str) -> str:
    """What the model of a design string does with a prompt; a decoder is known without torch, no model is loaded."""
    try:
        known = model_facts.inhand(design)
    except InputError:
        return "continue"
    tokenizer = tokenizer_of(known.weights)
    if known.config.structure == "decoder" or known.config.head != "lm":
        return "continue_chinese" if tokenizer and _learnt_from_chinese(tokenizer) else "continue"
    from models.prompts import way_of

    return way_of(known.config, tokenizer)


def _learnt_from_chinese(tokenizer: Tokenizer) -> bool:
    """A tokenizer takes fewer tokens for the language that it has learnt from; each of these says "once upon a time"."""
    return len(tokenizer.encode(opening_prompt("continue_chinese"))) < len(tokenizer.encode(opening_prompt("continue")))
