"""The text that attention is looked at on until another is typed, by what the model does with a text."""

from playground.prompt_ways import opening_prompt, way_in_hand
from playground.session import DEFAULTS

# Names and phrases come again: some heads look for what stood there before.
CHINESE = "小兔子和妈妈去公园玩。小猫和妈妈也去公园玩。小兔子很高兴，小猫也很高兴。"
OPENINGS = {
    "continue": DEFAULTS["att_text"],
    "continue_chinese": CHINESE,
    "spans": opening_prompt("spans"),
    "blank": opening_prompt("blank"),
    "translation": opening_prompt("translation"),
}
"""By way, see `models.prompts.way_of`; a model of any other way has that for continuing."""


def suited_text(text: str, design: str) -> str:
    """The text, or, where it is what models of another way open with, what the model of `design` does."""
    return OPENINGS.get(way_in_hand(design), OPENINGS["continue"]) if text in OPENINGS.values() else text
