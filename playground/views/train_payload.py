"""How a training is, as plain values: what is new since the page last asked."""

from playground.i18n import explain, say
from playground.views.numbers import exact


def told(training, place: int, seen: object, lang: str) -> dict:
    """state: "waiting", "running", "paused" or "over"; sentence: why it waits or is over; lanes: one for each design.

    seen: [points, samples, loads] that the page has of each design; anything else means none.
    """
    order = training.order
    return {
        "state": training.state,
        "place": place,
        "why": training.why,
        "sentence": _sentence(training, place, lang),
        "balance": training.balance,
        "lanes": [
            lane(track, steps_of(order, index), order.tokens, _seen(seen, index))
            for index, track in enumerate(training.tracks)
        ],
    }


def lane(track, steps: int, budget: int, seen: tuple[int, int, int] = (0, 0, 0)) -> dict:
    """One design: how far it is, and its points, samples and loads from `seen` on."""
    return {
        "step": track.step,
        "steps": steps,
        "tokens": track.tokens,
        "budget": budget,
        "seconds": round(track.seconds, 2),
        "speed": round(track.speed, 1),
        "bytes_per_token": track.bytes_per_token,
        "points": track.points[seen[0] :],
        "samples": track.samples[seen[1] :],
        "loads": track.loads[seen[2] :],
        "layers": track.layers,
        "model": track.model,
        "diverged": track.diverged,
    }


def steps_of(order, index: int) -> int:
    """Steps of a design's whole training."""
    return order.tokens // order.designs[index].batch


def _seen(seen: object, index: int) -> tuple[int, int, int]:
    row = seen[index] if isinstance(seen, list) and index < len(seen) else None
    if not isinstance(row, list) or len(row) != 3 or not all(isinstance(n, int) and n >= 0 for n in row):
        return (0, 0, 0)
    return tuple(row)


def _sentence(training, place: int, lang: str) -> str:
    if training.error:
        return explain(lang, training.error)
    if training.state == "waiting":
        key = "train.waiting_first" if place <= 1 else "train.waiting"
        return say(lang, key, place=exact(place))
    if training.state == "over":
        is_unbegun = training.why == "stopped" and not any(track.step for track in training.tracks)
        return say(lang, "train.why.unbegun" if is_unbegun else f"train.why.{training.why}")
    return ""
