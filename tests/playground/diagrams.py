"""What the tests of the diagram share: designs of every kind, and how to read a drawing."""

import re
import xml.etree.ElementTree as ElementTree

import models
from models.config import LatentAttention, MixtureOfExperts, ModelConfig, RopeScaling, SparsePattern
from models.sizes import stacks_of
from playground.views.diagram_content import attention
from playground.views.numbers import NARROW, THIN
from playground.views.svg import Marks

PLAIN = Marks()
GPT2, LLAMA, BERT = models.preset("gpt2"), models.preset("llama2-70b"), models.preset("bert-base-uncased")
T5, CLIP, DEEPSEEK = models.preset("t5-small"), models.preset("clip-vit-b32"), models.preset("deepseek-v3")
ENCODER_MASKS = ("bidirectional", "band", "global", "dilated", "random", "block_local", "bigbird", "star", "etc")
EVERY_SPARSE = SparsePattern(
    dilation=2, n_global=2, n_random=2, block_size=64, n_hashes=2, n_buckets=8, n_clusters=4, seed=5
)


def experts(n_experts: int = 8, n_experts_per_token: int = 2, **rest) -> MixtureOfExperts:
    return MixtureOfExperts(n_experts=n_experts, n_experts_per_token=n_experts_per_token, d_expert=96, **rest)


def mixed_masks() -> ModelConfig:
    pattern = (*ENCODER_MASKS, "lsh", "kmeans", "longformer")
    return BERT.replace(mask_pattern=pattern, window=64, sparse=EVERY_SPARSE)


DESIGNS: dict[str, ModelConfig] = {
    "sandwich": GPT2.replace(block="sandwich", embed_norm=True),
    "parallel": GPT2.replace(block="parallel", final_norm=False, tie_embeddings=False),
    "qk_norm": GPT2.replace(norm="rmsnorm", biases=("q", "head"), qk_norm=True),
    "multi-query": GPT2.replace(ffn="gated", position="alibi", attention="mqa", n_kv_heads=1),
    "deepnorm": GPT2.replace(block="deepnorm", position="relative"),
    "reversible": GPT2.replace(block="reversible", tie_embeddings=False, head="classification", n_classes=3),
    "no head": GPT2.replace(head="none", tie_embeddings=False, position="none"),
    "further tokens": GPT2.replace(mtp_depth=2),
    "further sparse": DEEPSEEK.replace(mtp_depth=1),
    "latent without query latent": models.preset("deepseek-v2-lite"),
    "next sentence": BERT.replace(head="mlm_nsp", tie_embeddings=True),
    "masked, untied": BERT.replace(head="mlm", pooler=False),
    "pooled classes": BERT.replace(head="classification", n_classes=3),
    "all masks": mixed_masks(),
    "deepnorm across": T5.replace(block="deepnorm", position="learned", final_norm=False),
    "sandwich across": T5.replace(block="sandwich", position="sinusoidal", attention="gqa", n_kv_heads=2),
    "post across": T5.replace(block="post", position="alibi", scale_embeddings=True, tie_embeddings=False),
    "towers": CLIP.replace(block="parallel", vision_tower=CLIP.vision_tower.replace(block="sandwich")),
    "merged": BERT.replace(moe=experts(20, 20, router="dense", mixing="merged")),
    "slots": BERT.replace(moe=experts(4, 4, router="dense", mixing="slots", slots_per_expert=3)),
    "low rank": LLAMA.replace(moe=experts(expert="lora", lora_rank=4, n_shared_experts=2, first_dense=3)),
    "noise": GPT2.replace(moe=experts(5000, 4, router="noisy_topk", every=3)),
    "groups": GPT2.replace(moe=experts(16, 2, n_groups=4, n_groups_per_token=2, weight_scale=1.5)),
    "huge": T5.replace(d_model=1_000_000, d_ff=10_000_000, vocab_size=10_000_000, n_heads=10_000, n_layers=10_000),
    "stretched": LLAMA.replace(rope_scaling=RopeScaling(kind="dynamic", factor=2.0, original_max_seq_len=2048)),
    "latent, small": LLAMA.replace(
        attention="mla",
        n_kv_heads=64,
        mla=LatentAttention(kv_lora_rank=64, qk_nope_head_dim=32, qk_rope_head_dim=16, v_head_dim=24),
        d_head=48,
        rotary_dim=16,
    ),
}
EVERY = {**{name: models.preset(name) for name in models.presets()}, **DESIGNS}


def tree(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def words(svg: str) -> list[str]:
    """Every line of text, hidden titles left out."""
    return [re.sub(f"[{NARROW}{THIN}]", " ", text.text or "") for text in tree(svg).iter("text")]


def boxes(svg: str, key: str) -> list[ElementTree.Element]:
    return [group for group in tree(svg).iter("g") if group.get("data-box") == key]


def texts(group: ElementTree.Element) -> list[str]:
    return [re.sub(f"[{NARROW}{THIN}]", " ", text.text or "") for text in group.iter("text")]


def top(group: ElementTree.Element) -> float:
    return float(group.find("rect").get("y"))


def left(group: ElementTree.Element) -> float:
    return float(group.find("rect").get("x"))


def joins(svg: str) -> list[ElementTree.Element]:
    return [group for group in tree(svg).iter("g") if "join" in group.get("class", "")]


def first_attention(cfg: ModelConfig, lang: str = "en") -> str:
    """Figure (b) of the first kind of attention."""
    stacks = stacks_of(cfg)
    return attention(stacks, next(iter(stacks[-1].kinds_of_attention())), PLAIN, lang)
