"""Who may import whom: the core knows no page, the views know no Gradio and no torch, a tab knows no other tab."""

import ast
from pathlib import Path

import pytest

from tests.fresh import answer

ROOT = Path(__file__).resolve().parents[1]


def imports(path: Path) -> set[str]:
    """The full names of every module that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def wrong(folder: str, *packages: str) -> list[str]:
    """Imports of `packages` in the files of a folder."""
    found = [(path.relative_to(ROOT), name) for path in files(folder) for name in imports(path)]
    return [f"{path}: {name}" for path, name in found if name.split(".")[0] in packages]


def test_core_knows_no_page():
    assert wrong("models", "gradio", "plotly", "playground") == []


def test_views_are_pure():
    assert wrong("playground/views", "gradio", "torch") == []


def test_configuration_needs_no_torch():
    assert "torch" not in imports(ROOT / "models" / "config.py")


def test_tabs_do_not_know_each_other():
    for path in files("playground/tabs"):
        others = {name for name in imports(path) if name.startswith("playground.tabs.")}
        assert others == set(), path.name


def test_no_module_for_everything():
    names = {path.stem for folder in ("models", "playground") for path in files(folder)}
    assert names & {"utils", "helpers", "misc", "common"} == set()


@pytest.mark.parametrize("folder", ["models", "playground", "tests"])
def test_files_stay_short(folder):
    assert [path.name for path in files(folder) if len(path.read_text(encoding="utf-8").splitlines()) > 400] == []


def test_views_load_without_gradio():
    """Not only the import lines: loading every view must not load Gradio by way of another module."""
    names = [f"playground.views.{path.stem}" for path in files("playground/views") if path.stem != "__init__"]
    code = f"import sys, {', '.join(names)}\nprint('gradio' in sys.modules)"
    assert answer(code) == "False"


def test_the_first_screen_needs_no_torch():
    """Importing torch takes seconds, in which the page could already be there."""
    code = """
import sys
from types import SimpleNamespace
import playground.start
from playground import recordings
from playground.shell import build_app, read_arrival, show_model
from playground.tabs.generate import first_screen
build_app()
session = read_arrival("lang=en")
show_model(session.lang, session.model)
opening, *_ = first_screen(session.model, SimpleNamespace(session_hash="visitor"))
text = recordings.served(opening.removeprefix("opening:" + recordings.PLACE))
print(len(text) > 10_000, "torch" in sys.modules)
"""
    assert answer(code) == "True False"
