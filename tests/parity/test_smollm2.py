"""The real pretrained model of a package: the preset, the logits of `transformers`, chat, knowledge."""

import tempfile

import pytest
import torch

import models
from models import installed
from models.tokenizers import chatml
from models.weights.layouts.llama import LLAMA
from tests.models.gguf_files import gguf
from tests.models.spelled import spelled
from tests.models.test_installed import NAME
from tests.parity.agreement import TOLERANCE, difference
from tests.parity.conftest import transformers
from tests.parity.test_gguf import fill

pytestmark = pytest.mark.skipif(
    NAME not in installed.installed_models(), reason=f"the real model: {installed.INSTALLABLE[NAME].command}"
)


@pytest.fixture(scope="module")
def smollm2():
    """Turning its file into numbers takes seconds."""
    # Not under pytest's folders, of which it keeps three runs: the conversion is half a gigabyte.
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("LINEAGE_CACHE", folder)
        return models.load(NAME)


@pytest.fixture(scope="module")
def file():
    """What the referee's package reads of the file."""
    return gguf.GGUFReader(installed.installed_file(NAME))


def test_is_the_preset(smollm2):
    assert smollm2.config == installed.installed_config(NAME)
    assert sum(p.numel() for p in smollm2.model.parameters()) == models.preset_info("smollm2-135m").params


@torch.no_grad()
def test_logits(smollm2, file):
    config = transformers.LlamaConfig(**LLAMA.write_config(smollm2.config))
    with transformers.initialization.no_init_weights():  # all are filled
        theirs = transformers.LlamaForCausalLM(config).eval()
    theirs.tie_weights()
    numbers = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in file.tensors}
    fill(theirs, numbers, smollm2.config)
    for text in (
        "The capital of France is Paris, and the capital of Italy is",
        "def add(a, b):\n    return a + 12\n" * 8,
    ):
        tokens = torch.tensor([smollm2.tokenizer.encode(text)])
        ours, expected = smollm2.model(tokens).logits, theirs(tokens).logits
        # Logits reach 40 here, so that this is the sixth digit.
        assert difference(ours, expected) < 5 * TOLERANCE
        assert torch.equal(ours.argmax(-1), expected.argmax(-1))


def test_chats_as_its_template_says(smollm2, file):
    template = file.fields["tokenizer.chat_template"].contents()
    system = installed.INSTALLABLE[NAME].system
    assert system in template
    jinja2 = pytest.importorskip("jinja2", reason="compares with the file's own template, rendered by jinja2")
    expected = jinja2.Template(template).render(
        messages=[{"role": "user", "content": "Who are you?"}], add_generation_prompt=True
    )
    ids = chatml.chat_ids(smollm2.tokenizer, [("system", system), ("user", "Who are you?")])
    assert spelled(smollm2.tokenizer, ids) == expected


def test_knows_something(smollm2):
    prompt = chatml.chat_ids(smollm2.tokenizer, [("user", "What is the capital of France?")])
    end = {smollm2.tokenizer.eos_id}
    steps = models.generate(smollm2.model, prompt, models.Sampling(temperature=0), max_new_tokens=24, stop_ids=end)
    assert "Paris" in smollm2.tokenizer.decode(step.token_id for step in steps)
