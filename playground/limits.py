"""Which models this machine holds, and how much of a text they read here: bounds of parameters, layers and memory."""

from bisect import bisect

from models.config import ModelConfig
from models.errors import InputError
from playground import model_facts
from playground.views.numbers import exact, short, short_bytes

MAX_PARAMS = 200_000_000
MAX_LAYERS = 200  # building takes time by the layer, however small its parameters
MAX_READ = 4_096  # tokens of prompt and text; the prompt is read in one pass that nothing interrupts
SHORTEST_READ = 1_024  # a model is refused whose memory for so many tokens (or its whole context) is too much
MAX_WORKING_BYTES = 1_000_000_000  # of one run: what a pass computes and the KV cache


def check_design(design: str) -> None:
    """Raises `InputError` if the string is no model, or one that cannot be held here."""
    if error := refusal(model_facts.read_design(design).config):
        raise error


def refusal(config: ModelConfig) -> InputError | None:
    """Why this machine does not hold the model, if it does not; a trained one that is here it does, whatever its size."""
    if model_facts.trained_name(config):
        return None
    try:
        check_size(config)
    except InputError as error:
        return error
    return None


def check_size(config: ModelConfig) -> None:
    """Raises `InputError` if this machine should not build the model."""
    if (size := model_facts.n_params(config)) > MAX_PARAMS:
        raise InputError("model_too_large", size=short(size), limit=short(MAX_PARAMS))
    if (n_layers := _n_layers(config)) > MAX_LAYERS:
        raise InputError("model_too_deep", n_layers=n_layers, limit=MAX_LAYERS)
    n_tokens = min(config.max_seq_len, SHORTEST_READ)
    if (size := working_bytes(config, n_tokens)) > MAX_WORKING_BYTES:
        limit = short_bytes(MAX_WORKING_BYTES)
        raise InputError("model_too_wide", n_tokens=exact(n_tokens), size=short_bytes(size), limit=limit)


def deepest(config: ModelConfig) -> int | None:
    """The most layers, up to its own, with which this machine builds the model; None if even one is too many."""

    def shallower(n_layers: int) -> ModelConfig | None:
        try:
            return config.replace(n_layers=n_layers)
        except InputError:  # so few layers are no such model: none of them would have experts
            return None

    def too_deep(n_layers: int) -> bool:
        try:
            if fewer := shallower(n_layers):
                check_size(fewer)
        except InputError:
            return True
        return False

    n_layers = bisect(range(1, config.n_layers + 1), False, key=too_deep)
    return n_layers if n_layers and shallower(n_layers) else None


def readable(config: ModelConfig) -> int:
    """How many tokens of prompt and text together a model reads here: its context, or what the machine has room for."""
    n_tokens = min(config.max_seq_len, MAX_READ)
    while n_tokens > SHORTEST_READ and working_bytes(config, n_tokens) > MAX_WORKING_BYTES:
        n_tokens = max(n_tokens // 2, SHORTEST_READ)
    return n_tokens


def working_bytes(config: ModelConfig, n_tokens: int) -> int:
    """Memory in bytes that reading `n_tokens` in one fp32 pass takes beside the weights, rounded up generously.

    The KV cache; the widest layer's residual stream, heads and feed-forward, or the experts that a token is sent to; with
    ALiBi or relative positions a score bias for every head and pair of tokens, once made and once added; with random masks
    several whole numbers for every pair.
    """
    kv_cache = 2 * _n_layers(config) * config.n_kv_heads * config.d_head
    heads = 2 * (config.n_heads + config.n_kv_heads) * config.d_head
    bias = 2 * config.n_heads * n_tokens if config.position in ("alibi", "relative") else 0
    lots = 8 * n_tokens if {"random", "bigbird"} & set(config.mask_pattern) else 0
    moe = config.moe
    d_ff = max(config.d_ff, (moe.n_experts_per_token + moe.n_shared_experts) * moe.d_expert if moe else 0)
    return 4 * n_tokens * (kv_cache + 4 * config.d_model + heads + 3 * d_ff + bias + lots)


def _n_layers(config: ModelConfig) -> int:
    """Layers of all stacks together."""
    tower = config.vision_tower.n_layers if config.vision_tower else 0
    return config.n_layers + (config.n_encoder_layers or 0) + tower
