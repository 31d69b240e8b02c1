"""The endpoint /train: a short training in one answer."""

import secrets
import time
from collections.abc import Iterator

from playground.i18n import explain
from playground.session import TRAIN_SMALL
from playground.tab import asked_in, refusals
from playground.train_house import Training, house, read_order
from playground.train_texts import read
from playground.views.train_words import race_words

GLANCE = 0.25  # seconds between two looks; when the caller leaves, the training stops
DEFAULT_TOKENS = 50_000


def train(
    designs: list[str] | None = None,
    text: str = "stories-en",
    own_text: str = "",
    tokens: int = DEFAULT_TOKENS,
    seed: int = 7,
    balance: str = "",
    lang: str = "en",
) -> Iterator[dict]:
    """Trains one to four designs on a text, from random weights, and answers with their curves and samples.

    It waits in the same line as the visitors of the page (two trainings at a time), and takes at most 180 seconds of
    computing for all designs together. As a stream it tells how far it is; the last answer is the whole.

    Args:
        designs: design strings ("llama-mini~n_layers=2", "gpt2~d_model=128~…"), each of at most 4 million parameters; a
            decoder, prefix decoder or encoder-decoder that writes, or an encoder that fills masks. Several run a race on the
            same tokens. By default a small LLaMA
        text: "stories-en" or "prose-zh", which are bundled, or "own"
        own_text: the text for "own": 1,000 characters to 400,000 bytes; documents may be separated by lines <|endoftext|>
        tokens: how many tokens each design reads, 10,000 to 400,000
        seed: of the weights and of the order of the text
        balance: for a mixture of experts "none", "aux" (an auxiliary loss) or "bias" (a bias on the choice, which needs a
            sigmoid router); empty: as the design says
        lang: "en" or "zh", the language of the sentences

    Returns:
        state: "waiting" (with place, the place in the line), "running" or "over"
        why: "finished", "diverged" (a loss is no longer a number), "stopped", "time" (the 180 seconds were over) or
            "failed", with a sentence in `error`
        designs: for each its design, name, params, active, objective, tokenizer, step, tokens, seconds, tokens_per_second,
            curve ([tokens, training loss, held-out loss], in nats per token, null where it was not measured), samples
            ([step, tokens, text]), loads ([tokens, for each layer with experts the share of tokens of each]), and model: the
            name ("here:…") under which /generate writes with it. The server keeps the 16 models trained or brought there
            that were used last, of 60 million parameters in all, until it is started anew
    """
    lang = asked_in(lang)
    with refusals(lang):
        order = read_order(designs or [TRAIN_SMALL], read(text, own_text), tokens, seed, balance or None)
        training = house.begin(order, secrets.token_urlsafe(8))
    try:
        while not training.is_over:
            house.get(training.name)
            yield _progress(training)
            time.sleep(GLANCE)
        yield _whole(training, lang)
    finally:
        training.stopped.set()


def _progress(training: Training) -> dict:
    tracks = training.tracks
    return {
        "state": training.state,
        "place": house.place(training),
        "designs": [{"step": track.step, "tokens": track.tokens} for track in tracks],
    }


def _whole(training: Training, lang: str) -> dict:
    order = training.order
    names = race_words([(design.base, design.config) for design in order.designs], lang)
    return {
        "state": "over",
        "why": training.why,
        "error": explain(lang, training.error) if training.error else None,
        "designs": [
            {
                "design": design.design,
                "name": name,
                "params": design.params,
                "active": design.active,
                "objective": design.objective,
                "tokenizer": design.tokenizer,
                "step": track.step,
                "tokens": track.tokens,
                "seconds": round(track.seconds, 3),
                "tokens_per_second": round(track.speed, 1),
                "curve": track.points,
                "samples": track.samples,
                "loads": [row[:2] for row in track.loads],
                "model": track.model,
            }
            for design, name, track in zip(order.designs, names, training.tracks, strict=False)
        ],
    }
