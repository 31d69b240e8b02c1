"""Where a model's weights come from and go to: shipped models, folders of ours and of Hugging Face, the hub.

files      one folder's config.json and safetensors
tensors    fused parameters ↔ one name for each map; copying in, with every misfit named
layouts    one file for each Hugging Face family: its config and its tensor names, both ways
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
