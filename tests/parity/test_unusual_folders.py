"""Folders that are rarer than a family's usual model: other heads, second spellings, settings that change little."""

import copy

import pytest
import torch

import models
from models.errors import InputError
from models.weights.layouts import layout_of
from tests.parity.agreement import TOLERANCE, VOCABULARY, difference, ids
from tests.parity.conftest import randomise, transformers
from tests.parity.decoders import CASES, bloom, deepseek_v2, label, llama
from tests.parity.test_encoder_decoder_folders import marian, switch, t5
from tests.parity.test_folders import rewrite, same
from tests.parity.test_parity import gpt2

DECODERS = [
    "llama yarn",
    "mistral window",
    "qwen2",
    "qwen3 moe",
    "mixtral",
    "deepseek v2",
    "deepseek v3",
    "glm",
    "bloom",
]
BERT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 76,
    "max_position_embeddings": 64,
}
SIDES = {f"{stack}_{size}": n for stack in ("encoder", "decoder") for size, n in (("ffn_dim", 76), ("layers", 2))}


def relative(case, ending, **changes):
    """A model of the same family as `case`, of the class whose name ends so."""
    config = copy.deepcopy(CASES[case][1] if isinstance(case, str) else case[1])
    for name, value in changes.items():
        setattr(config, name, value)
    return randomise(getattr(transformers, type(config).__name__.replace("Config", ending))(config))


def read(model_type, **values):
    values = {"model_type": model_type, **values}
    return layout_of(values).read_config(values)


def refusal(folder) -> InputError:
    with pytest.raises(InputError) as caught:
        models.load(folder)
    return caught.value


class TestHeadsOfDecoders:
    @torch.no_grad()
    @pytest.mark.parametrize("case", [*DECODERS, "gpt1"], ids=label)
    def test_classifier(self, case, folder_of):
        """The last token that is no padding is read, on either side of which there may be some."""
        theirs = relative(case, "ForSequenceClassification", pad_token_id=0, num_labels=3)
        ours = models.load(folder_of(theirs)).model
        assert (ours.config.head, ours.config.n_classes) == ("classification", 3)
        tokens = ids(3, 20).clamp(min=1)
        assert difference(ours(tokens).logits, theirs(tokens).logits) < TOLERANCE
        mask = torch.ones_like(tokens)
        mask[0, 12:], mask[1, 19:] = 0, 0
        tokens = tokens * mask
        inputs = {"attention_mask": mask}
        assert difference(ours(tokens, **inputs).logits, theirs(tokens, **inputs).logits) < TOLERANCE

    @torch.no_grad()
    @pytest.mark.parametrize("case", DECODERS, ids=label)
    def test_no_head(self, case, folder_of):
        theirs = relative(case, "Model", tie_word_embeddings=False)
        ours = models.load(folder_of(theirs)).model
        assert ours.config.head == "none"
        output = ours(ids(2, 20))
        assert output.logits is None
        assert difference(output.hidden, theirs(ids(2, 20)).last_hidden_state) < TOLERANCE

    @torch.no_grad()
    def test_no_head_but_tied(self, folder_of):
        """As in `transformers`, the token table then is the head."""
        theirs = relative(gpt2(), "Model")
        folder = folder_of(theirs)
        complete = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
        same(complete, folder)

    @torch.no_grad()
    def test_next_sentence_alone(self, folder_of):
        theirs = randomise(transformers.BertForNextSentencePrediction(transformers.BertConfig(**BERT)))
        ours = models.load(folder_of(theirs)).model
        tokens, segments = ids(2, 20), torch.arange(20).ge(9).long().expand(2, 20)
        reference = theirs(tokens, token_type_ids=segments).logits
        assert difference(ours(tokens, token_type_ids=segments).logits, reference) < TOLERANCE

    @pytest.mark.parametrize(
        ("family", "ending"),
        [
            ("Bert", "ForTokenClassification"),
            ("Bert", "ForQuestionAnswering"),
            ("BigBird", "ForSequenceClassification"),
            ("Longformer", "ForSequenceClassification"),
            ("Llama", "ForTokenClassification"),
            ("GPT2", "ForTokenClassification"),
            ("T5", "EncoderModel"),
            ("Marian", "Model"),
        ],
    )
    def test_other_classes_are_refused_by_name(self, family, ending, folder_of):
        """Instead of by some seventy tensors that do not fit."""
        config = getattr(transformers, f"{family}Config")(**BERT, **SIDES, attention_window=8, pad_token_id=0)
        folder = folder_of(getattr(transformers, f"{family}{ending}")(config))
        error = refusal(folder)
        assert error.code == "weights_class"
        assert f"{family}{ending}" in str(error)


class TestTokenTables:
    @torch.no_grad()
    @pytest.mark.parametrize("make", [switch, marian])
    def test_one_for_each_stack(self, make, folder_of):
        """Saved untied by version 5, encoder and decoder may each have learnt a table; equal ones are one."""
        cls, config = make(tie_word_embeddings=False)
        theirs = cls(config).eval()
        error = refusal(folder_of(theirs))
        assert error.code == "weights_two_tables"
        assert "decoder.embed_tokens.weight" in str(error)
        theirs.get_decoder().embed_tokens.weight.copy_(theirs.get_encoder().embed_tokens.weight)
        ours = models.load(folder_of(theirs)).model
        tokens = {"input_ids": ids(2, 15), "decoder_input_ids": ids(2, 7, seed=2)}
        assert difference(ours(**tokens).logits, theirs(**tokens).logits) < TOLERANCE


class TestSettings:
    def test_rotary_table_of_the_whole_model(self, folder_of):
        cls, config = llama()
        theirs = randomise(cls(config))
        folder = folder_of(theirs)
        rewrite(folder, lambda tensors: tensors | {"model.rotary_emb.inv_freq": torch.ones(6)})
        same(theirs, folder)

    @pytest.mark.parametrize("scaled", [True, False])
    def test_scores_without_a_scale(self, scaled, folder_of, tmp_path):
        cls, config = gpt2(scale_attn_weights=scaled)
        theirs = randomise(cls(config))
        ours = same(theirs, folder_of(theirs))
        assert ours.config.scale_scores == scaled
        models.export_hf(ours.model, None, tmp_path)
        same(cls.from_pretrained(tmp_path).eval(), tmp_path)

    def test_slices_of_bloom_leave_out_biases(self, folder_of):
        cls, config = bloom(pretraining_tp=2)
        theirs = randomise(cls(config))
        folder = folder_of(theirs)
        same(theirs, folder)
        rewrite(folder, slow_but_exact=True)
        assert "slow_but_exact" in str(refusal(folder))
        rewrite(folder, pretraining_tp=1)
        same(theirs, folder)

    def test_router_of_half_precision(self):
        with pytest.raises(InputError, match="router_dtype"):
            read("switch_transformers", router_dtype="bfloat16")
        assert read("switch_transformers", router_dtype="float32") == read("switch_transformers")

    @pytest.mark.parametrize("kind", ["linear", "dynamic"])
    def test_sharper_softmax_belongs_to_yarn(self, kind, folder_of):
        cls, config = deepseek_v2()
        folder = folder_of(cls(config))
        rope = {"rope_type": kind, "rope_theta": 1e4, "factor": 4.0}
        rewrite(folder, rope_parameters=rope)
        same(cls.from_pretrained(folder).eval(), folder)
        rewrite(folder, rope_parameters={**rope, "mscale_all_dim": 0.7})
        assert "mscale_all_dim" in str(refusal(folder))

    @pytest.mark.parametrize("make", [t5, switch, marian])
    def test_second_names(self, make, folder_of):
        """What `attribute_map` of the configuration's class calls otherwise."""
        names = {"hidden_size": "d_model", "num_attention_heads": "num_heads", "num_hidden_layers": "num_layers"}
        if make is t5:
            names |= {"head_dim": "d_kv"}
        if make is marian:
            names |= {"num_attention_heads": "encoder_attention_heads", "num_hidden_layers": "encoder_layers"}
        cls, config = make()
        folder = folder_of(cls(config))
        expected = models.load(folder).config
        values = config.to_dict()
        rewrite(folder, remove=list(names.values()), **{second: values[first] for second, first in names.items()})
        assert models.load(folder).config == expected


class TestDamagedSettings:
    """Every refusal is a sentence that names the file or the setting; none is a traceback of Python."""

    @pytest.mark.parametrize(
        ("model_type", "settings", "named"),
        [
            ("deepseek_v2", {"topk_method": "group_limited_greedy", "num_experts_per_tok": 2}, "n_group is missing"),
            ("qwen2", {"use_sliding_window": True, "max_window_layers": None}, "max_window_layers is missing"),
            ("qwen3_moe", {"decoder_sparse_step": 0}, "ZeroDivisionError"),
            ("qwen3_moe", {"num_hidden_layers": None}, "config.json"),
            ("qwen3_moe", {"mlp_only_layers": 3}, "config.json"),
            ("t5", {"feed_forward_proj": 3}, "config.json"),
            ("clip", {"text_config": "x"}, "config.json"),
            ("llama", {"rope_scaling": {"rope_type": ["linear"]}}, "config.json"),
            ("qwen2", {"layer_types": [["a"]]}, "config.json"),
            ("glm", {"partial_rotary_factor": "a"}, "config.json"),
            ("bert", {"architectures": ["BertForSequenceClassification"], "id2label": 3}, "config.json"),
            ("glm", {"num_attention_heads": 0}, "config.json"),
            ("reformer", {"num_buckets": 8, "axial_pos_shape": 3}, "config.json"),
            ("llama", {"architectures": 3}, "config.json"),
            ("llama", {"architectures": [3]}, "config.json"),
            ("llama", {"rope_scaling": {"rope_type": "linear", "factor": "a"}}, "factor"),
        ],
    )
    def test_is_named(self, model_type, settings, named, tmp_path):
        (tmp_path / "config.json").write_text("{}")
        rewrite(tmp_path, model_type=model_type, **settings)
        assert named in str(refusal(tmp_path))
