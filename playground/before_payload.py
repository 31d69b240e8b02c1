"""Recurrent translations and target attention as plain values for the page's script."""

import torch

import models
from models.forerunners.files import scores_of, shipped_interest
from models.forerunners.interest_data import word_vectors
from models.forerunners.target_attention import ACTIVATION_UNIT, SOFTMAX, weigh
from models.forerunners.translating import Translation, Translator


def translation(kind: str, translator: Translator, found: Translation, scores: dict) -> dict:
    """Words, characters, and the weights of each character over the words."""
    return {
        "kind": kind,
        "words": found.words,
        "unknown": found.unknown,
        "characters": found.characters,
        "probabilities": found.probabilities,
        "weights": _rounded(found.weights),
        "text": found.text,
        "params": sum(parameter.numel() for parameter in translator.model.parameters()),
        "pairs": scores["pairs"],
        **scores["scores"],
    }


def step(found: Translation, at: int, terms: torch.Tensor) -> dict:
    """The energies of one step as sums: terms (S, N), their sums, exp and share; the state that asked, by its width."""
    energies = found.energies[at]
    return {
        "step": at,
        "terms": _rounded(terms, 4),
        "energies": _rounded(energies),
        "exponentials": _rounded((energies - energies.max()).exp()),
        "weights": _rounded(found.weights[at]),
        "width": int(found.asked.shape[-1]),
    }


def target(query: str, entries: list[str]) -> dict:
    """What each entry counts for the query: by the activation unit without softmax, as in the paper; after a softmax of the
    same numbers; and by a scaled dot product with softmax, as a transformer would have it."""
    unit = shipped_interest()
    loaded = models.load(unit.config.vectors)
    vectors = word_vectors([query, *entries], loaded.tokenizer, loaded.model.tok_embed.weight.detach())
    with torch.inference_mode():
        listed = vectors[1:][None]  # (1, S, D)
        is_entry = torch.ones(listed.shape[:2], dtype=torch.bool)
        found = unit(listed, vectors[:1], is_entry)
        softmax = weigh(found.activations, is_entry, SOFTMAX)[0]
        products = vectors[1:] @ vectors[0] / vectors.shape[1] ** 0.5  # (S,)
    about = scores_of("interest")
    return {
        "query": query,
        "entries": entries,
        "unit": _rounded(found.weights[0]),
        "softmax": _rounded(softmax),
        "dot": _rounded(products.softmax(dim=-1)),
        "chance": float(found.logits[0].sigmoid()),
        "vectors": unit.config.vectors,
        "auc": {name: about["auc"][name] for name in (ACTIVATION_UNIT, SOFTMAX, "sum")},
    }


def _rounded(values: torch.Tensor, digits: int = 6) -> list:
    return torch.round(values.double(), decimals=digits).tolist()
