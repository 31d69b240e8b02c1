"""What the README shows works as it is shown."""

import json
import re
import socket
from pathlib import Path

from gradio_client import Client

import models
import playground.start  # noqa: F401 (prepares Gradio's import, so it comes before everything that imports Gradio)
from models.tokenizers.catalogue import INSTALL_COMMAND
from playground import token_answers
from playground.shell import launch

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_python_example_runs_and_prints_what_its_comment_says(capsys):
    example = EXAMPLES[0]
    exec(compile(example, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("Once upon a time")
    assert "\n1073741824\n" in printed
    assert "('norm', 'layernorm', 'rmsnorm')" in printed
    assert "torch.Size([1, 8, " in printed


def test_the_client_example_runs_against_the_page(capsys):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    launch("127.0.0.1", port, prevent_thread_lock=True, quiet=True)
    exec(compile(EXAMPLES[1].replace("7860", str(port)), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    offered = Client(f"http://127.0.0.1:{port}", verbose=False).view_api(return_format="dict")["named_endpoints"]
    assert sorted(offered) == sorted(set(re.findall(r"`(/\w+)`", README)))
    config = models.preset("llama3-8b").replace(n_kv_heads=4)
    assert "\nArgs:\n    preset: " in printed
    assert "predict(" not in printed  # the client's own list of all endpoints
    assert f"{models.account(config).params} " in printed
    assert "'finish': 'length'" in printed


def test_every_file_and_folder_it_names_exists():
    named = re.findall(r"\(((?:docs|assets)/[\w./-]+)\)|`((?:models|playground|assets|tests)/[\w./-]*)`", README)
    assert named
    for path in filter(None, (name for pair in named for name in pair)):
        assert (ROOT / path).exists(), path


def test_the_command_for_published_vocabularies_is_that_of_the_tab():
    assert INSTALL_COMMAND in README
    opening = json.loads(token_answers.opening("{}"))
    assert opening["install"] == INSTALL_COMMAND
