"""What follows when one control of Build's form changes: values that cannot stay, and those that move along."""

import models
from models.combinations import HEADS_OF, MASKS_OF, NEEDS_OF_SPARSE
from models.config import RANGES, USUAL_MASK
from playground.design_applies import SPARES_SOME
from playground.design_controls import FIELDS, NONE, Values, masks_of, options_of
from playground.design_form import DERIVED, is_whole

FIRST_TOWER = "clip-vit-b32"  # whose vision tower a design of two towers starts with


def follow(values: Values, before: Values | None) -> Values:
    """`values` with what follows from a change since `before`, the last values that made a model.

    Values that usually follow from others (a head's width, …) do so where they had their usual value; on a change of the
    structure, of attention, masks or experts, what no longer goes with it moves to what does.
    """
    if not before:
        return values
    values = dict(values)
    moved = {name for name in FIELDS if values[name] != before[name]}
    if "structure" in moved or "reads" in moved:
        _fit_structure(values)
    if values["head"] == "mlm_nsp" != before["head"]:
        values["pooler"] = True
    if "attention" in moved:
        _fit_attention(values, before)
    if "mask_pattern" in moved or "structure" in moved:
        _fit_masks(values)
    if moved & {"experts", "moe.router", "structure"}:
        _fit_experts(values, before)
    _move_along(values, before)
    return values


def nearest_divisor(n_heads: object, wished: object) -> object:
    """The count of key-value heads nearest to `wished` that grouping can take; `wished` where there is none."""
    if not is_whole(n_heads) or not 1 <= n_heads <= RANGES["n_heads"][1]:
        return wished
    counts = [count for count in range(2, int(n_heads)) if n_heads % count == 0]
    if not is_whole(wished):
        wished = n_heads
    return min(counts, key=lambda count: (abs(count - wished), count)) if counts else wished


def _fit_structure(values: Values) -> None:
    structure = values["structure"]
    if structure not in HEADS_OF:
        return
    heads = options_of("head", structure, values["reads"])
    if values["block"] == "reversible":  # two streams meet in the head, which that of masked tokens does not take
        heads = [head for head in heads if not head.startswith("mlm")]
    if values["head"] not in heads:
        values["head"] = heads[0]
    if not set(masks_of(values)) <= set(MASKS_OF[structure]):
        values["mask_pattern"] = ",".join(USUAL_MASK[structure])
    if structure == "two_towers" and values["vision_tower"] is None:
        tower = models.preset(FIRST_TOWER).vision_tower
        values["vision_tower"] = tower
        values |= {f"vision_tower.{name}": getattr(tower, name) for name in ("n_layers", "d_model", "n_heads", "d_ff")}
        values |= {f"image.{name}": value for name, value in tower.image.to_dict().items()}
    if structure == "encoder_decoder":
        instead = {"learned_2d": "learned", "axial": "learned", "rotary_2d": "rotary"}
        values["position"] = instead.get(values["position"], values["position"])
        if values["attention"] == "mla":
            values["attention"] = "mha"
        if values["block"] in ("parallel", "reversible"):
            values["block"] = "pre"
    if structure != "encoder" and values["experts"] in ("merged", "slots"):
        values["experts"] = "routed"
    if values["head"] != "lm" and "head" in values["biases"]:
        values["biases"] = [name for name in values["biases"] if name != "head"]


def _fit_attention(values: Values, before: Values) -> None:
    if values["attention"] == "gqa":
        values["n_kv_heads"] = nearest_divisor(values["n_heads"], values["n_kv_heads"])
    if values["attention"] == "mla":
        values["position"] = "rotary"
        values["biases"] = [name for name in values["biases"] if name not in ("q", "k", "v")]
    if before["attention"] == "mla":
        values["d_head"] = values["rotary_dim"] = _usual_d_head(values)


def _fit_masks(values: Values) -> None:
    """Numbers that a mask cannot do without, where there are none yet."""
    least = {"n_global": 1, "n_random": 3, "block_size": 64, "n_hashes": 2, "n_buckets": 32, "n_clusters": 8}
    if "dilated" in masks_of(values) and values["sparse.dilation"] == 1:
        values["sparse.dilation"] = 2
    for mask in masks_of(values):
        for field in NEEDS_OF_SPARSE.get(mask, ()):
            values[f"sparse.{field}"] = values[f"sparse.{field}"] or least[field]
        if mask == "lsh" and not values["sparse.hash_block_size"]:
            values["sparse.block_size"] = values["sparse.block_size"] or least["block_size"]


def _fit_experts(values: Values, before: Values) -> None:
    """A mixture in which tokens choose again starts with the usual choice of two."""
    if values["experts"] not in SPARES_SOME:
        return
    if before["experts"] not in (*SPARES_SOME, NONE):
        values["moe.router"] = "softmax_topk"
    chose_all = before["experts"] not in (*SPARES_SOME, NONE) or before["moe.router"] == "dense"
    if chose_all and values["moe.router"] != "dense" and is_whole(values["moe.n_experts"]):
        values["moe.n_experts_per_token"] = min(2, int(values["moe.n_experts"]))


def _move_along(values: Values, before: Values) -> None:
    def untouched(name: str) -> bool:
        return values[name] == before[name]

    if untouched("d_head") and before["d_head"] == _usual_d_head(before) and values["d_head"] != _usual_d_head(values):
        # DERIVED asks the configuration to compute it, and to say so where heads do not divide the width.
        values["d_head"] = _usual_d_head(values)
    if untouched("rotary_dim") and values["d_head"] != before["d_head"] == before["rotary_dim"]:
        values["rotary_dim"] = values["d_head"]
    if untouched("n_encoder_layers") and before["n_encoder_layers"] == before["n_layers"]:
        values["n_encoder_layers"] = values["n_layers"]
    if untouched("n_positions") and before["n_positions"] == _rows(before):
        values["n_positions"] = _rows(values) or values["n_positions"]
    if untouched("residual_alpha") and values["n_layers"] != before["n_layers"] and _is_usual_alpha(before):
        values["residual_alpha"] = DERIVED
    if untouched("moe.offset") and _is_last(before) and is_whole(values["moe.every"]):
        values["moe.offset"] = max(0, values["moe.every"] - 1)


def _rows(values: Values) -> object:
    """The rows of a table of positions that is as long as it must be."""
    context, offset = values["max_seq_len"], values["position_offset"]
    return context + offset if is_whole(context) and is_whole(offset) else None


def _is_usual_alpha(values: Values) -> bool:
    alpha, n_layers = values["residual_alpha"], values["n_layers"]
    return bool(is_whole(n_layers) and alpha) and abs(alpha - (2 * n_layers) ** 0.5) < 1e-9


def _is_last(values: Values) -> bool:
    """Whether the sparse layer is the last of each `every`, as it usually is."""
    return is_whole(values["moe.every"]) and values["moe.offset"] == values["moe.every"] - 1


def _usual_d_head(values: Values) -> object:
    d_model, n_heads = values["d_model"], values["n_heads"]
    if is_whole(d_model) and is_whole(n_heads) and n_heads and d_model % n_heads == 0:
        return int(d_model // n_heads)
    return DERIVED
