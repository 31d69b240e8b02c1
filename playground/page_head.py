"""What stands at the top of the page's <head>: styles, scripts, what the scripts must know, and where the others are."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import gradio

from playground.i18n import LANGUAGES, catalogue, say
from playground.session import FIELDS, Session

STATIC = Path(__file__).parent / "static"
ASSETS = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
NAMES = {"en": "English", "zh": "中文"}  # every language under its own name


def page_head(tabs: Iterable[str], scripts: Iterable[str], later: Iterable[str] = ()) -> str:
    """The markup: `lineage.css` and the stylesheets that bear the names of a tab or script; `page.js` and `scripts`.

    The scripts `later` are fetched when a tab needs them (`lineage.use`); here stand their addresses.
    """
    code = ["page.js", *dict.fromkeys(scripts)]
    named = dict.fromkeys([*tabs, *(script.removesuffix(".js") for script in (*code, *later))])
    styles = ["lineage.css", *(f"{name}.css" for name in named if (STATIC / f"{name}.css").is_file())]
    fetched = {name: f"scripts/{_file_name(name)}" for name in dict.fromkeys(later)}
    boot = _boot() | {"scripts": fetched, "plotly": _plotly()}
    start = f"const lineage = window.lineage = {{ boot: {_script_json(boot)} }};"
    return f"<style>{_read(styles)}</style><script>{start}\n{_read(code)}</script>"


def script(file_name: str) -> bytes | None:
    """The script that is served under this name below scripts/; None if there is none."""
    return next((path.read_bytes() for path in STATIC.glob("*.js") if _file_name(path.name) == file_name), None)


@cache
def _file_name(name: str) -> str:
    """Changes with what it names, so that browsers may keep it for ever."""
    return f"{Path(name).stem}-{hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:16]}.js"


def _plotly() -> str:
    """The address of the module with which Gradio draws plots; it puts Plotly in the browser's reach."""
    (module,) = ASSETS.glob("PlotlyPlot-*.js")
    return f"assets/{module.name}"


def _boot() -> dict:
    words = {key.removeprefix("page."): texts for key, texts in catalogue().items() if key.startswith("page.")}
    return {
        "fields": FIELDS,
        "defaults": Session().texts(),
        "languages": LANGUAGES,
        "names": NAMES,
        "titles": {lang: say(lang, "shell.title") for lang in LANGUAGES},
        "words": {lang: {key: texts[lang] for key, texts in words.items()} for lang in LANGUAGES},
    }


def _script_json(value) -> str:
    """JSON that may stand inside <script>."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def _read(names: Iterable[str]) -> str:
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in names)
