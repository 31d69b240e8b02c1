"""The pictures of masks are the masks of the core, for sixteen tokens."""

import pytest

import models
from models.combinations import MASKS_OF
from models.config import CHOICES, LayerConfig, SparsePattern
from playground.views.mask_picture import PATTERNS, TOKENS, Sketch, grid, mask_picture, sees, sketch_of
from tests.playground.diagrams import BERT, EVERY_SPARSE, GPT2, tree
from tests.rows import each_row

BY_CONTENT = ("lsh", "kmeans")
BOTH = [(mask, False) for mask in MASKS_OF["encoder"]] + [(mask, True) for mask in MASKS_OF["decoder"]]


def picture(mask: str, sketch: Sketch) -> list[list[bool]]:
    return [[sees(mask, query, key, sketch) for key in range(TOKENS)] for query in range(TOKENS)]


def test_every_mask_has_a_picture():
    assert set(PATTERNS) == set(CHOICES["mask"])


@each_row(("mask", "causal"), [pair for pair in BOTH if pair[0] not in BY_CONTENT])
@each_row("seed", [0, 7])
def test_a_picture_is_the_core_s_mask(mask, causal, seed):
    torch = pytest.importorskip("torch")
    from models.parts.masks import visibility

    sketch = Sketch(
        causal=causal, window=6, dilation=2, n_global=2, block_size=2, n_blocks_before=1, n_random=2, seed=seed
    )
    sparse = SparsePattern(dilation=2, n_global=2, block_size=2, n_blocks_before=1, n_random=2, seed=seed)
    layer = LayerConfig(index=0, mask=mask, window=6, causal=causal)
    view = visibility(layer, sparse, 0, TOKENS, None, None, torch.device("cpu"))
    expected = view.allowed(torch.Size((TOKENS, TOKENS)), torch.device("cpu"))
    assert torch.equal(torch.tensor(picture(mask, sketch)), expected.reshape(TOKENS, TOKENS))


def test_a_prefix_is_seen_by_all():
    torch = pytest.importorskip("torch")
    from models.parts.masks import visibility

    layer = LayerConfig(index=0, mask="prefix", window=None, causal=False)
    view = visibility(layer, None, 0, TOKENS, None, None, torch.device("cpu"), torch.tensor([6]))
    expected = view.allowed(torch.Size((TOKENS, TOKENS)), torch.device("cpu"))
    assert torch.equal(torch.tensor(picture("prefix", Sketch(prefix=6))), expected.reshape(TOKENS, TOKENS))


@pytest.mark.parametrize("mask", BY_CONTENT)
def test_an_example_of_choice_by_content_respects_time(mask):
    cells = picture(mask, Sketch(causal=True))
    assert all(cells[query][query] for query in range(TOKENS))
    assert not any(cells[query][key] for query in range(TOKENS) for key in range(query + 1, TOKENS))
    assert any(cells[query][key] for query in range(TOKENS) for key in range(query))


def test_small_numbers_are_drawn_to_scale_and_large_ones_smaller():
    windowed = GPT2.replace(mask_pattern=("sliding",), window=3)
    assert sketch_of(windowed).window == 3
    assert sketch_of(windowed.replace(window=512)).window == 4
    assert sketch_of(BERT.replace(mask_pattern=("bigbird",), sparse=EVERY_SPARSE)).block_size == 2
    assert sketch_of(models.preset("longformer-base-4096")).n_global == 1  # told with each text: one, for example


def test_cells_are_filled_where_a_query_may_look():
    drawn = tree(f"<g>{mask_picture('causal', Sketch(), 10, 20, 160)}</g>")
    filled = drawn.find("path[@class='seen']").get("d")
    assert filled.count("M") == TOKENS  # one run in each row
    assert filled.startswith("M10 20h10v10h-10z")
    assert "M10 170h160v10h-160z" in filled


def test_runs_of_cells_are_one_rectangle():
    drawn = tree(f"<g>{grid([[True, True, False, True]], 0, 0, 5)}</g>")
    assert drawn.find("path[@class='seen']").get("d") == "M0 0h10v5h-10zM15 0h5v5h-5z"
