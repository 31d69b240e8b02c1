"""What the README shows works as it is shown."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_and_prints_what_its_comment_says(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("Once upon a time")
    assert "\n1073741824\n" in printed
    assert "('norm', 'layernorm', 'rmsnorm')" in printed
    assert "torch.Size([1, 8, " in printed


def test_every_file_and_folder_it_names_exists():
    named = re.findall(r"\(((?:docs|assets)/[\w./-]+)\)|`((?:models|playground|assets|tests)/[\w./-]*)`", README)
    assert named
    for path in filter(None, (name for pair in named for name in pair)):
        assert (ROOT / path).exists(), path
