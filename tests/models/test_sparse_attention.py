"""Longformer's, Reformer's and the Routing Transformer's attention: their definitions, and what holds for any attention."""

import pytest
import torch

from models.cache import KVCache, Store
from models.config import LayerConfig, ModelConfig, SparsePattern
from models.context import Context
from models.parts.content_attention import LSHAttention, RoutingAttention, lsh, routing
from models.parts.global_attention import GlobalAttention, longformer
from models.parts.masks import Visibility, visibility
from models.parts.no_position import NoPosition
from models.parts.rotary import Rotary
from models.taps import capture, patch
from tests.rows import each_row

CPU = torch.device("cpu")
B, T, D, H, D_HEAD = 2, 19, 24, 3, 8
SPARSE = SparsePattern(n_global=2, block_size=3, n_hashes=2, n_buckets=4, n_clusters=3, seed=5)
BIASES = ("q", "k", "v", "o")


def hashing(**changes) -> LSHAttention:
    options = {"n_hashes": 2, "n_buckets": 4, "chunk_size": 3, "seed": 5, "biases": BIASES, **changes}
    return LSHAttention(D, H, D_HEAD, options.pop("position", NoPosition()), **options)


def clustering(**changes) -> RoutingAttention:
    options = {"n_clusters": 3, "window": 4, "biases": BIASES, **changes}
    return RoutingAttention(D, H, D_HEAD, options.pop("position", NoPosition()), **options)


def with_global(**changes) -> GlobalAttention:
    options = {"n_global": 2, "biases": BIASES, **changes}
    return GlobalAttention(D, H, D_HEAD, options.pop("position", NoPosition()), **options)


MAKERS = {"lsh": hashing, "kmeans": clustering, "longformer": with_global}
CAUSAL_OF = [("lsh", True), ("lsh", False), ("kmeans", True), ("kmeans", False), ("longformer", False)]


def wide(layer: torch.nn.Module) -> torch.nn.Module:
    """Weights so wide that attention is far from uniform."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in (*layer.parameters(), *layer.buffers()):
            tensor.copy_(0.4 * torch.randn(tensor.shape, generator=generator))
    return layer.eval()


def inputs(n_batch: int = B, n_tokens: int = T, seed: int = 0) -> torch.Tensor:
    return torch.randn(n_batch, n_tokens, D, generator=torch.Generator().manual_seed(seed))


def context(
    mask: str, causal: bool, n_tokens: int = T, n_past: int = 0, padding=None, cache=None, position=None
) -> Context:
    layer = LayerConfig(0, mask, 6, causal=causal)
    view = visibility(layer, SPARSE, n_past, n_tokens - n_past, padding, None, CPU)
    is_token = None if padding is None else padding[:, n_past:].bool()
    angles = None
    if position is not None:
        angles = position.angles(torch.arange(n_past, n_tokens)[None], torch.float32)
    return Context(views=(view,), cache=cache, is_token=is_token, angles=angles)


def softmax_over(row: dict[int, float]) -> dict[int, float]:
    weights = torch.tensor(list(row.values())).softmax(0).tolist()
    return dict(zip(row, weights, strict=True))


@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_hashing_is_its_definition(causal):
    layer, x = wide(hashing()), inputs()
    with capture("*") as trace:
        layer(x, context("lsh", causal))
    generator = torch.Generator().manual_seed(5)
    rotations = torch.randn(H, D_HEAD, 2, 2, generator=generator)
    n_alone = 0
    for b in range(B):
        for h in range(H):
            q = trace["q"][b, h]
            keys = q / q.pow(2).mean(-1, keepdim=True).sqrt()
            torch.testing.assert_close(trace["k"][b, h], keys)
            chunk_of = []  # for each round, (bucket, number of the chunk in it) of each token
            for r in range(2):
                members: dict[int, int] = {}
                places = []
                for i in range(T):
                    turned = q[i] @ rotations[h, :, r]
                    bucket = int(torch.cat((turned, -turned)).argmax())
                    places.append((bucket, members.get(bucket, 0) // 3))
                    members[bucket] = members.get(bucket, 0) + 1
                chunk_of.append(places)
            for i in range(T):
                seen = set()
                for places in chunk_of:
                    bucket, chunk = places[i]
                    seen |= {j for j in range(T) if places[j] in ((bucket, chunk), (bucket, chunk - 1))}
                seen = {j for j in seen if (j <= i or not causal) and j != i} or {i}
                n_alone += seen == {i}
                expected = torch.zeros(T)
                for j, weight in softmax_over({j: float(q[i] @ keys[j]) / D_HEAD**0.5 for j in seen}).items():
                    expected[j] = weight
                torch.testing.assert_close(trace["probs"][b, h, i], expected, atol=1e-5, rtol=0)
    assert not causal or n_alone >= B * H  # the first tokens at least


def normed(vector: torch.Tensor) -> torch.Tensor:
    return (vector - vector.mean()) / (vector.var(unbiased=False) + 1e-5).sqrt()


@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_routing_is_its_definition(causal):
    layer, x = wide(clustering()), inputs()
    with capture("*") as trace:
        layer(x, context("kmeans", causal))
    maps = layer.qkv_proj.parts()
    for b in range(B):
        for h in range(H):
            rows = slice(h * D_HEAD, (h + 1) * D_HEAD)
            q, k = (
                torch.stack([normed(vector) for vector in x[b] @ weight[rows].T + bias[rows]])
                for weight, bias in (maps["q_proj"], maps["k_proj"])
            )
            torch.testing.assert_close(trace["q"][b, h], q, atol=1e-5, rtol=0)
            for i in range(T):
                centroid = max(layer.centroids[h], key=lambda mu, i=i: float(mu @ q[i]))
                competing = range(i + 1) if causal else range(T)
                members = sorted(competing, key=lambda j: float(centroid @ k[j]), reverse=True)[:4]
                expected = torch.zeros(T)
                for j, weight in softmax_over({j: float(q[i] @ k[j]) / D_HEAD**0.5 for j in members}).items():
                    expected[j] = weight
                torch.testing.assert_close(trace["probs"][b, h, i], expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_centroids_follow_their_members():
    layer = wide(clustering(decay=0.9))
    q, k = torch.randn(B, H, T, D_HEAD), torch.randn(B, H, T, D_HEAD)
    is_token = torch.ones(B, T, dtype=torch.bool)
    is_token[1, 7:] = False
    layer.centroids[0, 1] = -100.0 * (q[:, 0].mean((0, 1)) + 1)  # so far off that hardly a vector belongs to it
    before = layer.centroids.clone()
    members = {(h, c): [] for h in range(H) for c in range(3)}
    for vectors in (q, k):
        for b in range(B):
            for i in range(T):
                for h in range(H):
                    if is_token[b, i]:
                        nearest = int((before[h] @ vectors[b, h, i]).argmax())
                        members[h, nearest].append(vectors[b, h, i])
    layer.update_centroids(q, k, is_token)
    for (h, c), vectors in members.items():
        mean = torch.stack(vectors).mean(0) if vectors else before[h, c]
        torch.testing.assert_close(layer.centroids[h, c], 0.9 * before[h, c] + 0.1 * mean)


def test_centroids_learn_in_training_alone_and_never_by_gradient():
    layer, x, ctx = wide(clustering()), inputs(), context("kmeans", True)
    before = layer.centroids.clone()
    layer(x, ctx)
    assert torch.equal(layer.centroids, before)
    layer.train()
    layer(x, ctx).sum().backward()
    assert not torch.equal(layer.centroids, before)
    assert "centroids" in layer.state_dict()
    assert "centroids" not in dict(layer.named_parameters())
    assert layer.qkv_proj.weight.grad.abs().sum() > 0


@torch.no_grad()
def test_global_attention_is_its_definition():
    layer, x = wide(with_global()), inputs()
    ctx = context("longformer", False)
    ctx.is_global = torch.zeros(B, T, dtype=torch.bool)
    ctx.is_global[1, 11] = True
    with capture("*") as trace:
        out = layer(x, ctx)
    local, of_global = layer.qkv_proj.parts(), layer.qkv_global_proj.parts()
    for b in range(B):
        is_global = {0, 1, 11} if b == 1 else {0, 1}
        for h in range(H):
            rows = slice(h * D_HEAD, (h + 1) * D_HEAD)
            q, k, v = (x[b] @ weight[rows].T + bias[rows] for weight, bias in local.values())
            q_global, k_global, v_global = (x[b] @ weight[rows].T + bias[rows] for weight, bias in of_global.values())
            for i in range(T):
                seen = range(T) if i in is_global else sorted({j for j in range(T) if abs(i - j) <= 3} | is_global)
                query, keys, values = (q_global, k_global, v_global) if i in is_global else (q, k, v)
                weights = softmax_over({j: float(query[i] @ keys[j]) / D_HEAD**0.5 for j in seen})
                expected = sum(weight * values[j] for j, weight in weights.items())
                torch.testing.assert_close(trace["head_out"][b, h, i], expected, atol=1e-5, rtol=0)
                for j in range(T):
                    assert trace["probs"][b, h, i, j].item() == pytest.approx(weights.get(j, 0.0), abs=1e-5)
    torch.testing.assert_close(layer(x, ctx), out)  # and fused


@each_row(("kind", "causal"), CAUSAL_OF)
@each_row("padded", ["no", "left", "right"])
@each_row("turning", [False, True])
@torch.no_grad()
def test_fused_is_explicit(kind, causal, padded, turning):
    position = Rotary(D_HEAD) if turning else None
    layer = wide(MAKERS[kind](**({"position": position} if turning else {})))
    padding = None
    if padded != "no":
        padding = torch.ones(B, T, dtype=torch.long)
        padding[1, slice(0, 6) if padded == "left" else slice(-6, None)] = 0
    ctx = context(kind, causal, padding=padding, position=position)
    fused = layer(inputs(), ctx)
    with capture("scores", "probs") as trace:
        explicit = layer(inputs(), ctx)
    assert trace["scores"].shape == trace["probs"].shape == (B, H, T, T)
    sees = (trace["scores"] > float("-inf")).any(-1)  # (B, H, T): at padding there may be nothing to see
    assert sees.all() if padding is None else sees.transpose(1, 2)[padding.bool()].all()
    torch.testing.assert_close(trace["probs"].sum(-1), sees.float())
    torch.testing.assert_close(fused, explicit, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("kind", "causal"), CAUSAL_OF)
@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_a_batch_is_its_single_sequences(kind, causal, side):
    layer, lengths = wide(MAKERS[kind]()), [T, 11, 4]
    padding, x = torch.zeros(3, T, dtype=torch.long), inputs(3)
    tokens = [slice(T - n, T) if side == "left" else slice(0, n) for n in lengths]
    for row, places in enumerate(tokens):
        padding[row, places] = 1
    together = layer(x, context(kind, causal, padding=padding))
    assert together.isfinite().all()
    for row, places in enumerate(tokens):
        alone = layer(x[row : row + 1, places], context(kind, causal, lengths[row]))
        torch.testing.assert_close(together[row : row + 1, places], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["lsh", "kmeans"])
@pytest.mark.parametrize("padded", [False, True])
@torch.no_grad()
def test_with_a_cache_as_without(kind, padded):
    position = Rotary(D_HEAD)
    layer, x = wide(MAKERS[kind](position=position)), inputs()
    padding = torch.ones(B, T, dtype=torch.long)
    if padded:
        padding[1, :5] = 0
    whole = layer(x, context(kind, True, padding=padding, position=position))
    cache = KVCache([Store((H, D_HEAD), (H, D_HEAD))], B, T)
    pieces = []
    for start, end in ((0, 8), (8, 9), (9, 13), *((i, i + 1) for i in range(13, T))):
        ctx = context(kind, True, end, start, padding[:, :end], cache, position)
        pieces.append(layer(x[:, start:end], ctx))
        cache.advance(end - start)
    rows = padding.bool()
    torch.testing.assert_close(torch.cat(pieces, dim=1)[rows], whole[rows], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["lsh", "kmeans"])
@torch.no_grad()
def test_the_future_changes_nothing(kind):
    layer, x = wide(MAKERS[kind]()), inputs()
    ctx = context(kind, True)
    before = layer(x, ctx)
    for place in (3, 10, T - 1):
        other = x.clone()
        other[:, place:] = inputs(seed=9)[:, place:]
        after = layer(other, ctx)
        torch.testing.assert_close(after[:, :place], before[:, :place], atol=1e-6, rtol=0)
        assert not torch.allclose(after[:, place:], before[:, place:])


@pytest.mark.parametrize(("kind", "causal"), CAUSAL_OF)
@torch.no_grad()
def test_shapes_without_data_and_half_precision(kind, causal):
    layer = MAKERS[kind]().to("meta")
    view = visibility(LayerConfig(0, kind, 6, causal=causal), SPARSE, 0, T, None, None, torch.device("meta"))
    assert layer(torch.empty(B, T, D, device="meta"), Context(views=(view,))).shape == (B, T, D)
    layer = wide(MAKERS[kind]())
    precise = layer(inputs(), context(kind, causal))
    rounded = layer.bfloat16()(inputs().bfloat16(), context(kind, causal))
    assert rounded.dtype == torch.bfloat16
    close = (rounded.float() - precise).norm(dim=-1) < 0.1 * precise.norm(dim=-1)
    assert close.float().mean() > 0.6  # rounding moves some vectors into another bucket


@pytest.mark.parametrize(("kind", "causal"), CAUSAL_OF)
@torch.no_grad()
def test_own_mask_of_a_caller_is_obeyed(kind, causal):
    layer, allowed = wide(MAKERS[kind]()), torch.rand(B, 1, T, T, generator=torch.Generator().manual_seed(2)) < 0.6
    view = visibility(LayerConfig(0, kind, 6, causal=causal), SPARSE, 0, T, allowed, None, CPU)
    added = torch.zeros(B, 1, T, T).masked_fill(~allowed, float("-inf"))
    with capture("probs") as trace:
        out = layer(inputs(), Context(views=(view,)))
    assert (trace["probs"][~allowed.expand(-1, H, -1, -1)] == 0).all()
    assert out.isfinite().all()
    torch.testing.assert_close(layer(inputs(), Context(views=(Visibility(added),))), out, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("kind", "causal"), CAUSAL_OF)
@torch.no_grad()
def test_heads_can_be_silenced(kind, causal):
    layer, ctx = wide(MAKERS[kind]()), context(kind, causal)
    with patch({"head_out": torch.zeros_like}), capture("out") as trace:
        layer(inputs(), ctx)
    torch.testing.assert_close(trace["out"], layer.o_proj.bias.expand(B, T, D))


def test_hashing_follows_its_seed():
    vectors = torch.randn(B, H, T, D_HEAD)
    first, same, other = (hashing(seed=seed).buckets(vectors) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert set(first.unique().tolist()) <= set(range(4))


def test_layers_of_a_configuration():
    sizes = {"vocab_size": 5, "max_seq_len": T, "d_model": D, "n_layers": 2, "n_heads": H, "d_ff": 8, "biases": BIASES}
    cfg = ModelConfig(**sizes, position="none", mask_pattern=("lsh", "kmeans"), window=4, sparse=SPARSE)
    hashed, routed = lsh(cfg, cfg.layer(0), NoPosition()), routing(cfg, cfg.layer(1), NoPosition())
    assert (hashed.chunk_size, hashed.n_hashes, hashed.n_buckets, hashed.seed, hashed.index) == (3, 2, 4, 5, 0)
    assert (routed.window, routed.centroids.shape, routed.index) == (4, (H, 3, D_HEAD), 1)
    wider = SparsePattern(block_size=4, hash_block_size=6, n_hashes=1, n_buckets=2, like_transformers=True)
    cfg = cfg.replace(mask_pattern=("block_local", "lsh"), window=None, sparse=wider)
    hashed = lsh(cfg, cfg.layer(1), NoPosition())
    assert (hashed.chunk_size, hashed.padded_to, hashed.across_buckets) == (6, 12, True)
    cfg = ModelConfig(
        **sizes, structure="encoder", head="none", position="none", mask_pattern=("longformer",), window=6
    )
    assert longformer(cfg, cfg.layer(0), NoPosition()).n_global == 0
    assert longformer(cfg.replace(sparse=SPARSE), cfg.layer(0), NoPosition()).n_global == 2
