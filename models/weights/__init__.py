"""Where a model's weights come from and go to: shipped and installed models, folders of ours and of Hugging Face, GGUF
files, the hub.

files      one folder's config.json and safetensors
tensors    fused parameters ↔ one name for each map; copying in, with every misfit named
layouts    one file for each Hugging Face family: its config and its tensor names, both ways
gguf_file  llama.cpp's single file: its config, its tensor names and their quantised blocks
converted  what was read from such a file, kept as a folder of ours in the user's cache
hub        fetching a folder
zoo        the shipped models
loading    `load`: wherever a model is
saving     `save` and `export_hf`
"""

from models.weights.loading import Loaded, load
from models.weights.saving import export_hf, save
from models.weights.tensors import assign, named_tensors
from models.weights.zoo import zoo, zoo_config

__all__ = ["Loaded", "assign", "export_hf", "load", "named_tensors", "save", "zoo", "zoo_config"]
