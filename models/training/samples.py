"""The samples of a model's card: what it writes, fills in or translates, by the objective that it was trained for."""

from collections.abc import Callable

import torch

import models
from models.objectives import marked_ids, marks_of
from models.prompts import prompt_for
from models.training.recipe import Recipe

SAMPLING = models.Sampling(temperature=0.8, top_k=40, top_p=0.95, seed=7)
GREEDY = models.Sampling(temperature=0)
TEXT_TOKENS, ANSWER_TOKENS = 220, 60

CONTINUED = """## Sample

Prompt “{prompt}”, temperature {temperature}, top-k {top_k}, top-p {top_p}, seed {seed}, with the weights as they are in
the file:

{quoted}
"""

MASKED = """## Sample

“{prompt}”, with the five likeliest tokens for the mask, with the weights as they are in the file:

{guesses}
"""

ANSWERED = """## Sample

“{prompt}”

What the model writes for the blanks, the likeliest token each time, with the weights as they are in the file:

{quoted}
"""

TRANSLATED = """## Sample

Translations of sentences made up for this card, the likeliest token each time, with the weights as they are in the file:

| English | Chinese |
| --- | --- |
{rows}
"""


def sample(recipe: Recipe, written: models.Loaded) -> str:
    """The section of the card; the prompt is the recipe's."""
    return SAMPLES[recipe.objective](recipe.mixture.prompt, written)


def answer(text: str, written: models.Loaded, sampling: models.Sampling, max_tokens: int) -> list[int]:
    """The ids that a model writes for a text, up to what ends its answer, or `max_tokens` of them."""
    prompt = prompt_for(written.config, written.tokenizer, text)
    steps = models.generate(written.model, prompt.ids, sampling, max_tokens, prompt.stop_ids, blank=prompt.blank)
    return [step.token_id for step in steps if step.token_id not in prompt.stop_ids]


def spelled(ids: list[int], written: models.Loaded) -> str:
    """The text of `ids` with the marks among them, which `decode` leaves out."""
    tokenizer = written.tokenizer
    marks, text, run = {token_id: mark for mark, token_id in tokenizer.special_tokens().items()}, "", []
    for token_id in [*ids, None]:
        if token_id is None or token_id in marks:
            text += tokenizer.decode(run) + ("" if token_id is None else f" {marks[token_id]}")
            run = []
        else:
            run.append(token_id)
    return text.strip()


def _continued(prompt: str, written: models.Loaded) -> str:
    text = prompt + written.tokenizer.decode(answer(prompt, written, SAMPLING, TEXT_TOKENS))
    settings = {name: getattr(SAMPLING, name) for name in ("temperature", "top_k", "top_p", "seed")}
    return CONTINUED.format(prompt=prompt, quoted=_quoted(text), **settings)


def _masked(prompt: str, written: models.Loaded) -> str:
    """The likeliest tokens for the one [MASK] of `prompt`."""
    tokenizer, marks = written.tokenizer, marks_of(written.tokenizer)
    ids = [marks.cls, *marked_ids(prompt, tokenizer), marks.sep]
    with torch.inference_mode():
        probs = written.model(torch.tensor([ids])).logits[0, ids.index(marks.mask)].softmax(-1)
    rows = [f"- {tokenizer.token(int(token_id))}: {prob:.1%}" for prob, token_id in zip(*probs.topk(5), strict=True)]
    return MASKED.format(prompt=prompt, guesses="\n".join(rows))


def _answered(prompt: str, written: models.Loaded) -> str:
    text = spelled(answer(prompt, written, GREEDY, ANSWER_TOKENS), written)
    return ANSWERED.format(prompt=_code(prompt), quoted=_quoted(_code(text)))


def _translated(prompt: str, written: models.Loaded) -> str:
    rows = []
    for line in prompt.strip().splitlines():
        text = written.tokenizer.decode(answer(line, written, GREEDY, ANSWER_TOKENS)).strip().replace("|", "\\|")
        rows.append(f"| {line} | {text} |")
    return TRANSLATED.format(rows="\n".join(rows))


def _quoted(text: str) -> str:
    return "\n>\n".join(f"> {line}" for line in text.strip().splitlines() if line)


def _code(text: str) -> str:
    """What Markdown would take for a tag is shown as it is."""
    return text.replace("<", "\\<")


SAMPLES: dict[str, Callable[[str, models.Loaded], str]] = {
    "causal": _continued,
    "prefix": _continued,
    "masked": _masked,
    "masked_pairs": _masked,
    "span_corruption": _answered,
    "mixture_of_denoisers": _answered,
    "blank_infilling": _answered,
    "translation": _translated,
}
