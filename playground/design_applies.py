"""Which controls of Build's form say something to the configuration; the others are hidden."""

from models.combinations import NEEDS_WINDOW, OWN_ATTENTION
from models.config import OF_POSITION, ROTARY
from playground.design_controls import FIELDS, GROUPS, NONE, SPARSE_OF, Values, masks_of, reads_image

SPARES_SOME = ("routed", "lora")  # mixtures in which a token meets a few of the experts


def applies(values: Values) -> dict[str, bool]:
    """By control, whether it applies to what the others hold."""
    there = {**_structure(values), **_attention(values), **_position(values), **_layers(values), **_experts(values)}
    return {name: there.get(name, True) for name in FIELDS}


def groups_that_apply(shown: dict[str, bool]) -> dict[str, bool]:
    """By group of the form, whether any of its controls applies."""
    return {group: any(shown[name] for name in names) for group, names in GROUPS.items()}


def _structure(values: Values) -> dict[str, bool]:
    structure, head, image = values["structure"], values["head"], reads_image(values)
    towers, two_stacks = structure == "two_towers", structure == "encoder_decoder"
    return {
        "reads": structure == "encoder",
        "n_encoder_layers": two_stacks,
        "n_classes": head == "classification",
        "pooler": structure == "encoder",
        "mtp_depth": structure == "decoder" and head == "lm",
        "decoder_start_id": two_stacks,
        **dict.fromkeys(("d_projection", "text_end_id"), towers),
        **dict.fromkeys(("vocab_size", "max_seq_len"), not image),
        **dict.fromkeys(("tie_embeddings", "scale_logits"), head in ("lm", "mlm", "mlm_nsp")),
        "n_segments": not two_stacks and not image,
        "scale_embeddings": not image,
        "embed_norm": not two_stacks,
        **{name: image or towers for name in GROUPS["vision"] if name.startswith("image.")},
        **{name: towers for name in GROUPS["vision"] if name.startswith("vision_tower.")},
    }


def _attention(values: Values) -> dict[str, bool]:
    latent, masks = values["attention"] == "mla", set(masks_of(values))
    used = {f"sparse.{field}" for mask in masks for field in SPARSE_OF.get(mask, ())}
    return {
        "n_kv_heads": values["attention"] == "gqa",
        "d_head": not latent,
        "qk_norm": values["norm"] == "rmsnorm" and not latent and masks.isdisjoint(OWN_ATTENTION),
        **dict.fromkeys(GROUPS["latent"], latent),
        "window": not masks.isdisjoint(NEEDS_WINDOW),
        **{name: name in used for name in GROUPS["mask"] if name.startswith("sparse.")},
    }


def _position(values: Values) -> dict[str, bool]:
    image = reads_image(values)
    position = "learned" if image else values["position"]
    rotary = position in ROTARY
    kind = values["rope_scaling.kind"] if rotary else NONE
    scaling = ("factor", "original_max_seq_len")
    of_yarn = ("beta_fast", "beta_slow", "mscale", "mscale_all_dim", "attention_factor")
    return {
        "position": not image,
        **{name: position in kinds for name, kinds in OF_POSITION.items()},
        "n_positions": position in OF_POSITION["n_positions"] and not image,
        "position_offset": position == "learned" and not image,
        "rotary_dim": rotary and values["attention"] != "mla",
        **dict.fromkeys(("axial_shape", "axial_dims"), position == "axial"),
        "rope_scaling.kind": rotary,
        **{f"rope_scaling.{name}": kind != NONE for name in scaling},
        **{f"rope_scaling.{name}": kind == "llama3" for name in ("low_freq_factor", "high_freq_factor")},
        **{f"rope_scaling.{name}": kind == "yarn" for name in of_yarn},
    }


def _layers(values: Values) -> dict[str, bool]:
    return {"norm_bias": values["norm"] == "layernorm", "residual_alpha": values["block"] == "deepnorm"}


def _experts(values: Values) -> dict[str, bool]:
    experts, router = values["experts"], values["moe.router"]
    some = experts in SPARES_SOME
    grouped = some and router in ("softmax_topk", "sigmoid")
    return {
        **{name: experts != NONE for name in GROUPS["experts"] if name != "experts"},
        "moe.router": some,
        "moe.n_experts_per_token": some and router not in ("switch", "dense"),
        "moe.slots_per_expert": experts == "slots",
        **dict.fromkeys(("moe.lora_rank", "moe.lora_alpha"), experts == "lora"),
        "moe.offset": experts != NONE and values["moe.every"] not in (1, None),
        "moe.capacity": some and router == "switch",
        "moe.n_groups": grouped,
        **dict.fromkeys(("moe.n_groups_per_token", "moe.group_score"), grouped and values["moe.n_groups"] is not None),
        "moe.normalise_weights": some and router in ("softmax_topk", "sigmoid"),
        "moe.weight_scale": experts == "merged" or (some and router != "switch"),
        "moe.jitter": experts == "merged" or some,
        "moe.bias_update_rate": some and router == "sigmoid",
        **dict.fromkeys(("moe.aux_loss_coef", "moe.z_loss_coef"), some),
    }
