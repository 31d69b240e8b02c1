"""A Hugging Face folder of BERT, Longformer, BigBird or Reformer, loaded here, computes what `transformers` computes."""

import copy

import pytest
import torch

import models
from models.errors import InputError
from tests.parity.agreement import TOLERANCE, VOCABULARY, difference, ids
from tests.parity.conftest import randomise, transformers
from tests.parity.test_folders import rewrite

SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 76,
}


def bert(kind="ForPreTraining", **changes):
    config = transformers.BertConfig(**{**SIZES, "max_position_embeddings": 40, **changes})
    return getattr(transformers, f"Bert{kind}"), config


def longformer(kind="ForMaskedLM", **changes):
    sizes = {"max_position_embeddings": 70, "attention_window": [8, 8], "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    config = transformers.LongformerConfig(**{**SIZES, **sizes, **changes})
    return getattr(transformers, f"Longformer{kind}"), config


def big_bird(kind="ForMaskedLM", **changes):
    sizes = {"max_position_embeddings": 80, "block_size": 4, "num_random_blocks": 2}
    return getattr(transformers, f"BigBird{kind}"), transformers.BigBirdConfig(**{**SIZES, **sizes, **changes})


BERTS = {
    "pre-training": bert(),
    "pre-training untied": bert(tie_word_embeddings=False),
    "masked": bert("ForMaskedLM"),
    "masked untied, odd heads, relu, other eps": bert(
        "ForMaskedLM",
        tie_word_embeddings=False,
        hidden_size=35,
        num_attention_heads=5,
        hidden_act="relu",
        layer_norm_eps=1e-3,
    ),
    "bare, tanh gelu, three segments": bert("Model", hidden_act="gelu_new", type_vocab_size=3),
    "classifier": bert("ForSequenceClassification", num_labels=5),
}
LONGFORMERS = {
    "masked": longformer(),
    "masked untied, odd heads": longformer(hidden_size=35, num_attention_heads=5, tie_word_embeddings=False),
    "wide window, other padding": longformer(attention_window=24, pad_token_id=0),
    "bare, two segments": longformer("Model", type_vocab_size=2),
}
BIG_BIRDS = {
    "masked": big_bird(),
    "masked untied, without biases, scaled": big_bird(
        tie_word_embeddings=False, use_bias=False, rescale_embeddings=True, num_random_blocks=1
    ),
    "pre-training, odd heads": big_bird("ForPreTraining", hidden_size=35, num_attention_heads=5, hidden_act="gelu"),
    "bare, everything seen": big_bird("Model", attention_type="original_full"),
}


def load_pair(case, folder_of, seed: int = 0):
    """The same weights in `transformers` (explicit attention) and here, with the folder between them."""
    cls, config = copy.deepcopy(case)
    config._attn_implementation = "eager"
    theirs = randomise(cls(config), seed)
    folder = folder_of(theirs)
    return theirs, models.load(folder).model, folder


def named(cases):
    return pytest.mark.parametrize(
        "case", cases.values(), ids=[name.replace(" ", "-").replace(",", "") for name in cases]
    )


def padding(n_batch: int, length: int, side: str) -> torch.Tensor:
    mask = torch.ones(n_batch, length, dtype=torch.long)
    for row in range(1, n_batch):
        n = min(5 * row, length - 2)
        mask[row, slice(0, n) if side == "left" else slice(length - n, None)] = 0
    return mask


def check_answers(mine, reference, is_token=None, pooled: bool = True) -> None:
    """Every answer that `transformers` gives, here too: of tokens where there are rows for them.

    pooled: whether to compare what is read at the first place, too, which may be padding.
    """
    rows = slice(None) if is_token is None else is_token
    compared = 0
    for name, ours in {
        "last_hidden_state": mine.hidden,
        "prediction_logits": mine.logits,
        "logits": mine.logits,
        "seq_relationship_logits": mine.nsp_logits,
        "pooler_output": mine.pooled,
    }.items():
        theirs = getattr(reference, name, None)
        if theirs is not None:
            per_token = theirs.dim() == 3
            if per_token or pooled:
                assert difference(ours[rows] if per_token else ours, theirs[rows] if per_token else theirs) < TOLERANCE
            compared += 1
    assert compared


def segments(config, tokens: torch.Tensor) -> torch.Tensor:
    return torch.arange(tokens.shape[1]).expand_as(tokens) % config.type_vocab_size


@named(BERTS)
@torch.no_grad()
def test_bert(case, folder_of):
    theirs, ours, _ = load_pair(case, folder_of)
    tokens = ids(3, 30)
    check_answers(ours(tokens), theirs(tokens))
    of = segments(case[1], tokens)
    check_answers(ours(tokens, token_type_ids=of), theirs(tokens, token_type_ids=of))
    assert difference(ours(tokens, token_type_ids=of).hidden, ours(tokens).hidden) > 100 * TOLERANCE
    for side in ("left", "right"):
        mask = padding(3, 30, side)
        is_token = mask.bool()
        with models.capture("*.attn.probs") as trace:
            mine = ours(tokens, mask)
        reference = theirs(tokens, attention_mask=mask, output_attentions=True)
        check_answers(mine, reference, is_token, pooled=side == "right")
        for i, probs in enumerate(reference.attentions):
            rows_mine, rows = (maps.transpose(1, 2)[is_token] for maps in (trace[f"layers.{i}.attn.probs"], probs))
            assert difference(rows_mine, rows) < TOLERANCE


@named({**BERTS, **{f"longformer {name}": case for name, case in LONGFORMERS.items()}})
@torch.no_grad()
def test_export_and_back(case, folder_of, tmp_path):
    theirs, ours, _ = load_pair(case, folder_of)
    models.export_hf(ours, None, tmp_path)
    back = type(theirs).from_pretrained(tmp_path).eval()
    tokens = ids(2, 30).clamp(min=3)
    check_answers(ours(tokens), back(tokens))
    assert transformers.AutoConfig.from_pretrained(tmp_path).architectures == [type(theirs).__name__]
    assert models.load(tmp_path).config == ours.config


@torch.no_grad()
def test_names_of_the_first_bert_files(folder_of):
    """bert-base's own file: gamma and beta, numbers of positions, and heads that the class in config.json lacks."""
    theirs, ours, folder = load_pair(BERTS["pre-training"], folder_of)

    def age(tensors):
        old = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
            for name, tensor in tensors.items()
        }
        old["bert.embeddings.position_ids"] = torch.arange(40)[None]
        old["cls.predictions.decoder.weight"] = old["bert.embeddings.word_embeddings.weight"].clone()
        return old

    rewrite(folder, age, architectures=["BertForMaskedLM"])
    again = models.load(folder)
    assert again.config == ours.config
    check_answers(again.model(ids(2, 20)), theirs(ids(2, 20)))


@pytest.mark.parametrize("kind", ["BertModel", "BertForMaskedLM", None])
@pytest.mark.parametrize("pooled", [True, False])
@torch.no_grad()
def test_the_encoder_alone(pooled, kind, folder_of):
    """Saved without heads, names lack their prefix; the pooler may be missing, whatever class config.json names."""
    theirs = randomise(transformers.BertModel(BERTS["masked"][1], add_pooling_layer=pooled))
    folder = folder_of(theirs)
    rewrite(folder, architectures=None if kind is None else [kind])
    ours = models.load(folder)
    assert (ours.config.head, ours.config.pooler) == ("none", pooled)
    check_answers(ours.model(ids(2, 20)), theirs(ids(2, 20)))


@torch.no_grad()
def test_a_matrix_of_the_head_that_differs_is_believed(folder_of):
    _, _, folder = load_pair(BERTS["masked untied, odd heads, relu, other eps"], folder_of)
    rewrite(folder, tie_word_embeddings=True)
    theirs = transformers.BertForMaskedLM.from_pretrained(folder)
    ours = models.load(folder)
    assert not ours.config.tie_embeddings
    check_answers(ours.model(ids(2, 20)), theirs(ids(2, 20)))


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"is_decoder": True}, "is_decoder"), ({"position_embedding_type": "relative_key"}, "position_embedding_type")],
)
def test_a_bert_that_computes_otherwise_is_refused(changes, named, folder_of):
    _, _, folder = load_pair(BERTS["masked"], folder_of)
    rewrite(folder, **changes)
    with pytest.raises(InputError, match=named):
        models.load(folder)


def longformer_text(n_batch: int, length: int, pad_id: int, side: str | None = None):
    """Tokens that are no padding, or padding where the mask says so, and the positions that count tokens only."""
    tokens = ids(n_batch, length).clamp(min=3)
    mask = torch.ones_like(tokens) if side is None else padding(n_batch, length, side)
    return tokens.masked_fill(mask == 0, pad_id), mask, (mask.cumsum(-1) - 1).clamp(min=0)


@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("length", [48, 41, 5])
@named(LONGFORMERS)
@torch.no_grad()
def test_longformer(case, length, side, folder_of):
    """48 tokens are a multiple of both windows; 41 and 5 are filled up by `transformers`, which changes nothing."""
    theirs, ours, _ = load_pair(case, folder_of)
    tokens, mask, positions = longformer_text(3, length, case[1].pad_token_id, side)
    asked = {} if side is None else {"attention_mask": mask}
    placed = {"position_ids": positions} if side == "left" else {}
    is_token = mask.bool()
    globals_at = [[], [0], [0, 1, length - 2]]
    for places in globals_at:
        is_global = torch.zeros_like(mask)
        is_global[:, places] = 1
        is_global &= mask
        mine = ours(tokens, **asked, **placed, global_attention_mask=is_global if places else None)
        reference = theirs(tokens, **asked, global_attention_mask=is_global)
        check_answers(mine, reference, is_token, pooled=side != "left")


@torch.no_grad()
def test_longformers_window(folder_of):
    """Half of the window on either side, the token itself between; `transformers` gives each row as such a band."""
    theirs, ours, _ = load_pair(LONGFORMERS["masked"], folder_of)
    tokens, _, _ = longformer_text(2, 32, 1)
    with models.capture("*.attn.probs") as trace:
        ours(tokens)
    bands = theirs(tokens, output_attentions=True).attentions  # (B, H, T, window + 1) a layer
    for i, band in enumerate(bands):
        probs = torch.zeros(2, 4, 32, 32 + 8)
        for q in range(32):
            probs[:, :, q, q : q + 9] = band[:, :, q]
        assert difference(trace[f"layers.{i}.attn.probs"], probs[..., 4:-4]) < TOLERANCE


def test_windows_that_differ_are_refused(folder_of):
    _, _, folder = load_pair(LONGFORMERS["masked"], folder_of)
    rewrite(folder, attention_window=[8, 16])
    with pytest.raises(InputError, match="attention_window"):
        models.load(folder)


@named(BIG_BIRDS)
@torch.no_grad()
def test_big_bird(case, folder_of):
    """Seen in blocks from 37 tokens on (29 with one random block), whole before; 50 are filled up to 52 first."""
    for length in (64, 50, 20):  # once it has seen a short text, the class goes on seeing everything
        theirs, ours, _ = load_pair(case, folder_of)
        tokens = ids(3, length)
        of = segments(case[1], tokens)
        check_answers(ours(tokens, token_type_ids=of), theirs(tokens, token_type_ids=of))
        mask = padding(3, length, "right")
        check_answers(ours(tokens, mask), theirs(tokens, attention_mask=mask), mask.bool())


@torch.no_grad()
def test_big_bird_sees_everything_up_to_a_length(folder_of):
    theirs, ours, _ = load_pair(BIG_BIRDS["masked"], folder_of)
    tokens = ids(2, 36)
    with models.capture("*.attn.probs") as trace:
        ours(tokens)
    for i, probs in enumerate(theirs(tokens, output_attentions=True).attentions):
        assert difference(trace[f"layers.{i}.attn.probs"], probs) < TOLERANCE


@named(BIG_BIRDS)
@torch.no_grad()
def test_export_of_big_bird(case, folder_of, tmp_path):
    theirs, ours, _ = load_pair(case, folder_of)
    models.export_hf(ours, None, tmp_path)
    names = transformers.AutoConfig.from_pretrained(tmp_path).architectures
    back = getattr(transformers, names[0]).from_pretrained(tmp_path).eval()
    tokens = ids(2, 50)
    check_answers(ours(tokens), back(tokens))
    check_answers(models.load(tmp_path).model(tokens), theirs(tokens))


def test_the_papers_random_blocks_are_not_those_of_transformers(tmp_path):
    cfg = models.preset("bigbird-roberta-base").replace(vocab_size=50, n_layers=1)
    with pytest.raises(InputError, match="sparse"):
        models.export_hf(models.build(cfg), None, tmp_path)


def reformer(**changes):
    sizes = {
        "vocab_size": VOCABULARY,
        "hidden_size": 36,
        "num_attention_heads": 3,
        "attention_head_size": 10,
        "feed_forward_size": 50,
        "is_decoder": True,
        "max_position_embeddings": 96,
        "axial_pos_shape": [8, 12],
        "axial_pos_embds_dim": [14, 22],
        "attn_layers": ["local", "lsh", "local", "lsh"],
        "local_attn_chunk_length": 4,
        "lsh_attn_chunk_length": 8,
        "num_buckets": 6,
        "num_hashes": 2,
        "hash_seed": 5,
    }
    return transformers.ReformerModelWithLMHead, transformers.ReformerConfig(**{**sizes, **changes})


REFORMERS = {
    "local": reformer(attn_layers=["local", "local"]),
    "local, learned positions, gelu, two chunks before": reformer(
        attn_layers=["local"],
        axial_pos_embds=False,
        hidden_act="gelu",
        local_attn_chunk_length=2,
        local_num_chunks_before=2,
        layer_norm_eps=1e-3,
    ),
    "local and hashed": reformer(),
    "hashed": reformer(attn_layers=["lsh", "lsh"], num_hashes=1),
    "hashed with another seed": reformer(attn_layers=["lsh", "local", "local"], hash_seed=17, num_buckets=[4]),
}


@pytest.fixture
def same_draws(monkeypatch):
    """Rotations in double precision are those of single precision, not draws of their own."""
    draw = torch.randn
    monkeypatch.setattr(torch, "randn", lambda *args, dtype=None, **options: draw(*args, **options).to(dtype))


def reformer_pair(case, folder_of):
    """The same weights here, and there in double precision: it weighs rounds of hashing at scores of -100,000 where a
    token sees nobody, of which single precision keeps two digits behind the point.

    `transformers` 5 has dropped the bias of this head, which its files still hold: it is zero.
    """
    cls, config = copy.deepcopy(case)
    theirs = randomise(cls(config))
    with torch.no_grad():
        theirs.lm_head.bias.zero_()
    folder = folder_of(theirs)
    return theirs.double(), models.load(folder).model, folder


@pytest.mark.parametrize("length", [48, 21, 8])
@named(REFORMERS)
@torch.no_grad()
def test_reformer(case, length, folder_of, same_draws):
    """21 tokens are filled up to a multiple of both chunks, 8 are one chunk of hashing."""
    theirs, ours, _ = reformer_pair(case, folder_of)
    tokens = ids(3, length)
    assert difference(ours(tokens).logits, theirs(tokens).logits.float()) < TOLERANCE
    mask = padding(3, length, "right")
    mine, reference = ours(tokens, mask).logits, theirs(tokens, attention_mask=mask).logits.float()
    assert difference(mine[mask.bool()], reference[mask.bool()]) < TOLERANCE


@torch.no_grad()
def test_reformers_bias_is_added(folder_of):
    """As in version 4 of `transformers`, and in the code that trained the released models."""
    theirs, ours, folder = reformer_pair(REFORMERS["local"], folder_of)
    bias = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(2))
    rewrite(folder, lambda tensors: tensors | {"lm_head.bias": bias})
    tokens = ids(2, 12)
    torch.testing.assert_close(models.load(folder).model(tokens).logits, ours(tokens).logits + bias)


@named(REFORMERS)
@torch.no_grad()
def test_export_of_reformer(case, folder_of, tmp_path, same_draws):
    theirs, ours, _ = reformer_pair(case, folder_of)
    models.export_hf(ours, None, tmp_path)
    back = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float64).eval()
    assert type(back) is type(theirs)
    tokens = ids(2, 48)
    assert difference(ours(tokens).logits, back(tokens).logits.float()) < TOLERANCE
    assert models.load(tmp_path).config == ours.config


@pytest.mark.parametrize("changes", [{"num_buckets": [4, 6]}, {"num_buckets": None}, {"is_decoder": False}])
def test_a_reformer_that_computes_otherwise_is_refused(changes, folder_of):
    _, _, folder = reformer_pair(REFORMERS["local and hashed"], folder_of)
    rewrite(folder, **changes)
    with pytest.raises(InputError, match=next(iter(changes))):
        models.load(folder)
