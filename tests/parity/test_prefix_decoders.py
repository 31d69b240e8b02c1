"""GLM, GLM-130B and ChatGLM-6B, for which `transformers` has no class, against a plain reading of their descriptions.

The forward pass below is written from the papers' equations and the known packing of the files, one sequence at a time,
with complex numbers for rotations and explicit loops for masks; it shares nothing with the models.
"""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import models
from tests.parity.agreement import TOLERANCE, VOCABULARY, difference, ids

D, H, LAYERS, LENGTH, PREFIXES = 48, 4, 3, 20, (7, 1, 20)
WIDTH = D // H
NORMS = ("input_layernorm", "post_attention_layernorm")


def random_tensors(root: str, embedding: str, d_ff: int, widened: int, tables: tuple[str, ...] = ()) -> dict:
    """A file's tensors; widened: rows of the first map of a feed-forward layer, d_ff: columns of the second."""
    generator = torch.Generator().manual_seed(5)
    maps = {"attention.query_key_value": (3 * D, D), "attention.dense": (D, D)}
    maps |= {"mlp.dense_h_to_4h": (widened, D), "mlp.dense_4h_to_h": (D, d_ff)}
    shapes = {embedding: (VOCABULARY, D), **dict.fromkeys(tables, (33, D))}
    for i in range(LAYERS):
        for name, shape in maps.items():
            shapes |= {f"{root}.layers.{i}.{name}.weight": shape, f"{root}.layers.{i}.{name}.bias": shape[:1]}
    tensors = {name: torch.randn(shape, generator=generator) * 0.15 for name, shape in shapes.items()}
    norms = [f"{root}.layers.{i}.{name}" for i in range(LAYERS) for name in NORMS] + [f"{root}.final_layernorm"]
    for name in norms:
        tensors[f"{name}.weight"] = 1 + 0.15 * torch.randn(D, generator=generator)
        tensors[f"{name}.bias"] = 0.15 * torch.randn(D, generator=generator)
    return tensors


def turned(x, positions):
    """x (T, H, width) with dimension j and j + width/2 as one complex number, turned by position · 10000^(−2j/width)."""
    half = x.shape[-1] // 2
    speeds = torch.tensor([10_000 ** (-j / half) for j in range(half)])
    phases = torch.polar(torch.ones(len(positions), half), positions[:, None].float() * speeds)[:, None]
    result = torch.complex(x[..., :half], x[..., half:]) * phases
    return torch.cat((result.real, result.imag), dim=-1)


def by_head(fused):
    """Rows are head by head, in each q, k and v."""
    return fused.view(-1, H, 3, WIDTH).unbind(2)


def in_blocks(fused):
    """Rows are q of all heads, then k, then v."""
    return fused.view(-1, 3, H, WIDTH).unbind(1)


def no_turn(x, text, block):
    return x


def plain(x):
    return F.gelu(x, approximate="tanh")


def second_half_gates(x):
    return x[:, : x.shape[1] // 2] * F.gelu(x[:, x.shape[1] // 2 :])


class Reference:
    """One of the three: how q, k and v are packed, how they turn, what the feed-forward layer does, whether DeepNorm."""

    def __init__(self, tensors, root, embedding, unpack, turn, activate, deepnorm, tables=()):
        self.tensors, self.root, self.embedding, self.tables = tensors, root, embedding, tables
        self.unpack, self.turn, self.activate, self.deepnorm = unpack, turn, activate, deepnorm

    def linear(self, name, x):
        return x @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]

    def norm(self, name, x):
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return scaled * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"]

    def attention(self, name, x, text, block, prefix):
        q, k, v = self.unpack(self.linear(f"{name}.query_key_value", x))
        q, k = self.turn(q, text, block), self.turn(k, text, block)
        scores = torch.einsum("ihd,jhd->hij", q, k) / math.sqrt(WIDTH)
        for i in range(len(x)):
            for j in range(len(x)):
                if j > i and j >= prefix:
                    scores[:, i, j] = -10_000
        probs = scores.softmax(-1)
        mixed = torch.einsum("hij,jhd->ihd", probs, v).reshape(len(x), D)
        return self.linear(f"{name}.dense", mixed), probs

    def __call__(self, tokens, text, block, prefix):
        """Logits (T, V) and attention probabilities, one (H, T, T) a layer, of one sequence."""
        x = self.tensors[self.embedding][tokens]
        for table, positions in zip(self.tables, (text, block), strict=False):
            x = x + self.tensors[table][positions]
        maps = []
        alpha = math.sqrt(2 * LAYERS)
        for i in range(LAYERS):
            name = f"{self.root}.layers.{i}"
            normed = self.norm(f"{name}.input_layernorm", x)
            attended, probs = self.attention(f"{name}.attention", normed, text, block, prefix)
            maps.append(probs)
            x = alpha * normed + attended if self.deepnorm else x + attended
            normed = self.norm(f"{name}.post_attention_layernorm", x)
            wide = self.activate(self.linear(f"{name}.mlp.dense_h_to_4h", normed))
            x = (alpha * normed if self.deepnorm else x) + self.linear(f"{name}.mlp.dense_4h_to_h", wide)
        return self.norm(f"{self.root}.final_layernorm", x) @ self.tensors[self.embedding].T, maps


def chatglm():
    def turn(x, text, block):
        return torch.cat((turned(x[..., : WIDTH // 2], text), turned(x[..., WIDTH // 2 :], block)), dim=-1)

    root, embedding = "transformer", "transformer.word_embeddings.weight"
    tensors = random_tensors(root, embedding, 90, 90)
    reference = Reference(tensors, root, embedding, by_head, turn, plain, deepnorm=True)
    settings = {"model_type": "chatglm", "inner_hidden_size": 90, "position_encoding_2d": True}
    buffers = {f"{root}.layers.0.attention.rotary_emb.inv_freq": torch.ones(3), "lm_head.weight": tensors[embedding]}
    return reference, {**settings, "layernorm_epsilon": 1e-5}, {**tensors, **buffers}


def glm_130b():
    def turn(x, text, block):
        return turned(x, text)

    root, embedding = "transformer", "transformer.word_embeddings.weight"
    tensors = random_tensors(root, embedding, 50, 100)
    reference = Reference(tensors, root, embedding, by_head, turn, second_half_gates, deepnorm=True)
    return reference, {"model_type": "glm-130b", "inner_hidden_size": 50}, tensors


def glm_10b(prefix="glm."):
    root, embedding = f"{prefix}transformer", f"{prefix}word_embeddings.weight"
    tables = (f"{root}.position_embeddings.weight", f"{root}.block_position_embeddings.weight")
    tensors = random_tensors(root, embedding, 4 * D, 4 * D, tables)
    reference = Reference(tensors, root, embedding, in_blocks, no_turn, plain, deepnorm=False, tables=tables)
    settings = {"model_type": "glm", "block_position_encoding": True, "relative_encoding": False}
    return reference, {**settings, "output_predict": True}, tensors


FAMILIES = {"chatglm-6b": chatglm, "glm-130b": glm_130b, "glm-10b": glm_10b, "glm-10b headless": lambda: glm_10b("")}


@pytest.fixture(params=FAMILIES)
def pair(request, tmp_path):
    reference, settings, tensors = FAMILIES[request.param]()
    sizes = {"vocab_size": VOCABULARY, "hidden_size": D, "num_layers": LAYERS, "num_attention_heads": H}
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({**sizes, "max_sequence_length": 32, **settings}))
    return reference, models.load(tmp_path).model


def two_rows(prefix: int) -> torch.Tensor:
    """Places in the text, which stand still after the prefix, and places in what is filled in: (2, T)."""
    places = torch.arange(LENGTH)
    return torch.stack((places.clamp(max=prefix - 1), (places - prefix + 1).clamp(min=0)))


@torch.no_grad()
def test_logits_and_attention(pair):
    """Three sequences with prefixes of their own, in one batch here and one by one there."""
    reference, ours = pair
    tokens, positions = ids(3, LENGTH), torch.stack([two_rows(prefix) for prefix in PREFIXES])
    if ours.config.position == "rotary":
        positions = positions[:, 0] + positions[:, 1]
    inputs = {"position_ids": positions, "prefix_lengths": torch.tensor(PREFIXES)}
    with models.capture("*.attn.probs") as trace:
        ours(tokens, **inputs)
    logits = ours(tokens, **inputs).logits
    for row, prefix in enumerate(PREFIXES):
        text, block = two_rows(prefix) if positions.dim() == 3 else (positions[row], positions[row])
        expected, maps = reference(tokens[row], text, block, prefix)
        assert difference(logits[row], expected) < TOLERANCE
        for i, probs in enumerate(maps):
            assert difference(trace[f"layers.{i}.attn.probs"][row], probs) < TOLERANCE


@torch.no_grad()
def test_decoding_with_a_cache(pair):
    """The prefix at once, then token by token."""
    reference, ours = pair
    tokens, prefix = ids(1, LENGTH), 7
    positions = two_rows(prefix)
    if ours.config.position == "rotary":
        positions = positions.sum(0, keepdim=True).expand(2, -1)
    expected, _ = reference(tokens[0], positions[0], positions[1], prefix)
    fed = positions[:1] if ours.config.position == "rotary" else positions[None]
    cache = ours.new_cache()
    first = ours(
        tokens[:, :prefix], position_ids=fed[..., :prefix], cache=cache, prefix_lengths=torch.tensor([prefix])
    ).logits
    rest = [
        ours(tokens[:, t : t + 1], position_ids=fed[..., t : t + 1], cache=cache).logits for t in range(prefix, LENGTH)
    ]
    assert difference(torch.cat([first, *rest], dim=1)[0], expected) < TOLERANCE
