"""Which designs are trained in the browser: what each learns, with which tokenizer, and a small form of a large one."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache

import models
from models.config import ModelConfig
from models.config_groups import MixtureOfExperts
from models.errors import InputError
from models.nearest import nearest
from playground import limits
from playground.design_strings import Design, design_string, parse_design
from playground.views.numbers import short, short_bytes

MAX_PARAMS = 4_000_000
MAX_LAYERS = 16
MAX_STEP_BYTES = 1_500_000_000
ROW = 256  # tokens of a row at most
SHORT_ROW = 64  # of what fills in blanks: among few tokens attention soon finds those that matter
LEAST_CONTEXT, LEAST_MARKED = 2, 8  # tokens: one to read and one to predict; with room for marks
BATCH, SHORT_BATCH = 1_024, 512  # tokens of a step at most; of short rows fewer, so that more steps are taken

OBJECTIVES = {
    ("decoder", "lm"): "causal",
    ("prefix_decoder", "lm"): "prefix",
    ("encoder", "mlm"): "masked",
    ("encoder", "mlm_nsp"): "masked_pairs",
    ("encoder_decoder", "lm"): "span_corruption",
}
WITH_MASKS = ("masked", "masked_pairs")  # what needs a vocabulary with [MASK]
N_MARKS = {"span_corruption": 32, "blank_infilling": 4}
"""How many tokens a byte-level vocabulary gets in addition for an objective: as many as `models.objectives.MARKS` has."""
FURTHER = {"masked": 1, "span_corruption": 2, "blank_infilling": 2}
"""How many tokens or places more than a row has are read of it at most, where marks are put into it."""
PAYS = {"masked": "masked", "masked_pairs": "masked", "span_corruption": "missing", "blank_infilling": "missing"}
TWO_DIMENSIONAL = ("learned_2d", "rotary_2d")  # positions that tell the place in a blank, as GLM has them
BYTE_LEVEL = (("byte-bpe-16k", 16_384), ("byte-bpe-8k", 8_192), ("byte-bpe-4k", 4_096), ("bytes", 257))
ENGLISH = (*BYTE_LEVEL[:2], ("stories-4k", 4_096), BYTE_LEVEL[3])
WORDPIECE = (("wordpiece-16k", 16_384), ("wordpiece-8k", 8_192), ("wordpiece-4k", 4_096))
MAX_VOCABULARY = 2 * BYTE_LEVEL[0][1]  # unused ids beyond a tokenizer's cost memory and learn nothing

BIAS_RATE = 0.01
AUX_COEF = 0.05
BALANCES = ("none", "aux", "bias")


@dataclass(frozen=True)
class Trainable:
    """A design that can be trained here."""

    design: str
    base: str
    config: ModelConfig
    objective: str
    tokenizer: str
    params: int
    active: int
    row: int  # tokens

    @property
    def batch(self) -> int:
        """Tokens of a step."""
        return max(1, (SHORT_BATCH if self.objective in N_MARKS else BATCH) // self.row) * self.row

    @property
    def pays(self) -> str:
        """Which tokens a loss is of: every "next" one, those "masked", or those that are "missing" from what is read."""
        return PAYS.get(self.objective, "next")


def trainable(design: object, is_english: bool = True) -> Trainable:
    """The design of a string, checked; raises `InputError`."""
    parsed = _parsed(design)
    config = parsed.config
    objective = _objective(config)
    counted = _counted(config)
    if counted[0] > MAX_PARAMS:
        raise InputError("train_too_large", size=short(counted[0]), limit=short(MAX_PARAMS))
    if (n_layers := config.n_layers + (config.n_encoder_layers or 0)) > MAX_LAYERS:
        raise InputError("train_too_deep", n_layers=n_layers, limit=MAX_LAYERS)
    has_marks = objective in WITH_MASKS or objective in N_MARKS
    if config.max_seq_len < (least := LEAST_MARKED if has_marks else LEAST_CONTEXT):
        raise InputError("train_too_short", max_seq_len=config.max_seq_len, least=least)
    row = min(SHORT_ROW if objective in N_MARKS else ROW, config.max_seq_len - FURTHER.get(objective, 0))
    if (size := step_bytes(config, row)) > MAX_STEP_BYTES:
        raise InputError("train_too_wide", size=short_bytes(size), limit=short_bytes(MAX_STEP_BYTES))
    tokenizer = _tokenizer(config, objective, is_english)
    return Trainable(design_string(parsed.base, config), parsed.base, config, objective, tokenizer, *counted, row)


def _parsed(design: object) -> Design:
    try:
        return parse_design(design)
    except InputError as error:
        if error.code != "unknown_preset":
            raise
        name = error.params["name"]
        raise InputError("train_unknown", name=name, similar=nearest(name, _trainable_presets())) from None


@cache
def _trainable_presets() -> list[str]:
    """The presets that are trained here as they are."""
    found = []
    for name in models.presets():
        with suppress(InputError):
            found.append(trainable(name).design)
    return found


def _objective(config: ModelConfig) -> str:
    kind = (config.structure, config.head)
    if kind not in OBJECTIVES or config.image is not None:
        raise InputError("train_kind", structure=config.structure, head=config.head)
    if config.structure == "prefix_decoder" and config.position in TWO_DIMENSIONAL:
        return "blank_infilling"
    return OBJECTIVES[kind]


@lru_cache(maxsize=256)
def _counted(config: ModelConfig) -> tuple[int, int]:
    account = models.account(config)
    return account.params, account.active_params


def step_bytes(config: ModelConfig, row: int) -> int:
    """Memory of one step, roughly: what a pass keeps of every layer for its gradients, and the scores of the vocabulary."""
    rows = max(1, BATCH // row)
    n_layers = config.n_layers + (config.n_encoder_layers or 0) + config.mtp_depth
    of_layers = limits.working_bytes(config, row) * rows * n_layers
    of_scores = 3 * 4 * rows * row * config.vocab_size * (1 + config.mtp_depth)
    return of_layers + of_scores


def _tokenizer(config: ModelConfig, objective: str, is_english: bool) -> str:
    """The largest shipped tokenizer whose ids, and the marks of the objective, the design's vocabulary has room for."""
    fitting = WORDPIECE if objective in WITH_MASKS else ENGLISH if is_english else BYTE_LEVEL
    n_marks = N_MARKS.get(objective, 0)
    found = next((name for name, size in fitting if size + n_marks <= config.vocab_size), None)
    if found is None or config.vocab_size > MAX_VOCABULARY:
        low = fitting[-1][1] + n_marks
        raise InputError("train_vocabulary", vocab_size=config.vocab_size, low=low, high=MAX_VOCABULARY)
    return found


@lru_cache(maxsize=128)
def small_form(design: str) -> str | None:
    """The same choices at a size that is trained here; None where no such form was found."""
    parsed = parse_design(design)
    try:
        small = parsed.config.replace(**_small_fields(parsed.config))
        if n_marks := N_MARKS.get(_objective(small)):
            small = small.replace(vocab_size=small.vocab_size + n_marks)
        found = design_string(parsed.base, small)
        trainable(found)
    except InputError:
        return None
    return found


def _small_fields(config: ModelConfig) -> dict:
    """Fewer layers, heads and experts, narrower; what is a choice and no size stays."""
    changes: dict = {
        "d_model": 128,
        "n_layers": min(4, config.n_layers),
        "n_encoder_layers": min(4, config.n_encoder_layers) if config.n_encoder_layers else None,
        "n_heads": 4,
        "d_head": None,
        "n_kv_heads": 2 if config.attention == "gqa" else None,
        "d_ff": 352 if config.ffn == "gated" else 512,
        "vocab_size": 4_096,
        "max_seq_len": ROW,
        "n_positions": None if config.n_positions is None else ROW + config.position_offset,
        "rotary_dim": None,
        "residual_alpha": None,
        "rope_scaling": None,
        "mtp_depth": min(1, config.mtp_depth),
        "decoder_start_id": 0,
    }
    if config.structure == "encoder" and config.head == "none":
        changes["head"] = "mlm"  # what such an encoder was trained with, before its head was taken off
    if config.axial_shape is not None:
        changes |= {"axial_shape": (16, ROW // 16), "axial_dims": (64, 64)}
    if config.window is not None:
        changes["window"] = min(64, config.window)
    if config.mla is not None:
        rank = None if config.mla.q_lora_rank is None else 64
        sizes = {"qk_nope_head_dim": 24, "qk_rope_head_dim": 8, "v_head_dim": 32}
        changes["mla"] = type(config.mla)(kv_lora_rank=32, q_lora_rank=rank, norm_eps=config.mla.norm_eps, **sizes)
    if config.moe is not None:
        changes["moe"] = _few_experts(config.moe, changes["n_layers"])
    return changes


def _few_experts(moe: MixtureOfExperts, n_layers: int) -> MixtureOfExperts:
    n_experts = min(8, moe.n_experts)
    values = moe.to_dict() | {
        "n_experts": n_experts,
        "n_experts_per_token": n_experts if moe.uses_all else min(2, moe.n_experts_per_token),
        "d_expert": 128,
        "n_shared_experts": min(1, moe.n_shared_experts),
        "first_dense": min(1, moe.first_dense),
        "every": min(2, moe.every, n_layers),
        "offset": None,
        "n_groups": None,
        "n_groups_per_token": None,
        "group_score": "max",
        "capacity": None if moe.capacity is None else 64,
    }
    return MixtureOfExperts.from_dict({name: value for name, value in values.items() if value is not None})


def balances(config: ModelConfig) -> tuple[str, ...]:
    """How the experts of a design can be balanced; raises `InputError` where tokens are not sent to any."""
    moe = config.moe
    if moe is None or moe.uses_all:
        raise InputError("train_no_experts")
    return BALANCES if moe.router == "sigmoid" else BALANCES[:2]


def with_balance(config: ModelConfig, balance: object) -> ModelConfig:
    """The configuration with one way to balance its experts. A sigmoid router keeps its selection bias, unmoved where it
    is not the way: it can then be changed while the model learns."""
    allowed = balances(config)
    if balance not in allowed:
        raise InputError("train_balance", balance=balance, allowed=", ".join(allowed))
    values = config.moe.to_dict() | {"aux_loss_coef": AUX_COEF if balance == "aux" else 0.0}
    values.pop("bias_update_rate", None)
    if balance == "bias":
        values["bias_update_rate"] = BIAS_RATE
    return config.replace(moe=MixtureOfExperts.from_dict(values))


def balance_of(config: ModelConfig) -> str:
    """The way in which a design balances its experts."""
    moe = config.moe
    return "bias" if moe.bias_update_rate else "aux" if moe.aux_loss_coef else "none"
