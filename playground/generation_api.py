"""The endpoint /generate: a whole text in one answer."""

import threading

from models.tokenizers import Tokenizer
from playground.generation import Observed, in_chunks, observe, read_settings
from playground.session import DEFAULT_MODEL, DEFAULTS, LIMITS, as_text
from playground.subject import read, take
from playground.tab import asked_in, refusals
from playground.turns import turn

CHUNK_SECONDS = 0.5
BOUNDS = {name: LIMITS[name] for name in ("seed", "max_new_tokens")}  # the stages may go beyond the sliders


def generate_text(
    prompt: str,
    model: str = DEFAULT_MODEL,
    temperature: float = DEFAULTS["temperature"],
    top_k: int = DEFAULTS["top_k"],
    top_p: float = DEFAULTS["top_p"],
    min_p: float = DEFAULTS["min_p"],
    repetition_penalty: float = DEFAULTS["repetition_penalty"],
    seed: int = DEFAULTS["seed"],
    max_new_tokens: int = DEFAULTS["max_new_tokens"],
    lang: str = "en",
    chat: bool = DEFAULTS["chat"],
) -> dict:
    """Continues a prompt with a model; the same seed and settings give the same text.

    Args:
        prompt: text to continue; if it is empty the model begins one of its own, if it is too long its end is read
        model: a design string: a preset's name, optionally with changed fields ("llama-mini", "gpt2~n_layers=6"), or the
            name of a trained model that an installed package brings ("smollm2-135m-instruct")
        temperature: 0 (always the likeliest token) to 10; 1 is the model's own distribution
        top_k: only the k likeliest tokens stay; 0 switches it off
        top_p: only the likeliest tokens that together hold this share stay; 1 switches it off
        min_p: only tokens at least this many times as likely as the likeliest stay; 0 switches it off
        repetition_penalty: above 1, tokens of the text so far become less likely
        seed: of the draw
        max_new_tokens: 1 to 512
        lang: "en" or "zh", the language of error messages
        chat: whether a model that was trained to chat answers the prompt; off, it continues it, as all others do

    Returns:
        text: what follows the prompt
        tokens: for each token its id, its text (bytes that form no character as <0xE4>), its probability after the
            sampling stages and raw_probability, the model's own
        finish: why the text ends: "length", "stop" (the model ended it) or "context" (no room is left)
        prompt_tokens, read_tokens: how many tokens the prompt has, and how many of them were read
        model, seed: as given
    """
    lang = asked_in(lang)
    settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
    settings |= {"repetition_penalty": repetition_penalty, "seed": seed, "max_new_tokens": max_new_tokens}
    with refusals(lang):
        as_text("prompt", prompt)
        sampling, most = read_settings(settings, BOUNDS)
        subject, loaded = take(model)
        tokenizer = loaded.tokenizer
        reading = read(subject, prompt, chat, most)
        tokens, finish = [], None
        for chunk, finish in in_chunks(  # noqa: B007 (the last one is the answer's)
            observe(loaded, reading, sampling, most), CHUNK_SECONDS, turn, threading.Event()
        ):
            tokens += [_described(tokenizer, observed) for observed in chunk]
    return {
        "text": tokenizer.decode([token["id"] for token in tokens if token["id"] < tokenizer.vocab_size]),
        "tokens": tokens,
        "finish": finish,
        "prompt_tokens": reading.n_tokens,
        "read_tokens": reading.n_read,
        "model": model,
        "seed": sampling.seed,
    }


def _described(tokenizer: Tokenizer, observed: Observed) -> dict:
    """A token as the answer holds it; its logits are let go."""
    step = observed.step
    return {
        "id": step.token_id,
        "text": token_text(tokenizer, step.token_id),
        "probability": step.probability,
        "raw_probability": step.raw_probability,
    }


def token_text(tokenizer: Tokenizer, token_id: int) -> str:
    """The text of one token; bytes that form no character as <0xE4>, an id without text as <id 50000>."""
    if token_id >= tokenizer.vocab_size:
        return f"<id {token_id}>"
    encoded = tokenizer.bytes_of(token_id)
    if not encoded:
        return tokenizer.token(token_id)
    try:
        return encoded.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(f"<0x{byte:02X}>" for byte in encoded)
