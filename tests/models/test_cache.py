"""The cache keeps exactly what the layers need, and a text read through it means the same."""

import pytest
import torch

import models
from models.cache import KVCache, Store
from models.config import ModelConfig
from models.errors import InputError
from tests.models.random_configs import VOCABULARY, tokens, wide
from tests.rows import each_row

EQUAL = {"rtol": 1e-5, "atol": 1e-5}


def config(**changes) -> ModelConfig:
    sizes = {"vocab_size": VOCABULARY, "max_seq_len": 64, "d_model": 24, "n_layers": 3, "n_heads": 4, "d_ff": 20}
    return ModelConfig(**{**sizes, **changes})


def sliding(window: int, **changes) -> ModelConfig:
    return config(mask_pattern=("causal", "sliding"), window=window, **changes)


def numbered(first: int, last: int) -> torch.Tensor:
    """Keys (1, 1, T, 1) whose numbers are their places."""
    return torch.arange(first, last, dtype=torch.float32).view(1, 1, -1, 1)


def read(cache: KVCache, first: int, last: int) -> list[float]:
    k, v = cache.extend(0, numbered(first, last), -numbered(first, last))
    assert torch.equal(k, -v)
    assert cache.n_keys(0, last - first) == k.shape[2]
    found = k.flatten().tolist()
    cache.advance(last - first)
    return found


@each_row("sizes", [[1] * 20, [3, 1, 1, 9, 1, 5], [20], [2, 18], [4, 4, 4, 4, 4]])
@each_row("window", [1, 2, 4, 7, 20, 40])
def test_a_window_gives_what_its_tokens_see(window, sizes):
    cache = KVCache([Store((1, 1), (1, 1), window)], batch=1, capacity=20)
    assert cache.nbytes == 2 * 4 * min(window, 20)
    place = 0
    for size in sizes:
        found = read(cache, place, place + size)
        place += size
        needed = list(range(max(0, place - size - (window - 1)), place))
        assert found[-len(needed) :] == needed  # in order, the newest last
        assert len(found) <= max(window, window - 1 + size)
    assert cache.length == 20
    assert cache.nbytes == 2 * 4 * min(window, 20)


def test_without_a_window_everything_is_kept():
    cache = KVCache([Store((1, 1), (1, 1))], batch=1, capacity=6)
    assert read(cache, 0, 4) == [0, 1, 2, 3]
    assert read(cache, 4, 5) == [0, 1, 2, 3, 4]
    with pytest.raises(InputError, match="holds 6 tokens; 7"):
        cache.extend(0, numbered(5, 7), numbered(5, 7))
    with pytest.raises(InputError, match="holds 6 tokens; 7"):
        cache.room(2)
    keys, values = cache.room(1)
    assert keys[0].shape == values[0].shape == (1, 1, 6, 1)


@pytest.mark.parametrize("window", [None, 3])
def test_a_pass_that_failed_leaves_no_trace(window):
    """What was written without `advance` is written anew."""
    cache = KVCache([Store((1, 1), (1, 1), window)], batch=1, capacity=20)
    read(cache, 0, 7)
    cache.extend(0, numbered(50, 55), numbered(50, 55))
    assert read(cache, 7, 9)[-4:] == [5, 6, 7, 8]
    assert read(cache, 9, 10)[-3:] == [7, 8, 9]


def test_rewinding_a_window():
    cache = KVCache([Store((1, 1), (1, 1), 4)], batch=1, capacity=20)
    read(cache, 0, 10)  # holds 6 … 9
    with pytest.raises(InputError, match="after the first 8 of 10"):
        cache.rewind(8)  # the next token would see 5
    assert cache.length == 10
    cache.rewind(9)
    assert read(cache, 9, 11)[-5:] == [6, 7, 8, 9, 10]
    cache.rewind(0)
    assert read(cache, 0, 2) == [0, 1]
    cache.rewind(1)
    assert read(cache, 1, 6) == [0, 1, 2, 3, 4, 5]


def test_what_an_encoder_read_is_kept_once_for_each_layer():
    cache = KVCache.for_model(config(structure="encoder_decoder"), batch=2, capacity=8)
    own = cache.nbytes
    assert own == 3 * 2 * 2 * 8 * 24 * 4
    assert cache.cross(1) is None
    both = torch.randn(2, 8, 5, 6)
    cache.keep_cross(1, both[:, :4], both[:, 4:])
    k, v = cache.cross(1)
    assert torch.equal(k, both[:, :4])
    assert torch.equal(v, both[:, 4:])
    assert cache.cross(0) is None
    assert cache.nbytes == own + both.nbytes
    cache.rewind(0)
    assert cache.cross(1) is not None


@pytest.mark.parametrize(
    "cfg",
    [
        sliding(5),
        sliding(5, attention="gqa", n_kv_heads=2),
        sliding(1),
        sliding(3, position="alibi"),
        sliding(4, position="relative"),
        config(mask_pattern=("sliding",), window=6),
    ],
    ids=["rotary", "gqa", "window 1", "alibi", "relative", "all sliding"],
)
@torch.no_grad()
def test_sliding_layers_read_the_same_from_a_short_cache(cfg):
    model, ids = wide(cfg), tokens(2, 30)
    mask = torch.ones(2, 30, dtype=torch.long)
    mask[1, :4] = 0
    for sizes in ([1] * 30, [11, 1, 1, 9, 1, 7], [30]):
        for attention_mask in (None, mask):
            whole = model(ids, attention_mask).logits
            cache, pieces, n_read = model.new_cache(2), [], 0
            for part in ids.split(sizes, dim=1):
                n_read += part.shape[1]
                seen = None if attention_mask is None else attention_mask[:, :n_read]
                pieces.append(model(part, seen, cache=cache).logits)
            torch.testing.assert_close(torch.cat(pieces, dim=1)[0], whole[0], **EQUAL)
            torch.testing.assert_close(torch.cat(pieces, dim=1)[1, 4:], whole[1, 4:], **EQUAL)


@pytest.mark.parametrize("context", [3, 5, 6, 40])
def test_bytes_are_those_of_the_account(context):
    for cfg in (sliding(5), sliding(5, attention="gqa", n_kv_heads=2), config(mask_pattern=("sliding",), window=6)):
        expected = models.account(cfg, context=context, batch=3, dtype="fp32").kv_bytes
        assert KVCache.for_model(cfg, 3, context).nbytes == expected


@torch.no_grad()
def test_a_cache_may_be_read_outside_inference_mode_as_well():
    model, ids = wide(sliding(3)), tokens(1, 12)
    cache = model.new_cache()
    with torch.inference_mode():
        model(ids[:, :8], cache=cache)
    found = model(ids[:, 8:], cache=cache).logits
    torch.testing.assert_close(found, model(ids).logits[:, 8:], **EQUAL)


def test_check_names_depth_and_batch():
    cache = KVCache.for_model(config(), batch=2, capacity=4)
    cache.check(3, 2)
    with pytest.raises(InputError, match="layers, B"):
        cache.check(3, 1)
    with pytest.raises(InputError, match="layers, B"):
        cache.check(4, 2)
