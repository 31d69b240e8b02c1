"""The parameters that the diagram writes are those of the account."""

import re

import models
from models.config import ModelConfig
from models.sizes import StackSizes, stacks_of
from playground.views.diagram_content import attention
from playground.views.diagram_experts import experts
from playground.views.diagram_feedforward import feedforward
from playground.views.diagram_stack import BOTH, stack
from tests.playground.diagrams import EVERY, PLAIN, boxes, left
from tests.rows import each_row

LAYERED = ("attn", "cross_attn", "ffn", "norms")


def numbers(group) -> list[int]:
    """The exact parameters that a box tells on hover: several where its layers differ."""
    return [int(re.sub(r"\D", "", part)) for title in group.iter("title") for part in title.text.split(" / ")]


def once(svg: str, key: str) -> int:
    return sum(sum(numbers(group)) for group in boxes(svg, key))


def of_stack(svg: str, key: str, stack_number: int, n_stacks: int) -> list:
    """The boxes of one of the columns."""
    found = boxes(svg, key)
    return [group for group in found if n_stacks == 1 or (left(group) > BOTH / 2) == bool(stack_number)]


def in_layers(sizes: StackSizes, svg: str, number: int, n_stacks: int) -> dict[str, int]:
    """What the boxes of a stack's layer say, times the layers that have them."""

    def one(key: str) -> list[int]:
        return [n for group in of_stack(svg, key, number, n_stacks) for n in numbers(group)]

    kinds = sizes.kinds_of_attention()
    pictures = {kind: attention([sizes], kind, PLAIN, "en") for kind in kinds}
    per_kind = {kind: sum(once(picture, key) for key in PROJECTIONS) for kind, picture in pictures.items()}
    assert set(one("attn")) == set(per_kind.values())  # figure (a) says what the matrices of figure (b) add up to
    inner = sum(
        once(picture, key) for picture in list(pictures.values())[:1] for key in ("qk_norm", "q_norm", "kv_norm")
    )
    dense = feedforward(sizes.cfg, PLAIN, "en")
    dense_layer = sum(once(dense, key) for key in ("gate_proj", "up_proj", "down_proj"))
    (of_ffn,) = one("ffn")
    sparse_layers = sizes.n_sparse
    if sparse_layers:
        assert of_ffn == in_mixture(sizes)
    else:
        assert of_ffn == dense_layer
    return {
        "attn": sum(per_kind[kind] * layers.value for kind, layers in kinds.items()),
        "cross_attn": sum(one("cross_attn")) * sizes.depth,
        "norms": (sum(one("norms")) + inner) * sizes.depth,
        "feed-forward": of_ffn * sparse_layers + dense_layer * (sizes.depth - sparse_layers),
    }


PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "qk_proj", "global_projs") + (
    "q_down_proj",
    "q_up_proj",
    "kv_down_proj",
    "kv_up_proj",
)


def in_mixture(sizes: StackSizes) -> int:
    """All parameters of a layer of experts, as its figure says: "8 × 4.72 M" experts among them."""
    svg = experts(sizes, PLAIN, "en")
    (title,) = [title for group in boxes(svg, "experts") for title in group.iter("title")]
    n_experts, each = (int(re.sub(r"\D", "", part)) for part in title.text.split(" × "))
    return n_experts * each + sum(once(svg, key) for key in ("router", "shared", "base"))


@each_row("name", EVERY)
def test_every_number_is_the_accounts(name):
    cfg = EVERY[name]
    account = models.account(cfg)
    svg, stacks = stack(cfg, PLAIN, "en"), stacks_of(cfg)
    counted: dict[str, int] = {}
    for part in account.parts:
        place = "feed-forward" if part.name in ("ffn", "router", "experts", "shared") else part.name
        key = part.key.replace(part.name, place) if place in (*LAYERED, "feed-forward") else place
        counted[key] = counted.get(key, 0) + part.count
    for number, sizes in enumerate(stacks):
        for key, value in in_layers(sizes, svg, number, len(stacks)).items():
            prefix = f"{sizes.prefix}." if sizes.prefix else ""
            assert value == counted.pop(f"{prefix}{key}", 0), key
    counted = {key: value for key, value in counted.items() if value}
    drawn = {key: once(svg, key) for key in counted}
    drawn |= positions(cfg, svg) if "position" in drawn else {}
    if cfg.mtp_depth:
        drawn["mtp"] *= cfg.mtp_depth
    if cfg.block == "reversible" and cfg.structure != "two_towers":
        assert drawn["final_norm"] == 4 * cfg.d_model  # over both streams
    assert drawn == counted


def positions(cfg: ModelConfig, svg: str) -> dict[str, int]:
    """Tables of positions: in the column of each stack, or as a bias in its attention."""
    if cfg.position != "relative":
        return {"position": once(svg, "position")}
    biases = [
        once(attention([sizes], next(iter(sizes.kinds_of_attention())), PLAIN, "en"), "relative")
        for sizes in stacks_of(cfg)
    ]
    return {"position": sum(biases)}


def test_a_box_in_short_says_what_it_says_in_full():
    (attn,) = boxes(stack(models.preset("gpt2"), PLAIN, "en"), "attn")
    (count,) = [text for text in attn.iter("text") if text.get("class") == "count"]
    assert re.sub(r"\s", " ", count.text) == "2.36 M"
    assert numbers(attn) == [2_362_368]
