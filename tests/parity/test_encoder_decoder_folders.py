"""A Hugging Face folder of T5, Switch or Marian, loaded here, computes what `transformers` computes."""

import copy

import pytest
import torch

import models
from models.errors import InputError
from tests.parity.agreement import TOLERANCE, VOCABULARY, difference, ids
from tests.parity.conftest import randomise, transformers
from tests.parity.test_folders import rewrite


def t5(**changes):
    sizes = {"vocab_size": VOCABULARY, "d_model": 50, "d_kv": 12, "d_ff": 77, "num_layers": 2, "num_heads": 4}
    settings = {**sizes, "decoder_start_token_id": 0, **changes}
    return transformers.T5ForConditionalGeneration, transformers.T5Config(**settings)


def switch(**changes):
    sizes = {"vocab_size": VOCABULARY, "d_model": 50, "d_kv": 12, "d_ff": 36, "num_layers": 4, "num_decoder_layers": 4}
    sizes |= {"num_heads": 4, "num_experts": 5, "num_sparse_encoder_layers": 2, "num_sparse_decoder_layers": 2}
    config = transformers.SwitchTransformersConfig(**{**sizes, "decoder_start_token_id": 0, **changes})
    return transformers.SwitchTransformersForConditionalGeneration, config


def marian(**changes):
    sizes = {"vocab_size": VOCABULARY, "d_model": 48, "max_position_embeddings": 64}
    for stack, n_layers in (("encoder", 2), ("decoder", 2)):
        sizes |= {f"{stack}_layers": n_layers, f"{stack}_attention_heads": 4, f"{stack}_ffn_dim": 76}
    sizes |= {"pad_token_id": 7, "decoder_start_token_id": 7, "forced_eos_token_id": None, "scale_embedding": True}
    return transformers.MarianMTModel, transformers.MarianConfig(**{**sizes, **changes})


V1_1 = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}

T5S = {
    "v1.0": t5(),
    "v1.0, other buckets, odd width of heads": t5(
        d_kv=7, num_heads=3, relative_attention_num_buckets=16, relative_attention_max_distance=20
    ),
    "v1.0, deeper encoder, other eps": t5(num_layers=3, num_decoder_layers=1, layer_norm_epsilon=1e-3),
    "v1.1": t5(**V1_1),
    "v1.1 silu": t5(feed_forward_proj="gated-silu", tie_word_embeddings=False, num_layers=3, num_decoder_layers=2),
    "exact gelu, another first token": t5(feed_forward_proj="gelu", decoder_start_token_id=3, pad_token_id=3),
}
SWITCHES = {
    "every second layer": switch(),
    "little room": switch(expert_capacity=3),
    "every layer, gelu": switch(
        num_layers=2,
        num_decoder_layers=2,
        num_sparse_encoder_layers=2,
        num_sparse_decoder_layers=2,
        dense_act_fn="gelu",
    ),
    "untied, deeper encoder, every third": switch(
        tie_word_embeddings=False,
        num_layers=6,
        num_decoder_layers=3,
        num_sparse_encoder_layers=2,
        num_sparse_decoder_layers=1,
    ),
}
MARIANS = {
    "as in 2017, relu": marian(activation_function="relu"),
    "as on the hub, swish": marian(activation_function="swish"),
    "unscaled, untied, deeper encoder, odd heads": marian(
        scale_embedding=False,
        tie_word_embeddings=False,
        encoder_layers=3,
        decoder_layers=1,
        d_model=30,
        encoder_attention_heads=6,
        decoder_attention_heads=6,
    ),
}
CASES = {
    **{f"t5 {name}": case for name, case in T5S.items()},
    **{f"switch {name}": case for name, case in SWITCHES.items()},
    **{f"marian {name}": case for name, case in MARIANS.items()},
}


def load_pair(case, folder_of):
    """The same weights in `transformers` (explicit attention) and here, with the folder between them."""
    cls, config = copy.deepcopy(case)
    config._attn_implementation = "eager"
    theirs = cls(config)
    if config.model_type == "t5" and not config.scale_decoder_outputs:
        # The class ties what v1.1 keeps apart.
        theirs.lm_head.weight = torch.nn.Parameter(theirs.lm_head.weight.clone())
    elif not config.tie_word_embeddings:
        theirs.set_input_embeddings(theirs.get_input_embeddings())  # one table for both stacks, as they were trained
    sines = {name: table.clone() for name, table in theirs.state_dict().items() if "embed_positions" in name}
    randomise(theirs)
    theirs.load_state_dict(sines, strict=False)  # parameters there, which nobody trains
    if config.model_type == "marian":
        theirs.final_logits_bias.normal_(generator=torch.Generator().manual_seed(3))
    folder = folder_of(theirs)
    return theirs, models.load(folder).model, folder


@pytest.fixture(scope="module", params=CASES, ids=[name.replace(" ", "-").replace(",", "") for name in CASES])
def trio(request, folder_of):
    return load_pair(CASES[request.param], folder_of)


@pytest.fixture
def pair(trio):
    return trio[:2]


def padded(length: int, side: str) -> torch.Tensor:
    mask = torch.ones(3, length, dtype=torch.long)
    for row, n in enumerate((0, 3, length // 2)):
        if n:
            mask[row, slice(0, n) if side == "left" else slice(length - n, None)] = 0
    return mask


def read(theirs, tokens, written, **asked):
    return theirs(input_ids=tokens, decoder_input_ids=written, **asked)


@torch.no_grad()
def test_logits_and_memory(pair):
    theirs, ours = pair
    tokens, written = ids(3, 31), ids(3, 18, seed=2)
    mine, reference = ours(tokens, decoder_input_ids=written), read(theirs, tokens, written)
    assert difference(mine.logits, reference.logits) < TOLERANCE
    assert difference(mine.memory, reference.encoder_last_hidden_state) < TOLERANCE


def check_maps(trace, reference, rows=None, read_rows=None) -> None:
    for stack, kind, attentions, mask in (
        ("encoder", "attn", reference.encoder_attentions, read_rows),
        ("decoder", "attn", reference.decoder_attentions, rows),
        ("decoder", "cross_attn", reference.cross_attentions, rows),
    ):
        for i, probs in enumerate(attentions):
            mine = trace[f"{stack}.layers.{i}.{kind}.probs"]
            if mask is not None:
                mine, probs = (maps.transpose(1, 2)[mask] for maps in (mine, probs))
            assert difference(mine, probs) < TOLERANCE


@torch.no_grad()
def test_attention_probabilities(pair):
    theirs, ours = pair
    tokens, written = ids(2, 31), ids(2, 18, seed=2)
    with models.capture("*.probs") as trace:
        ours(tokens, decoder_input_ids=written)
    reference = read(theirs, tokens, written, output_attentions=True)
    assert len(reference.cross_attentions) == ours.config.n_layers
    check_maps(trace, reference)


@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_padded_batch(pair, side):
    """Padding of both texts; tokens are compared, and places count as they do in a bare forward."""
    theirs, ours = pair
    if side == "left" and ours.config.moe is not None and ours.config.moe.capacity < 24:
        pytest.skip("padding before the tokens takes up room, by what nobody defines: its own attention")
    tokens, written = ids(3, 24), ids(3, 14, seed=2)
    mask, mask_written = padded(24, side), padded(14, side)
    is_token = mask_written.bool()
    asked = {"attention_mask": mask, "decoder_attention_mask": mask_written}
    with models.capture("*attn.probs") as trace:
        ours(tokens, mask, written, mask_written)
    mine = ours(tokens, mask, written, mask_written)
    reference = read(theirs, tokens, written, **asked, output_attentions=True)
    assert difference(mine.logits[is_token], reference.logits[is_token]) < TOLERANCE
    assert difference(mine.memory[mask.bool()], reference.encoder_last_hidden_state[mask.bool()]) < TOLERANCE
    check_maps(trace, reference, is_token, mask.bool())


@torch.no_grad()
def test_cached_equals_uncached(pair):
    theirs, ours = pair
    tokens, written = ids(2, 20), ids(2, 16, seed=2)
    reference = read(theirs, tokens, written).logits
    memory = ours.encode(tokens)
    cache = ours.new_cache(batch=2)
    sizes = [16] if ours.config.moe is not None and ours.config.moe.capacity < 16 else [5, 1, 1, 8, 1]
    parts = [ours(decoder_input_ids=part, memory=memory, cache=cache).logits for part in written.split(sizes, dim=1)]
    assert difference(torch.cat(parts, dim=1), reference) < TOLERANCE


def test_greedy_tokens(trio):
    theirs, ours, _ = trio
    prompt, start = ids(1, 9, seed=3), ours.config.decoder_start_id
    settings = transformers.GenerationConfig(
        do_sample=False, max_new_tokens=24, pad_token_id=0, eos_token_id=None, decoder_start_token_id=start
    )
    expected = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), generation_config=settings)[0].tolist()
    assert expected[0] == start
    assert len(expected) == 25
    steps = models.generate(ours, prompt, models.Sampling(temperature=0), max_new_tokens=24)
    assert [step.token_id for step in steps] == expected[1:]


@torch.no_grad()
def test_longer_than_in_training(folder_of):
    """T5's distances have no end: beyond n_positions and the farthest bucket it reads on."""
    theirs, ours, _ = load_pair(t5(n_positions=32), folder_of)
    assert ours.config.max_seq_len == 32
    tokens, written = ids(1, 300), ids(1, 290, seed=2)
    assert difference(ours(tokens, decoder_input_ids=written).logits, read(theirs, tokens, written).logits) < TOLERANCE


def test_export_and_back(trio, tmp_path):
    """What `export_hf` writes, `transformers` loads as the same function, with every field of the config as it was."""
    theirs, ours, _ = trio
    models.export_hf(ours, None, tmp_path)
    back = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    assert type(back) is type(theirs)
    assert back.generation_config.decoder_start_token_id == ours.config.decoder_start_id
    tokens, written = ids(2, 20), ids(2, 16, seed=2)
    with torch.no_grad():
        mine, reference = ours(tokens, decoder_input_ids=written), read(back, tokens, written)
        assert difference(mine.logits, reference.logits) < TOLERANCE
    assert models.load(tmp_path).config == ours.config


@torch.no_grad()
def check_same(theirs, folder) -> models.Loaded:
    loaded = models.load(folder)
    tokens, written = ids(2, 20), ids(2, 16, seed=2)
    reference = read(theirs, tokens, written).logits
    assert difference(loaded.model(tokens, decoder_input_ids=written).logits, reference) < TOLERANCE
    return loaded


@pytest.mark.parametrize("name", ["switch untied, deeper encoder, every third", "marian as in 2017, relu"])
def test_two_tables_are_refused(name, folder_of):
    """Encoder and decoder read one table here."""
    _, _, folder = load_pair(CASES[name], folder_of)
    root = "model." if name.startswith("marian") else ""

    def part(tensors):
        table = tensors[f"{root}shared.weight"]
        of_stacks = {"encoder": table.clone(), "decoder": table + 1.0}
        return tensors | {f"{root}{stack}.embed_tokens.weight": copy for stack, copy in of_stacks.items()}

    rewrite(folder, part)
    with pytest.raises(InputError, match="embed_tokens"):
        models.load(folder)


class TestT5:
    def test_a_deeper_decoder(self, folder_of):
        """With a cache, `transformers` would fail here: its cache is as deep as the encoder."""
        theirs, ours, folder = load_pair(t5(num_layers=1, num_decoder_layers=3), folder_of)
        assert (ours.config.n_encoder_layers, ours.config.n_layers) == (1, 3)
        check_same(theirs, folder)

    def test_old_files_hold_copies_of_the_table_and_a_useless_one(self, folder_of):
        theirs, ours, folder = load_pair(T5S["v1.0"], folder_of)
        useless = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"

        def age(tensors):
            shared = tensors["shared.weight"]
            copies = {f"{stack}.embed_tokens.weight": shared.clone() for stack in ("encoder", "decoder")}
            return {**tensors, **copies, "lm_head.weight": shared.clone(), useless: torch.ones(32, 4)}

        rewrite(folder, age)
        assert check_same(theirs, folder).config == ours.config

    def test_the_table_under_another_name_only(self, folder_of):
        theirs, ours, folder = load_pair(T5S["v1.0"], folder_of)

        def rename(tensors):
            return {name.replace("shared", "encoder.embed_tokens"): tensor for name, tensor in tensors.items()}

        rewrite(folder, rename)
        assert check_same(theirs, folder).config == ours.config

    @pytest.mark.parametrize("case", ["v1.0", "v1.1"])
    def test_config_of_version_4(self, case, folder_of):
        """There a head that is tied is scaled, and one that is not, not; nothing else says so."""
        theirs, ours, folder = load_pair(T5S[case], folder_of)
        rewrite(folder, remove=["scale_decoder_outputs", "decoder_start_token_id"], tie_word_embeddings=case == "v1.0")
        again = check_same(transformers.T5ForConditionalGeneration.from_pretrained(folder), folder)
        assert (again.config.tie_embeddings, again.config.scale_logits) == (case == "v1.0",) * 2
        check_same(theirs, folder)

    def test_untied_without_a_head_of_its_own(self, folder_of):
        """`transformers` 5 ties the two whatever the config says, and scales as the config says."""
        _, _, folder = load_pair(T5S["v1.0"], folder_of)
        rewrite(folder, remove=["scale_decoder_outputs"], tie_word_embeddings=False)
        theirs = transformers.T5ForConditionalGeneration.from_pretrained(folder)
        again = check_same(theirs, folder)
        assert (again.config.tie_embeddings, again.config.scale_logits) == (True, False)

    def test_unknown_function_is_refused(self, folder_of):
        _, _, folder = load_pair(T5S["v1.0"], folder_of)
        rewrite(folder, feed_forward_proj="gated-mish")
        with pytest.raises(InputError, match="feed_forward_proj"):
            models.load(folder)


class TestSwitch:
    @pytest.mark.parametrize("case", ["every second layer", "little room", "untied, deeper encoder, every third"])
    @torch.no_grad()
    def test_choices_and_losses_of_the_routers(self, case, folder_of):
        theirs, ours, _ = load_pair(SWITCHES[case], folder_of)
        tokens, written = ids(3, 20), ids(3, 16, seed=2)
        chosen = []
        for module in theirs.modules():
            if type(module).__name__ == "SwitchTransformersTop1Router":
                module.register_forward_hook(lambda module, args, out: chosen.append(out))
        reference = read(theirs, tokens, written, output_router_logits=True)
        mine = ours(tokens, decoder_input_ids=written)
        assert len(mine.routings) == len(chosen) > 1
        n_left_out = 0
        for routing, (dispatch, weight, logits) in zip(mine.routings, chosen, strict=True):
            taken = dispatch.sum(-1) > 0
            expected = torch.where(taken, dispatch.argmax(-1), -1)
            assert torch.equal(routing.expert_ids[..., 0], expected)
            assert difference(routing.weights[taken], weight[taken]) < TOLERANCE
            assert difference(routing.logits, logits) < TOLERANCE
            n_left_out += int((~taken).sum())
        assert (n_left_out > 0) == (case == "little room")
        torch.testing.assert_close(mine.aux_loss, reference.encoder_aux_loss + reference.decoder_aux_loss)
        torch.testing.assert_close(mine.z_loss, reference.encoder_z_loss + reference.decoder_z_loss)

    @pytest.mark.parametrize("n_sparse", [1, 2, 4, 5])
    def test_which_layers_are_sparse(self, n_sparse, folder_of):
        """As the class derives it from how many are: the second of every few, and all if that is every one."""
        case = switch(num_sparse_encoder_layers=n_sparse, num_sparse_decoder_layers=n_sparse)
        if n_sparse > 4:
            folder = folder_of(randomise(case[0](case[1])))
            with pytest.raises(InputError, match="num_sparse_encoder_layers"):
                models.load(folder)
            return
        theirs, ours, folder = load_pair(case, folder_of)
        there = [hasattr(block.layer[-1].mlp, "router") for block in theirs.decoder.block]
        assert [ours.config.layer(i).sparse for i in range(4)] == there
        check_same(theirs, folder)

    def test_stacks_that_differ_are_refused(self, folder_of):
        case = switch(num_sparse_decoder_layers=1)
        folder = folder_of(randomise(case[0](case[1])))
        with pytest.raises(InputError, match="num_sparse_decoder_layers"):
            models.load(folder)

    def test_gated_experts_have_no_class(self, tmp_path):
        cfg = models.preset("switch-base-8").replace(vocab_size=50, n_layers=2, n_encoder_layers=2, ffn="gated")
        with pytest.raises(InputError):
            models.export_hf(models.build(cfg), None, tmp_path)


class TestMarian:
    def test_old_files_hold_sines_and_copies(self, folder_of):
        theirs, ours, folder = load_pair(MARIANS["as on the hub, swish"], folder_of)

        def age(tensors):
            for stack in ("encoder", "decoder"):
                tensors[f"model.{stack}.embed_tokens.weight"] = tensors["model.shared.weight"].clone()
                tensors[f"model.{stack}.embed_positions.weight"] = torch.ones(64, 48)
            return tensors

        rewrite(folder, age, normalize_before=False, add_final_layer_norm=False, static_position_embeddings=True)
        assert check_same(theirs, folder).config == ours.config

    def test_without_a_bias_on_the_logits(self, folder_of, tmp_path):
        _, _, folder = load_pair(MARIANS["as in 2017, relu"], folder_of)
        rewrite(folder, lambda tensors: {name: tensors[name] for name in tensors if name != "final_logits_bias"})
        theirs = transformers.MarianMTModel.from_pretrained(folder).eval()
        loaded = check_same(theirs, folder)
        assert "head" not in loaded.config.biases
        models.export_hf(loaded.model, None, tmp_path)
        check_same(transformers.MarianMTModel.from_pretrained(tmp_path).eval(), tmp_path)

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"share_encoder_decoder_embeddings": False}, "share_encoder_decoder_embeddings"),
            ({"decoder_ffn_dim": 80}, "decoder_ffn_dim"),
            ({"normalize_before": True}, "normalize_before"),
        ],
    )
    def test_what_is_built_otherwise_is_refused(self, changes, named, folder_of):
        _, _, folder = load_pair(MARIANS["as in 2017, relu"], folder_of)
        rewrite(folder, **changes)
        with pytest.raises(InputError, match=named):
            models.load(folder)

    def test_the_papers_order_of_sines_is_not_marians(self, tmp_path):
        sizes = {"vocab_size": 50, "n_layers": 1, "n_encoder_layers": 1, "d_model": 64}
        as_in_marian = {"norm_eps": 1e-5, "biases": ("q", "k", "v", "o", "ffn", "norm")}
        cfg = models.preset("transformer-base").replace(**sizes, **as_in_marian)
        with pytest.raises(InputError, match="sinusoid_layout"):
            models.export_hf(models.build(cfg), None, tmp_path)
        models.export_hf(models.build(cfg.replace(sinusoid_layout="half")), None, tmp_path)
