"""Days and times as people write them in English, and in Chinese: a small language in which order changes, so that what a
translator looks at can be judged by eye.

    Sunday, June 25th, 2017, at half past seven in the evening  →  2017年6月25日星期日晚上7点半
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from models.forerunners.recipe import Recipe
from models.forerunners.words import Words, chinese_characters, english_words
from models.training.corpora import held_out
from models.training.translations import SentencePair

FIRST, LAST = date(1900, 1, 1), date(2099, 12, 31)
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WEEKDAYS_ZH = "一二三四五六日"
HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
PARTS = (("morning", "上午", range(5, 12)), ("afternoon", "下午", range(1, 6)), ("evening", "晚上", range(6, 12)))
HELD_OUT = 0.05


@dataclass(frozen=True)
class Data:
    """source, target: the vocabularies; training: ids of both sides; known: the training pairs, for looking up; held_out:
    the one translation of each phrase that training never sees."""

    source: Words
    target: Words
    training: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    known: tuple[SentencePair, ...]
    held_out: dict[str, list[str]]


def make_data(recipe: Recipe) -> Data:
    """What a recipe learns from and is measured on: `n_pairs` phrases, the same for the same seed."""
    pairs = list(dict.fromkeys(phrases(recipe.n_pairs, recipe.seed)))
    known = [pair for pair in pairs if not held_out(pair[0], HELD_OUT)]
    source = Words.of((english_words(english) for english, _ in known), 1_000)
    target = Words.of((chinese_characters(chinese) for _, chinese in known), 1_000)
    ids = [
        (tuple(source.ids(english_words(english))), tuple(target.ids(chinese_characters(chinese))))
        for english, chinese in known
    ]
    unseen = {english: [chinese] for english, chinese in pairs if held_out(english, HELD_OUT)}
    return Data(source, target, tuple(ids), tuple(SentencePair(*pair, "") for pair in known), unseen)


def phrases(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Random phrases and their translations."""
    chance = random.Random(seed)
    for _ in range(count):
        yield phrase(FIRST + timedelta(days=chance.randrange((LAST - FIRST).days + 1)), chance)


def phrase(day: date, chance: random.Random) -> tuple[str, str]:
    """A day, in half of the cases with its weekday, in half with a time before or after it."""
    english, chinese = _date(day, chance), f"{day.year}年{day.month}月{day.day}日"
    if chance.random() < 0.5:
        english = f"{WEEKDAYS[day.weekday()]}, {english}"
        chinese += f"星期{WEEKDAYS_ZH[day.weekday()]}"
    if chance.random() < 0.5:
        time, time_zh = _time(chance)
        english = f"{time} on {english}" if chance.random() < 0.5 else f"{english}, {time}"
        chinese += time_zh
    return english, chinese


def _date(day: date, chance: random.Random) -> str:
    month = MONTHS[day.month - 1]
    forms = (
        f"{month} {day.day}, {day.year}",
        f"{month} {ordinal(day.day)}, {day.year}",
        f"{month[:3]} {day.day}, {day.year}",
        f"{day.day} {month} {day.year}",
        f"the {ordinal(day.day)} of {month}, {day.year}",
    )
    return chance.choice(forms)


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, … of a day of a month."""
    ending = "th" if 10 < number < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _time(chance: random.Random) -> tuple[str, str]:
    part, part_zh, hours = chance.choice(PARTS)
    hour = chance.choice(hours)
    minute = chance.randrange(1, 60)
    forms = (
        (f"{HOURS[hour - 1]} o'clock", f"{hour}点"),
        (f"half past {HOURS[hour - 1]}", f"{hour}点半"),
        (f"{hour}:{minute:02}", f"{hour}点{minute}分"),
    )
    english, chinese = chance.choice(forms)
    return f"at {english} in the {part}", part_zh + chinese
