"""The Hugging Face families that can be read and written, one file each, by the `model_type` of their config.json."""

from models.weights.layouts.gpt2 import GPT2
from models.weights.layouts.layout import Layout
from models.weights.layouts.llama import LLAMA

LAYOUTS: dict[str, Layout] = {layout.model_type: layout for layout in (GPT2, LLAMA)}
