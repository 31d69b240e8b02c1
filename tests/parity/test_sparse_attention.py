"""Attention over sparse patterns against the classes of `transformers` that have it, with the same weights.

Longformer's self-attention with its global projections, BigBird's blocks, and Reformer's local and hashed layers.
"""

import pytest
import torch

import models
from models.attend import attend
from models.config import LayerConfig, SparsePattern
from models.context import Context
from models.parts.content_attention import LSHAttention
from models.parts.global_attention import GlobalAttention
from models.parts.masks import visibility
from models.parts.no_position import NoPosition
from models.taps import Tap
from tests.parity.conftest import randomise, transformers
from tests.rows import each_row

TOLERANCE = 2e-5
CPU = torch.device("cpu")
D, HEADS, D_HEAD = 36, 3, 12


def put(layer, **maps) -> None:
    """Copy weight and bias of `transformers` maps into those that `layer` keeps fused or single."""
    for module in layer.modules():
        if hasattr(module, "parts"):
            for name, (weight, bias) in module.parts().items():
                weight.data.copy_(maps[name].weight)
                if bias is not None:
                    bias.data.copy_(maps[name].bias)
    layer.o_proj.load_state_dict(maps["o_proj"].state_dict())


def hidden(n_batch: int, n_tokens: int) -> torch.Tensor:
    return torch.randn(n_batch, n_tokens, D, generator=torch.Generator().manual_seed(3))


def right_padding(n_batch: int, n_tokens: int, *lengths: int) -> torch.Tensor:
    padding = torch.ones(n_batch, n_tokens, dtype=torch.long)
    for row, length in enumerate(lengths):
        padding[row, length:] = 0
    return padding


LONGFORMER = {
    "vocab_size": 31,
    "hidden_size": D,
    "num_attention_heads": HEADS,
    "num_hidden_layers": 1,
    "intermediate_size": 40,
    "max_position_embeddings": 130,
    "attention_window": [8],
}


def longformer_pair():
    theirs = (
        randomise(transformers.LongformerModel(transformers.LongformerConfig(**LONGFORMER))).encoder.layer[0].attention
    )
    ours = GlobalAttention(D, HEADS, D_HEAD, NoPosition(), biases=("q", "k", "v", "o")).eval()
    inner = theirs.self
    names = {"q": "query", "k": "key", "v": "value"}
    maps = {f"{ours_}_proj": getattr(inner, there) for ours_, there in names.items()}
    maps |= {f"{ours_}_global_proj": getattr(inner, f"{there}_global") for ours_, there in names.items()}
    put(ours, **maps, o_proj=theirs.output.dense)
    return inner, theirs.output.dense, ours


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("globals_at", [[[]], [[0]], [[0, 13, 31], [5]], [[], [2, 3]]])
@pytest.mark.parametrize("lengths", [(), (32, 21)])
@torch.no_grad()
def test_longformer(globals_at, lengths, watched):
    n_tokens = 32
    inner, dense, ours = longformer_pair()
    globals_at = [globals_at[0], globals_at[-1]]
    x, padding = hidden(2, n_tokens), right_padding(2, n_tokens, *lengths)
    is_global = torch.zeros(2, n_tokens, dtype=torch.bool)
    for row, places in enumerate(globals_at):
        is_global[row, places] = True
    is_global &= padding.bool()
    signs = torch.where(padding == 0, -10_000.0, torch.where(is_global, 10_000.0, 0.0))
    expected = inner(x, signs, padding == 0, is_global, bool(is_global.any()), output_attentions=True)
    view = visibility(LayerConfig(0, "longformer", 8, causal=False), None, 0, n_tokens, padding, None, CPU)
    ctx = Context(views=(view,), is_token=padding.bool(), is_global=is_global)
    with models.capture(*(["probs"] if watched else [])) as trace:
        out = ours(x, ctx)
    rows = padding.bool()
    torch.testing.assert_close(out[rows], dense(expected[0])[rows], atol=TOLERANCE, rtol=0)
    if watched:
        _check_longformer_probs(trace["probs"], expected, is_global, rows)


def _check_longformer_probs(probs, expected, is_global, rows) -> None:
    """`transformers` gives a band around each ordinary row, after columns for its global keys."""
    most = int(is_global.sum(1).max())
    for b in range(2):
        keys = is_global[b].nonzero().flatten().tolist()
        for i in rows[b].nonzero().flatten().tolist():
            row = torch.zeros(HEADS, probs.shape[-1])
            if is_global[b, i]:
                row = expected[2][b, :, keys.index(i)]
            else:
                row[:, keys] = expected[1][b, i, :, : len(keys)]
                for offset in range(9):
                    if 0 <= (j := i + offset - 4) < probs.shape[-1]:
                        row[:, j] += expected[1][b, i, :, most + offset]
            torch.testing.assert_close(probs[b, :, i], row, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_longformers_first_tokens_can_be_global_by_configuration():
    _, _, ours = longformer_pair()
    x, padding = hidden(2, 32), right_padding(2, 32, 32, 17)
    layer = LayerConfig(0, "longformer", 8, causal=False)
    by_field = visibility(layer, SparsePattern(n_global=3), 0, 32, padding, None, CPU)
    by_call = visibility(layer, None, 0, 32, padding, None, CPU)
    is_global = torch.zeros(2, 32, dtype=torch.bool)
    is_global[:, :3] = True
    expected = ours(x, Context(views=(by_call,), is_token=padding.bool(), is_global=is_global))
    ours.n_global = 3
    out = ours(x, Context(views=(by_field,), is_token=padding.bool()))
    rows = padding.bool()
    torch.testing.assert_close(out[rows], expected[rows])
    ours.n_global = 2
    assert not torch.allclose(ours(x, Context(views=(by_field,), is_token=padding.bool()))[rows], expected[rows])


def heads(x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


@pytest.mark.parametrize(("n_tokens", "lengths"), [(40, ()), (36, ()), (48, (48, 37)), (46, (46, 5)), (34, (34, 20))])
@torch.no_grad()
def test_bigbird(n_tokens, lengths):
    """34 and 36 tokens are seen whole, from 37 on in blocks; 46 are filled up to 48 first."""
    config = transformers.BigBirdConfig(
        vocab_size=31,
        hidden_size=D,
        num_attention_heads=HEADS,
        num_hidden_layers=1,
        intermediate_size=40,
        max_position_embeddings=64,
        block_size=4,
        num_random_blocks=2,
    )
    model = randomise(transformers.BigBirdModel(config))
    padding = right_padding(2, n_tokens, *lengths)
    ids = torch.randint(0, 31, (2, n_tokens), generator=torch.Generator().manual_seed(4))
    out = model(ids, attention_mask=padding, output_attentions=True, output_hidden_states=True)
    x, attention = out.hidden_states[0][:, :n_tokens], model.encoder.layer[0].attention
    sparse = SparsePattern(block_size=4, n_random=2, like_transformers=True)
    view = visibility(LayerConfig(0, "bigbird", None, causal=False), sparse, 0, n_tokens, padding, None, CPU)
    inner = attention.self
    q, k, v = heads(inner.query(x)), heads(inner.key(x)), heads(inner.value(x))
    with models.capture("probs") as trace:
        read = attend(q, k, v, view, D_HEAD**-0.5, Tap("scores"), Tap("probs"))
    explicit = attention.output(read.transpose(1, 2).flatten(2), x)
    fused = attend(q, k, v, view, D_HEAD**-0.5, Tap("scores"), Tap("probs"))
    torch.testing.assert_close(fused, read, atol=TOLERANCE, rtol=0)
    layer = model.encoder.layer[0]
    ours = layer.output(layer.intermediate(explicit), explicit)
    rows = padding.bool()
    torch.testing.assert_close(ours[rows], out.last_hidden_state[:, :n_tokens][rows], atol=TOLERANCE, rtol=0)
    assert trace["probs"].shape == (2, HEADS, n_tokens, n_tokens)


REFORMER = {
    "vocab_size": 31,
    "hidden_size": D,
    "num_attention_heads": HEADS,
    "attention_head_size": D_HEAD,
    "max_position_embeddings": 64,
    "axial_pos_embds": False,
    "local_attn_chunk_length": 4,
    "lsh_attn_chunk_length": 8,
    "lsh_num_chunks_before": 1,
    "lsh_num_chunks_after": 0,
    "num_buckets": 6,
    "hash_seed": 11,
    "feed_forward_size": 40,
}


@each_row("causal", [True, False])
@each_row("n_hashes", [1, 2, 3])
@each_row(("n_tokens", "lengths"), [(24, ()), (8, ()), (32, (32, 19)), (7, (7, 3))])
@torch.no_grad()
def test_reformers_hashing(causal, n_hashes, n_tokens, lengths):
    config = transformers.ReformerConfig(**REFORMER, attn_layers=["lsh"], num_hashes=n_hashes, is_decoder=causal)
    attention = randomise(transformers.ReformerModel(config)).encoder.layers[0].attention
    theirs = attention.self_attention
    ours = LSHAttention(
        D,
        HEADS,
        D_HEAD,
        NoPosition(),
        n_hashes=n_hashes,
        n_buckets=6,
        chunk_size=8,
        seed=11,
        across_buckets=True,
    )
    put(ours, qk_proj=theirs.query_key, v_proj=theirs.value, o_proj=attention.output.dense)
    x, padding = hidden(2, n_tokens), right_padding(2, n_tokens, *lengths)
    expected = attention.output(theirs(x, attention_mask=padding if lengths else None).hidden_states)
    view = visibility(LayerConfig(0, "lsh", None, causal=causal), SparsePattern(), 0, n_tokens, padding, None, CPU)
    _check_hashed(ours, x, Context(views=(view,), is_token=padding.bool()), expected)


def _check_hashed(ours, x: torch.Tensor, ctx: Context, expected: torch.Tensor) -> None:
    """Where a head sees nobody but the token itself, `transformers` weighs the rounds at scores of -100,000, of which fp32
    keeps two digits behind the point."""
    with models.capture("probs") as trace:
        out = ours(x, ctx)
    torch.testing.assert_close(ours(x, ctx), out)
    lonely = (trace["probs"].diagonal(dim1=-2, dim2=-1) == 1).any(dim=1)  # (B, T)
    rows = ctx.is_token
    assert (rows & ~lonely).sum() > 0.7 * rows.sum()
    torch.testing.assert_close(out[rows & ~lonely], expected[rows & ~lonely], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(out[rows & lonely], expected[rows & lonely], atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize("n_tokens", [24, 21, 12])
@torch.no_grad()
def test_a_reformer_fills_its_last_chunk(n_tokens):
    """The whole model fills what it reads up to a multiple of its chunks; hooks see what its attention reads and writes."""
    config = transformers.ReformerConfig(**REFORMER, attn_layers=["lsh"], num_hashes=2, is_decoder=True)
    model = randomise(transformers.ReformerModel(config))
    attention = model.encoder.layers[0].attention
    ids = torch.randint(0, 31, (2, n_tokens), generator=torch.Generator().manual_seed(4))
    seen = {}
    attention.register_forward_hook(lambda module, args, kwargs, out: seen.update(out=out[0]), with_kwargs=True)
    attention.layer_norm.register_forward_hook(lambda module, args, out: seen.update(x=out))
    model(ids)
    ours = LSHAttention(
        D, HEADS, D_HEAD, NoPosition(), n_hashes=2, n_buckets=6, chunk_size=8, seed=11, across_buckets=True, padded_to=8
    )
    theirs = attention.self_attention
    put(ours, qk_proj=theirs.query_key, v_proj=theirs.value, o_proj=attention.output.dense)
    view = visibility(LayerConfig(0, "lsh", None), SparsePattern(), 0, n_tokens, None, None, CPU)
    is_token = torch.ones(2, n_tokens, dtype=torch.bool)
    _check_hashed(ours, seen["x"][:, :n_tokens], Context(views=(view,), is_token=is_token), seen["out"][:, :n_tokens])


@pytest.mark.parametrize("lengths", [(), (20, 13)])
@torch.no_grad()
def test_reformers_local_layers(lengths):
    config = transformers.ReformerConfig(**REFORMER, attn_layers=["local"], is_decoder=True)
    theirs = randomise(transformers.ReformerModel(config)).encoder.layers[0].attention.self_attention
    x, padding = hidden(2, 20), right_padding(2, 20, *lengths)
    expected = theirs(x, attention_mask=padding if lengths else None).hidden_states
    sparse = SparsePattern(block_size=4, n_blocks_before=1)
    view = visibility(LayerConfig(0, "block_local", None), sparse, 0, 20, padding, None, CPU)
    q, k, v = heads(theirs.query(x)), heads(theirs.key(x)), heads(theirs.value(x))
    out = attend(q, k, v, view, D_HEAD**-0.5, Tap("scores"), Tap("probs"))
    rows = padding.bool()
    torch.testing.assert_close(out.transpose(1, 2).flatten(2)[rows], expected[rows], atol=TOLERANCE, rtol=0)
