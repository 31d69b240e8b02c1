"""The weights that a training begins with: random ones, or an encoder from a package, which stays as it is."""

import torch
from torch import nn

import models
from models.training.data import AnyData
from models.training.recipe import Recipe
from models.weights.loading import load_with_heads
from models.weights.tensors import named_tensors

HEADS = ("mlm_head.", "nsp_head.")


def learning_parts(recipe: Recipe) -> tuple[str, ...]:
    """What the names of the tensors begin with that learn where the recipe names an encoder."""
    n_layers = models.preset(recipe.preset).n_layers
    return (*HEADS, *(f"layers.{index}." for index in range(n_layers - recipe.learning_layers, n_layers)))


def first_weights(recipe: Recipe, data: AnyData) -> nn.Module:
    """A recipe's model before its first step. Where the recipe names an encoder, its `learning_parts` alone learn.

    The head for masked tokens then begins with what needs no learning: it hands the encoder's vector on as it is, and
    prefers each token by the logarithm of its frequency.
    """
    model = models.build(models.preset(recipe.preset), seed=recipe.seed)
    if recipe.encoder is None:
        return model
    heads = {name: tensor for name, tensor in named_tensors(model).items() if name.startswith(HEADS)}
    heads["mlm_head.dense.weight"] = torch.eye(model.config.d_model)
    counts = torch.tensor([data.counts[token_id] + 1.0 for token_id in range(model.config.vocab_size)])
    heads["mlm_head.bias"] = (counts / counts.sum()).log()
    model = load_with_heads(recipe.encoder, heads).model
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(learning_parts(recipe))
    return model
