"""One small configuration of everything that random decoders are not."""

from models.config import ImageInput, LatentAttention, MixtureOfExperts, ModelConfig, SparsePattern

SMALL = {"vocab_size": 50, "max_seq_len": 24, "d_model": 16, "n_layers": 3, "n_heads": 4, "d_ff": 20}
EXPERTS = {"n_experts": 4, "n_experts_per_token": 2, "d_expert": 6}
IMAGE = {
    **SMALL,
    "structure": "encoder",
    "vocab_size": 0,
    "max_seq_len": 10,
    "position": "learned",
    "head": "none",
    "image": ImageInput(image_size=12, patch_size=4),
}
BIASES = ("q", "k", "v", "o", "ffn", "norm", "head")

STRUCTURES = {
    "encoder_decoder": ModelConfig(**SMALL, structure="encoder_decoder", n_encoder_layers=2, position="relative"),
    "sandwich_encoder_decoder": ModelConfig(
        **SMALL, structure="encoder_decoder", block="sandwich", norm="layernorm", biases=BIASES, position="learned"
    ),
    "grouped_encoder_decoder": ModelConfig(
        **SMALL, structure="encoder_decoder", attention="gqa", n_kv_heads=2, biases=("k",), position="alibi"
    ),
    "sparse_encoder_decoder": ModelConfig(
        **SMALL,
        structure="encoder_decoder",
        n_encoder_layers=4,
        position="relative",
        tie_embeddings=True,
        moe=MixtureOfExperts(n_experts=4, n_experts_per_token=1, d_expert=6, every=2, router="switch"),
    ),
    "mlm_nsp": ModelConfig(
        **SMALL,
        structure="encoder",
        position="learned",
        n_segments=2,
        norm="layernorm",
        biases=BIASES[:-1],
        head="mlm_nsp",
        pooler=True,
    ),
    "tied_mlm": ModelConfig(**SMALL, structure="encoder", head="mlm", tie_embeddings=True, embed_norm=True),
    "classifier": ModelConfig(**SMALL, structure="encoder", head="classification", n_classes=7, pooler=True),
    "decoding_classifier": ModelConfig(**SMALL, head="classification", n_classes=7),
    "longformer": ModelConfig(
        **SMALL,
        structure="encoder",
        mask_pattern=("longformer", "bidirectional"),
        window=4,
        biases=("q", "v"),
        head="mlm",
    ),
    "prefix": ModelConfig(**SMALL, structure="prefix_decoder", position="learned_2d", block="deepnorm"),
    "reversible": ModelConfig(
        **SMALL,
        block="reversible",
        position="axial",
        axial_shape=(4, 6),
        axial_dims=(6, 10),
        norm="layernorm",
        biases=BIASES,
        mask_pattern=("block_local", "lsh"),
        sparse=SparsePattern(block_size=4, n_hashes=2, n_buckets=6),
    ),
    "clusters": ModelConfig(**SMALL, mask_pattern=("kmeans", "causal"), window=5, sparse=SparsePattern(n_clusters=3)),
    "image": ModelConfig(**IMAGE),
    "image_classifier": ModelConfig(**{**IMAGE, "head": "classification"}, n_classes=5),
    "towers": ModelConfig(
        **SMALL,
        structure="two_towers",
        position="learned",
        head="none",
        d_projection=12,
        vision_tower=ModelConfig(**{**IMAGE, "d_model": 24}, embed_norm=True, biases=("ffn",)),
    ),
    "further_tokens": ModelConfig(
        **SMALL,
        mtp_depth=3,
        attention="mla",
        mla=LatentAttention(kv_lora_rank=9, q_lora_rank=7, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=5),
        moe=MixtureOfExperts(**EXPERTS, n_shared_experts=2, first_dense=1, every=2),
    ),
    "dense_mixture": ModelConfig(
        **SMALL,
        moe=MixtureOfExperts(**EXPERTS | {"n_experts_per_token": 4}, router="dense"),
        ffn="plain",
        biases=("ffn",),
    ),
    "noisy": ModelConfig(**SMALL, moe=MixtureOfExperts(**EXPERTS, router="noisy_topk"), biases=("ffn",)),
    "merged": ModelConfig(
        **SMALL,
        structure="encoder",
        head="mlm",
        moe=MixtureOfExperts(**EXPERTS | {"n_experts_per_token": 4}, router="dense", mixing="merged"),
    ),
    "slots": ModelConfig(
        **SMALL,
        structure="encoder",
        head="mlm",
        moe=MixtureOfExperts(
            **EXPERTS | {"n_experts_per_token": 4},
            router="dense",
            mixing="slots",
            slots_per_expert=2,
            n_shared_experts=1,
        ),
    ),
    "low_rank": ModelConfig(
        **SMALL, moe=MixtureOfExperts(**EXPERTS, expert="lora", lora_rank=3, first_dense=1), biases=("ffn",)
    ),
}
