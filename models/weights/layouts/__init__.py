"""The Hugging Face families that can be read and written, one file each."""

from collections.abc import Mapping

from models.weights.layouts.bert import BERT
from models.weights.layouts.big_bird import BIG_BIRD
from models.weights.layouts.bloom import BLOOM
from models.weights.layouts.chatglm import CHATGLM, GLM_10B, GLM_130B
from models.weights.layouts.chatglm2 import CHATGLM2
from models.weights.layouts.clip import CLIP
from models.weights.layouts.deepseek import DEEPSEEK_MOE, DEEPSEEK_V2, DEEPSEEK_V3
from models.weights.layouts.glm import GLM, GLM4
from models.weights.layouts.gpt1 import GPT1
from models.weights.layouts.gpt2 import GPT2
from models.weights.layouts.layout import Layout
from models.weights.layouts.llama import LLAMA, MISTRAL
from models.weights.layouts.longformer import LONGFORMER
from models.weights.layouts.marian import MARIAN
from models.weights.layouts.mixtral import MIXTRAL
from models.weights.layouts.qwen import QWEN2, QWEN3, QWEN3_MOE
from models.weights.layouts.qwen1 import QWEN1
from models.weights.layouts.reformer import REFORMER
from models.weights.layouts.t5 import SWITCH, T5
from models.weights.layouts.vit import VIT

LAYOUTS: tuple[Layout, ...] = (
    GPT2,
    LLAMA,
    MISTRAL,
    GPT1,
    BLOOM,
    QWEN1,
    QWEN2,
    QWEN3,
    QWEN3_MOE,
    MIXTRAL,
    DEEPSEEK_MOE,
    DEEPSEEK_V2,
    DEEPSEEK_V3,
    GLM,
    GLM4,
    CHATGLM,
    CHATGLM2,
    GLM_10B,
    GLM_130B,
    BERT,
    BIG_BIRD,
    LONGFORMER,
    REFORMER,
    T5,
    SWITCH,
    MARIAN,
    VIT,
    CLIP,
)


def layout_of(values: Mapping) -> Layout | None:
    """The family of a config.json; None for one that is not known here."""
    named = (layout for layout in LAYOUTS if layout.model_type == values.get("model_type"))
    return next((layout for layout in named if layout.recognises(values)), None)
