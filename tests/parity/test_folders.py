"""The forms that a Hugging Face folder comes in: old names, shards, both spellings of the config; and the way back."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

import models
from models import tokenizers
from models.errors import InputError
from tests.parity.agreement import TOLERANCE, difference, ids
from tests.parity.conftest import randomise, transformers
from tests.parity.test_parity import CASES, gpt2, llama, llama3_scaling


def saved(case, folder_of, **options):
    cls, config = case
    theirs = randomise(cls(config))
    return theirs, folder_of(theirs, **options)


def rewrite(folder, tensors=None, remove=(), **config):
    """Change a folder's tensors (a function of the dictionary) and config.json."""
    if tensors is not None:
        path = folder / "model.safetensors"
        changed = {name: tensor.contiguous() for name, tensor in tensors(load_file(path)).items()}
        save_file(changed, path, metadata={"format": "pt"})
    values = json.loads((folder / "config.json").read_text())
    values = {name: value for name, value in {**values, **config}.items() if name not in remove}
    (folder / "config.json").write_text(json.dumps(values))


@torch.no_grad()
def same(theirs, folder, length=30) -> models.Loaded:
    loaded = models.load(folder)
    tokens = ids(2, length)
    assert difference(loaded.model(tokens).logits, theirs(tokens).logits) < TOLERANCE
    return loaded


def test_gpt2_names_without_prefix_and_with_buffers(folder_of):
    """The hub's own gpt2 file: no `transformer.` before the names, and a causal mask among the weights."""
    theirs, folder = saved(gpt2(), folder_of)

    def age(tensors):
        old = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
        for i in range(3):
            old[f"h.{i}.attn.bias"] = torch.ones(1, 1, 64, 64).tril()
            old[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
        return old

    rewrite(folder, age)
    assert same(theirs, folder).config.tie_embeddings


def test_llama_names_without_prefix_and_with_buffers(folder_of):
    """As saved by the headless class, with the frequency tables of old versions; the head is the embedding then."""
    theirs, folder = saved(llama(tie_word_embeddings=True), folder_of)

    def age(tensors):
        old = {name.removeprefix("model."): tensor for name, tensor in tensors.items()}
        return old | {f"layers.{i}.self_attn.rotary_emb.inv_freq": torch.ones(6) for i in range(3)}

    rewrite(folder, age)
    same(theirs, folder)


@pytest.mark.parametrize("case", ["gpt2", "llama gqa"])
def test_sharded(case, folder_of):
    theirs, folder = saved(CASES[case], folder_of, max_shard_size="60KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    assert not (folder / "model.safetensors").exists()
    same(theirs, folder)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_files(dtype, folder_of):
    cls, config = llama()
    folder = folder_of(randomise(cls(config)).to(dtype))
    loaded = same(cls.from_pretrained(folder, dtype=torch.float32), folder)
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}
    kept = models.load(folder, dtype=dtype).model
    assert {parameter.dtype for parameter in kept.parameters()} == {dtype}
    with torch.no_grad():
        assert difference(kept(ids(1, 20)).logits.float(), loaded.model(ids(1, 20)).logits) < 0.5


@pytest.mark.parametrize("key", ["rope_type", "type"])
@pytest.mark.parametrize("scaling", ["default", "linear", "llama3"])
def test_rope_fields_of_version_4(key, scaling, folder_of):
    """Hub files say `rope_theta` and `rope_scaling`; version 5 says `rope_parameters`. Both mean the same."""
    rope = {
        "default": {"rope_parameters": {"rope_type": "default", "rope_theta": 3e5}},
        "linear": {"rope_parameters": {"rope_type": "linear", "rope_theta": 3e5, "factor": 4.0}},
        "llama3": llama3_scaling(),
    }[scaling]
    theirs, folder = saved(llama(**rope), folder_of)
    new = models.load(folder)
    values = dict(rope["rope_parameters"])
    theta, kind = values.pop("rope_theta"), values.pop("rope_type")
    old = None if kind == "default" else {key: kind, **values}
    rewrite(folder, remove=["rope_parameters"], rope_theta=theta, rope_scaling=old)
    assert same(theirs, folder, length=60).config == new.config


def test_absent_fields_have_the_defaults_of_the_class(folder_of):
    """LLaMA-1 configs know neither key-value heads, rotary settings, biases nor head sizes."""
    theirs, folder = saved(llama(), folder_of)
    newer = ["num_key_value_heads", "head_dim", "rope_parameters", "attention_bias", "mlp_bias", "tie_word_embeddings"]
    rewrite(folder, remove=newer)
    same(theirs, folder)


def test_head_stored_beside_its_twin(folder_of):
    """Files converted from pickles hold a tied matrix twice."""
    theirs, folder = saved(gpt2(), folder_of)
    rewrite(folder, lambda tensors: tensors | {"lm_head.weight": tensors["transformer.wte.weight"].clone()})
    assert same(theirs, folder).config.tie_embeddings


def test_tied_matrix_stored_under_the_head_only(folder_of):
    theirs, folder = saved(llama(tie_word_embeddings=True), folder_of)

    def rename(tensors):
        return {name.replace("model.embed_tokens.weight", "lm_head.weight"): tensor for name, tensor in tensors.items()}

    rewrite(folder, rename)
    assert same(theirs, folder).config.tie_embeddings


def test_a_head_that_differs_is_believed(folder_of):
    """The config says tied, the file has two different matrices: `transformers` keeps both, and so do we."""
    _, folder = saved(llama(), folder_of)
    rewrite(folder, tie_word_embeddings=True)
    theirs = transformers.LlamaForCausalLM.from_pretrained(folder)
    assert not same(theirs, folder).config.tie_embeddings


def test_no_head_and_no_word_about_tying(folder_of):
    theirs, folder = saved(llama(tie_word_embeddings=True), folder_of)
    rewrite(folder, remove=["tie_word_embeddings"])
    assert same(theirs, folder).config.tie_embeddings


def test_no_head_although_untied(folder_of):
    _, folder = saved(llama(tie_word_embeddings=True), folder_of)
    rewrite(folder, tie_word_embeddings=False)
    with pytest.raises(InputError, match=r"Missing: lm_head\.weight"):
        models.load(folder)


@pytest.mark.parametrize("name", CASES)
def test_export_and_back(name, folder_of, tmp_path):
    """What `export_hf` writes, `transformers` loads as the same function, with every field of the config as it was."""
    _, folder = saved(CASES[name], folder_of)
    ours = models.load(folder)
    models.export_hf(ours.model, None, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert type(theirs) is CASES[name][0]
    assert same(theirs, tmp_path, length=60).config == ours.config


@torch.no_grad()
def test_export_in_bf16(tmp_path):
    model = models.build(models.preset("llama-mini").replace(n_layers=2, vocab_size=300))
    models.export_hf(model, None, tmp_path, dtype="bf16")
    assert transformers.AutoModelForCausalLM.from_pretrained(tmp_path).dtype == torch.bfloat16
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert difference(theirs(ids(1, 20)).logits, models.load(tmp_path).model(ids(1, 20)).logits) < TOLERANCE


def test_export_with_tokenizer(tmp_path):
    """`AutoTokenizer` reads the exported tokenizer and gives the same ids; generation knows where a text ends."""
    tokenizer = tokenizers.bytes_tokenizer()
    cfg = models.preset("gpt2-mini").replace(n_layers=1, vocab_size=tokenizer.vocab_size)
    models.export_hf(models.build(cfg), tokenizer, tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "Once upon a time,\n 从前 🙂"
    assert theirs(text)["input_ids"] == tokenizer.encode(text)
    assert theirs.decode(tokenizer.encode(text)) == text
    assert theirs.eos_token_id == tokenizer.eos_id
    assert transformers.AutoConfig.from_pretrained(tmp_path).eos_token_id == tokenizer.eos_id
    assert models.load(tmp_path).tokenizer.encode(text) == tokenizer.encode(text)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"norm": "layernorm"}, "norm"),
        ({"block": "parallel"}, "block"),
        ({"rotary_dim": 8}, "rotary_dim"),
        ({"mask_pattern": ("dilated",), "window": 9}, "mask_pattern"),
        ({"biases": ("q", "k")}, "biases"),
        ({"position": "alibi"}, "position"),
        ({"n_heads": 5, "n_kv_heads": 5, "attention": "mha", "d_head": 32}, "d_model"),
    ],
)
def test_export_names_what_stands_in_the_way(changes, named, tmp_path):
    model = models.build(models.preset("llama-mini").replace(n_layers=1, vocab_size=64, **changes))
    with pytest.raises(InputError) as caught:
        models.export_hf(model, None, tmp_path)
    assert caught.value.code == "weights_not_exportable"
    assert "LlamaForCausalLM" in str(caught.value)
    assert named in str(caught.value)
    assert not list(tmp_path.iterdir())
