"""A masked text and a model's pass over it as plain values for the page's script, with sentences where something is odd."""

import random

from models.mask_filling import Joint, Looks
from models.objectives.next_sentence import N_MARKS
from models.tokenizers import Tokenizer
from playground.i18n import say
from playground.mask_filled import MASK
from playground.masking import READ_AT_ONCE, Masking
from playground.masking_pass import Answer, Pass
from playground.objective_models import MaskedModel, best_reader, find_masked
from playground.session import TEXTS
from playground.views import masking as view
from playground.views.numbers import exact

N_OPTIONS = 4  # of a guess, the true one among them
N_SHOWN = 3  # likeliest tokens of a look
KINDS = {"special": "s", "unknown": "u"}


def steps(listed: MaskedModel, tokenizer: Tokenizer, text: str, made: Masking, run: Pass, lang: str) -> dict:
    """Every step: tokens, segments, fates, inputs, vectors, answers, attention."""
    return {
        "title": listed.title,
        "vocab_size": tokenizer.vocab_size,
        "notes": notes(listed, tokenizer, text, made, lang),
        **sequence(tokenizer, made),
        "by_seed": made.by_seed,
        "thrown": fates(tokenizer, made),
        "n_text": made.n_text,
        "n_chosen": made.n_chosen,
        "n_paid": made.example.n_paid,
        "vectors": view.vectors(
            {name: None if part is None else part.numpy() for name, part in vars(run.parts).items()}
        ),
        "answers": [_answer(one, tokenizer) for one in run.answers],
        "loss": {"all": run.loss, "mean": run.mean, "perplexity": run.perplexity},
        "follows": run.follows,
        "attention": None if run.attention is None else view.attention(run.attention.numpy()),
    }


def sequence(tokenizer: Tokenizer, made: Masking) -> dict:
    """The tokens, before and after the fates; `kinds` has a letter for each: text, special, unknown."""
    ids, inputs = made.ids.tolist(), made.example.inputs.tolist()
    word_of = {position: index for index, word in enumerate(made.words) for position in word}
    return {
        "tokens": [tokenizer.token(token_id) for token_id in ids],
        "ids": ids,
        "kinds": "".join(KINDS.get(tokenizer.kind_of(token_id), "t") for token_id in ids),
        "words": [word_of[position] for position in range(len(ids))],
        "segments": made.segments.tolist(),
        "sentences": [len(sentence) for sentence in made.part.sentences],
        "n_first": made.n_first,
        "part": {"index": made.part.index, "count": made.part.count},
        "inputs": [tokenizer.token(token_id) for token_id in inputs],
        "input_ids": inputs,
    }


def fates(tokenizer: Tokenizer, made: Masking) -> list[dict]:
    """What was thrown for each position that pays loss, and what it does."""
    return [
        {
            "position": one.fate.position,
            "throw": None if one.by == "hand" else one.fate.throw,
            "action": one.fate.action,
            "drawn": tokenizer.token(one.fate.drawn),
            "by": one.by,
            "times": one.times,
        }
        for one in made.thrown
    ]


def notes(listed: MaskedModel, tokenizer: Tokenizer, text: str, made: Masking, lang: str) -> list[dict]:
    """What is odd about a text, a sentence each, and in `way` what the page offers: "passage", "part", "fill" or a
    model's name."""
    found: list[tuple[str, str | None, dict]] = []
    if not listed.trained:
        found.append(("random", None, {"title": listed.title}))
    read = text[: TEXTS["obj_text"]]
    if read != text:
        found.append(("cut_text", None, {"limit": exact(TEXTS["obj_text"])}))
    if made.part.count > 1:
        limit = min(READ_AT_ONCE, listed.config.max_seq_len)
        values = {
            "tokens": exact(made.part.n_tokens),
            "limit": limit,
            "part": made.part.index + 1,
            "parts": made.part.count,
        }
        found.append(("piece" if made.part.cut else "part", "part", values))
    if not any(character.isalnum() for character in read):
        found.append(("no_letters", "passage", {}))
    elif made.part.count == len(made.part.sentences) == 1:
        n_words = len(made.words) - N_MARKS + 1  # without B there are two marks
        found.append(("one_word" if n_words == 1 else "one_sentence", "passage", {}))
    n_unknown = sum(tokenizer.kind_of(token_id) == "unknown" for token_id in made.ids.tolist())
    if n_unknown:
        better = best_reader(read)
        values = {"unknown": n_unknown, "tokens": made.n_text}
        if better != listed.name:
            found.append(("unknown_here", better, {**values, "title": find_masked(better).title}))
        else:
            found.append(("unknown", None, values))
    if MASK in read:
        found.append(("written_mask", "fill", {}))
    if made.lost:
        found.append(("lost", None, {"positions": ", ".join(map(str, made.lost[:12]))}))
    return [{"sentence": say(lang, f"masking.note.{code}", **values), "way": way} for code, way, values in found]


def _answer(one: Answer, tokenizer: Tokenizer) -> dict:
    return {
        "position": one.position,
        "true": tokenizer.token(one.true_id),
        "p": one.probability,
        "rank": one.rank,
        "loss": one.loss,
        "top": [[tokenizer.token(token_id), p] for token_id, p in one.likeliest],
        "options": _options(one, tokenizer),
    }


def _options(one: Answer, tokenizer: Tokenizer) -> list[str]:
    """The true token among the likeliest others, in an order that depends on nothing but the place."""
    others = [token_id for token_id, _ in one.likeliest if token_id != one.true_id]
    options = [one.true_id, *others[: N_OPTIONS - 1]]
    random.Random(one.position * 7919 + one.true_id).shuffle(options)
    return [tokenizer.token(token_id) for token_id in options]


def looks(tokenizer: Tokenizer, made: Masking, found: list[Looks]) -> dict:
    """Each position that pays loss under its three looks: seen, masked, random."""
    rows = []
    for one, look in zip(made.thrown, found, strict=True):
        true_id = int(made.ids[one.fate.position])
        rows.append(
            {
                "position": one.fate.position,
                "true": tokenizer.token(true_id),
                "drawn": tokenizer.token(one.fate.drawn),
                "looks": [_look(log_probs, true_id, tokenizer) for log_probs in look.log_probs],
                "cosines": look.cosines.tolist(),
                "others": look.others.tolist(),
            }
        )
    return {"rows": rows}


def _look(log_probs, true_id: int, tokenizer: Tokenizer) -> dict:
    best = log_probs.topk(min(N_SHOWN, len(log_probs)))
    top = zip(best.indices.tolist(), best.values.exp().tolist(), strict=True)
    return {
        "p": float(log_probs[true_id].exp()),
        "rank": 1 + int((log_probs > log_probs[true_id]).sum()),
        "top": [[tokenizer.token(token_id), p] for token_id, p in top],
    }


def joint(tokenizer: Tokenizer, made: Masking, places: tuple[int, int], found: Joint) -> dict:
    """Two positions predicted alone and one after the other; `truth` says in which row and column the true ones are."""
    true_ids = [int(made.ids[place]) for place in places]
    sides = (found.first, found.first_probabilities), (found.second, found.second_probabilities)
    rows, columns = (
        [[tokenizer.token(token_id), p] for token_id, p in zip(ids, probabilities.tolist(), strict=True)]
        for ids, probabilities in sides
    )
    return {
        "places": list(places),
        "first": rows,
        "second": columns,
        "truth": [found.first.index(true_ids[0]), found.second.index(true_ids[1])],
        "alone": found.alone.tolist(),
        "forward": found.forward.tolist(),
        "backward": found.backward.tolist(),
    }
