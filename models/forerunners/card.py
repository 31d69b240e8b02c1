"""CARD.md of a forerunner, written from its recipe, its scores and the model itself: no figure is typed by hand."""

from collections.abc import Sequence

from models.forerunners.recipe import Recipe
from models.forerunners.target_attention import TargetAttention
from models.forerunners.translating import Translator

PAPERS = {
    "bahdanau": "Bahdanau, Cho & Bengio 2014, Neural Machine Translation by Jointly Learning to Align and Translate "
    "(arXiv:1409.0473): bidirectional GRU encoder, GRU decoder, additive attention, maxout output",
    "luong": "Luong, Pham & Manning 2015, Effective Approaches to Attention-based Neural Machine Translation "
    "(arXiv:1508.04025): LSTM encoder and decoder of one layer, global attention with the “general” score, input feeding",
}
SAMPLES = 8

TRANSLATOR = """# {title}: attention in a recurrent translator

A translator of days and times, from English as people write it into Chinese, with {params:,} parameters: made to be looked
into, since what it has to look at can be judged by eye. Trained from nothing by `python -m models.forerunners {name}` of
this repository, which needs no texts.

| | |
| --- | --- |
| Architecture | {paper}; sizes chosen here |
| Widths | states {d_state}, word vectors {d_embed} |
| Vocabulary | {n_source} English words, digits and marks; {n_target} Chinese characters, digits and marks |
| Weights | fp16 in `model.safetensors` |

## Training

{pairs:,} phrases of days from 1900 to 2099 (`models/forerunners/dates.py`), read {rounds} times, {rows} a step;
{minutes:.1f} minutes of {machine}. AdamW, peak learning rate {peak_lr} after {warmup} steps, then a
cosine to zero; dropout {dropout}, gradients clipped at {clip_norm}, weight decay {weight_decay}, seed {seed}. The loss of
each round is in `scores.json`.

## Held-out phrases

{sentences} phrases that training never saw, chosen by a hash of their text, the likeliest character each time, with the
weights as they are in the file. Without attention, the same recipe lets the decoder read the encoder's last state alone;
looking up gives the translation of the training phrase that shares most words.

| | exactly right | chrF |
| --- | ---: | ---: |
| this model | {exact:.1f}% | {chrf:.1f} |
| without attention | {exact_without:.1f}% | {chrf_without:.1f} |
| looking up | {exact_looked_up:.1f}% | {chrf_looked_up:.1f} |

## Samples

The first {n_samples} held-out phrases:

{samples}

## Limits

It knows days and times in the forms of its training and no other language: a word outside the vocabulary is read as
unknown, and a sentence of another kind still becomes some day.
"""


def translator_card(name: str, recipe: Recipe, translator: Translator, about: dict, held_out: Sequence[str]) -> str:
    """The card of a recurrent translator; `about` is what `scores.json` holds."""
    samples = [f"- {source} → {translator.translate(source).text}" for source in held_out[:SAMPLES]]
    return TRANSLATOR.format(
        **vars(recipe),
        **about["scores"],
        name=name,
        title=name.capitalize(),
        paper=PAPERS[name],
        params=sum(parameter.numel() for parameter in translator.model.parameters()),
        n_source=len(translator.source),
        n_target=len(translator.target),
        pairs=about["pairs"],
        minutes=about["seconds"] / 60,
        machine=about["machine"],
        n_samples=len(samples),
        samples="\n".join(samples),
    )


INTEREST = """# Target attention over the words of a story

Deep Interest Network (Zhou et al. 2018, arXiv:1706.06978, section 4.3) in small: {params:,} parameters that judge, from the
words that were read of a story, whether a word comes in its next sentence. Trained from nothing by
`python -m models.forerunners interest` of this repository; the vectors of the words are `{vectors}`'s token embeddings,
which are not changed.

| | |
| --- | --- |
| Vectors | {d_vector} numbers, projected to {d_interest} |
| Activation unit | query, entry, difference and product through {d_unit} units (PReLU) to one weight, no softmax |
| Prediction | weighted sum, query and their product through {d_head} units (PReLU) |
| Weights | fp16 in `model.safetensors` |

## Training

{training:,} examples, half of them right, from TinyStories (Eldan & Li 2023, arXiv:2305.07759; CDLA-Sharing-1.0): the list
is up to 16 different words of two stories that are read in turn, as somebody with two interests would, without the
commonest words; a right query is a new word of the first story's next sentence, a wrong one is drawn from all stories as
often as it occurs. {minutes:.1f} minutes of {machine}, for all three models below.

## Held-out stories

The chance that a right word scores higher than a wrong one (AUC), on {held_out:,} examples of stories held out by a hash of
their text; the three differ in nothing but how the list is summed. 50% is a coin.

| the list is summed | AUC |
| --- | ---: |
| with the activation unit's weights, as in the paper (shipped) | {unit:.1f}% |
| with their softmax | {softmax:.1f}% |
| every entry alike (the paper's base model) | {sum:.1f}% |
"""


def interest_card(model: TargetAttention, about: dict) -> str:
    """The card of target attention; `about` is what `scores.json` holds."""
    return INTEREST.format(
        **model.config.to_dict(),
        **about["examples"],
        **about["auc"],
        params=sum(parameter.numel() for parameter in model.parameters()),
        minutes=about["seconds"] / 60,
        machine=about["machine"],
    )
