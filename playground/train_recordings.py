"""Trainings recorded beforehand, one for each section of the tab: what it shows before anything runs.

`python -m playground.train_recordings` makes them again, with the house's own threads and limits.
"""

import json
import sys
import time
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from playground.session import DEFAULTS, TRAIN_EXPERTS, TRAIN_RACE, TRAIN_SMALL
from playground.train_designs import trainable
from playground.train_house import house, read_order
from playground.train_texts import read
from playground.views.train_payload import lane, steps_of
from playground.views.train_words import race_words

FILE = Path(__file__).resolve().parents[1] / "assets" / "recorded" / "training.json"
TOKENS = DEFAULTS["train_tokens"]  # as the fields say when the page is opened
ORDERS = {
    "one": {"designs": [TRAIN_SMALL], "tokens": TOKENS},
    "race": {"designs": TRAIN_RACE.split("|"), "tokens": TOKENS},
    "experts": {"designs": [TRAIN_EXPERTS], "tokens": TOKENS, "balance": "none"},
}
SECTIONS = tuple(ORDERS)
TEXT, SEED = "stories-en", 7
REVIVED_WITH = "bias"  # from the middle of the recorded training of experts on
MOST_POINTS = 130


@cache
def _read() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))


def recorded(section: str, lang: str) -> dict:
    """The recorded training of a section, as `train_answers.begin` and `look` tell a live one."""
    kept = _read()[section]
    designs = [trainable(design) for design in kept["designs"]]
    order = SimpleNamespace(designs=designs, tokens=kept["tokens"])
    names = race_words([(design.base, design.config) for design in designs], lang)
    tracks = [
        SimpleNamespace(**track, speed=track["tokens"] / track["seconds"], model=None, diverged=False)
        for track in kept["tracks"]
    ]
    return {
        "about": [
            {
                "design": one.design,
                "title": name,
                "params": one.params,
                "active": one.active,
                "writes": one.config.head == "lm",
                "pays": one.pays,
            }
            for name, one in zip(names, designs, strict=True)
        ],
        "settings": {"text": kept["text"], "tokens": kept["tokens"], "seed": SEED, "balance": kept["balance"]},
        "lanes": [lane(track, steps_of(order, index), order.tokens) for index, track in enumerate(tracks)],
    }


def record(section: str) -> dict:
    """Trains what a section shows, and returns what was seen of it."""
    asked = ORDERS[section]
    order = read_order(asked["designs"], read(TEXT), asked["tokens"], SEED, asked.get("balance"))
    training = house.begin(order, f"recording {section}")
    while not training.is_over:
        house.get(training.name)
        if training.balance and training.tracks and training.tracks[0].tokens > order.tokens // 2:
            training.balance = REVIVED_WITH
        time.sleep(0.05)
    if training.why != "finished":
        raise RuntimeError(f"{section}: {training.why}, {training.error}")
    return {
        "designs": asked["designs"],
        "text": TEXT,
        "tokens": asked["tokens"],
        "balance": training.balance,
        "tracks": [_thinned(asdict(track)) for track in training.tracks],
    }


def _thinned(track: dict) -> dict:
    """Fewer points, and every held-out one; the model's name means nothing to others, and none has diverged."""
    every = max(1, len(track["points"]) // MOST_POINTS)
    kept = [point for place, point in enumerate(track["points"]) if place % every == 0 or point[2] is not None]
    return {**{name: value for name, value in track.items() if name not in ("model", "diverged")}, "points": kept}


def main(sections: list[str]) -> None:
    """Records the named sections, or all."""
    kept = _read() if FILE.is_file() else {}
    for section in sections or SECTIONS:
        began = time.monotonic()
        kept[section] = record(section)
        print(f"{section}: {time.monotonic() - began:.0f} s, last sample: {kept[section]['tracks'][0]['samples'][-1]}")
    FILE.write_text(json.dumps(kept, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
