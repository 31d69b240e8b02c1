"""Fields, choices and differences in the reader's words: shared by the comparison and the lineage."""

from models.config import CHOICES, GROUPS
from playground.comparison import Difference
from playground.i18n import say
from playground.views.numbers import exact

TOWER = "vision_tower."

# The colour of a field: that of the kind of part which it shapes.
_KINDS = {
    "embedding": (
        "vocab_size n_segments embed_norm tie_embeddings scale_embeddings scale_logits head n_classes pooler mtp_depth "
        "decoder_start_id d_projection text_end_id image vision_tower"
    ),
    "position": (
        "position rope_theta rope_layout rotary_dim sinusoid_layout n_positions position_offset relative_buckets "
        "relative_max_distance axial_shape axial_dims rope_scaling"
    ),
    "norm": "norm norm_eps final_norm qk_norm",
    "attention": "attention n_heads n_kv_heads d_head mask_pattern window scale_scores mla sparse",
    "ffn": "ffn activation d_ff",
    "expert": "moe",
}
KIND_OF_FIELD = {field: kind for kind, names in _KINDS.items() for field in names.split()}


def kind_of(field: str) -> str:
    """The kind of part that a field belongs to; what shapes the whole belongs to the residual stream."""
    return KIND_OF_FIELD.get(field.removeprefix(TOWER).split(".")[0], "residual")


def name_of(field: str, lang: str) -> str:
    """What the field is called."""
    if field.startswith(TOWER):
        return say(lang, "compare.join.image_tower", name=name_of(field.removeprefix(TOWER), lang))
    return say(lang, f"compare.name.{_key(field)}")


def value_of(field: str, value: object, lang: str) -> str:
    """A value as a reader meets it."""
    if value is None:
        return say(lang, "compare.value.none")
    if isinstance(value, bool):
        return say(lang, "compare.value.yes" if value else "compare.value.no")
    field = field.removeprefix(TOWER)
    if isinstance(value, tuple):
        return _several(field, value, lang)
    if choices_of(field):
        return say(lang, f"compare.choice.{_key(field)}.{value}")
    if isinstance(value, int | float):
        return exact(value)
    return say(lang, "compare.value.other")


def sentence_of(difference: Difference, lang: str) -> str:
    """One sentence on what the difference means."""
    field = difference.field.removeprefix(TOWER)
    return _sentence(field, difference.left, difference.right, lang)


def times(large: int, small: int) -> str:
    """How many times `small` goes into `large`, with three digits."""
    ratio = large / small
    return exact(round(ratio)) if ratio >= 1000 else f"{ratio:.3g}"


def choices_of(field: str) -> tuple[str, ...]:
    """The names that a field's value may have; none where it holds numbers."""
    if field == "rope_scaling.kind":
        return CHOICES["rope_scaling"]
    if field in GROUPS or field == "biases":
        return ()
    return CHOICES.get(field.rpartition(".")[2], ())


def _sentence(field: str, left: object, right: object, lang: str) -> str:
    if field == "mask_pattern":
        clauses = [say(lang, f"compare.clause.mask.{mask}") for mask in dict.fromkeys((*left, *right))]
    elif choices_of(field):
        sides = [value for value in (left, right) if value is not None]
        clauses = [say(lang, f"compare.clause.{_key(field)}.{value}") for value in sides]
    else:
        return say(lang, f"compare.about.{_key(field)}")
    sentence = say(lang, "compare.join.clauses").join(clauses) + say(lang, "compare.join.end")
    return sentence[0].upper() + sentence[1:]


def _several(field: str, values: tuple, lang: str) -> str:
    choice = {"mask_pattern": "mask", "biases": "biases"}.get(field)
    words = [say(lang, f"compare.choice.{choice}.{entry}") if choice else exact(entry) for entry in values]
    return say(lang, "compare.join.list").join(words) or say(lang, "compare.value.none")


def _key(field: str) -> str:
    return field.replace(".", "_")
