"""How near a model's translations of held-out sentences are to people's, beside what looking up a similar sentence gives."""

import re
from collections.abc import Iterable, Sequence

import models
from models.prompts import prompt_for
from models.training.chrf import chrf
from models.training.translations import SentencePair, TranslationData

MAX_TOKENS = 64  # of one translation
GREEDY = models.Sampling(temperature=0)
WORD = re.compile(r"\w+")


def evaluate_translations(written: models.Loaded, data: TranslationData) -> dict[str, dict]:
    """For each file: how many held-out sentences there were, chrF of the model's translations, the likeliest token each
    time, and chrF of `looked_up`. A sentence with several translations in one script has as many references."""
    return {file: _scores(written, data.training[file], pairs) for file, pairs in data.held_out.items()}


def _scores(written: models.Loaded, training: Sequence[SentencePair], pairs: Sequence[SentencePair]) -> dict:
    references: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        references.setdefault((pair.source, pair.script), []).append(pair.target)
    said = [translate(written, source, script) for source, script in references]
    found = looked_up(references, training)
    several = list(references.values())
    return {"sentences": len(said), "chrf": chrf(said, several), "chrf_looked_up": chrf(found, several)}


def translate(written: models.Loaded, source: str, script: str = "") -> str:
    """The translation of a sentence, the likeliest token each time, into the script that a mark names."""
    prompt = prompt_for(written.config, written.tokenizer, script + source)
    steps = models.generate(written.model, prompt.ids, GREEDY, MAX_TOKENS, prompt.stop_ids)
    return written.tokenizer.decode(step.token_id for step in steps)


def looked_up(sentences: Iterable[tuple[str, str]], training: Sequence[SentencePair]) -> list[str]:
    """For each (source, script) the translation, in that script, of the training sentence that is most alike: the share of
    the words of either that both have is largest; of several, the first one."""
    known: dict[str, list[tuple[frozenset[str], str]]] = {}
    for pair in training:
        known.setdefault(pair.script, []).append((_words(pair.source), pair.target))
    found = []
    for source, script in sentences:
        words = _words(source)
        alike = (len(words & others) / max(1, len(words | others)) for others, _ in known.get(script, ()))
        place = max(enumerate(alike), key=lambda one: one[1], default=None)
        found.append("" if place is None else known[script][place[0]][1])
    return found


def _words(sentence: str) -> frozenset[str]:
    return frozenset(WORD.findall(sentence.lower()))
