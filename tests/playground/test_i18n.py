"""No word of the page is missing in either language, none is unused, none stands in the code."""

import ast
import re
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

from models.errors import MESSAGES, InputError
from playground import i18n, transcript
from playground.session import TABS

ROOT = Path(i18n.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))
SCRIPTS = sorted((ROOT / "static").glob("*.js"))
KEYS = sorted(i18n.catalogue())

# Parameters of Gradio's components that a visitor reads.
VISIBLE = {"label", "info", "placeholder", "value", "title", "message"}
FIRST_IS_VISIBLE = {"Button", "HTML", "Markdown", "Tab", "Accordion", "Textbox", "Info", "Warning", "Error"}
NAMES = re.compile(r"\b(Lineage|arXiv)\b")  # the same in every language
WORD = re.compile(r"[A-Za-z]{2,}|[\u4e00-\u9fff]")


@cache
def tree(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"))


def visible(markup: str) -> str:
    """What a reader sees of a piece of markup: no tags (in pieces of an f-string also half ones), no placeholders."""
    return NAMES.sub("", re.sub(r"<[^>]*>|<[^>]*$|^[^<]*>|\{\w*\}", "\n", markup))


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_key_has_every_language():
    words = i18n.catalogue()
    missing = [
        key for key in KEYS if {lang for lang, text in words[key].items() if text.strip()} != set(i18n.LANGUAGES)
    ]
    assert not missing, "\n".join(missing)


def test_languages_take_the_same_values():
    words = i18n.catalogue()
    differing = [key for key in KEYS if placeholders(words[key]["en"]) != placeholders(words[key]["zh"])]
    assert not differing, "\n".join(differing)


# The same in Chinese: names that Chinese texts use as they stand, openings that are typed for English models, figures.
SAME = re.compile(
    r"generate\.example\.\w+|generate\.(setting|meta)\.(top_k|top_p|min_p)|shell\.field\.(top_k|top_p|min_p)"
    r"|generate\.view\.(legend_(low|high)|next_scale)|build\.(title\.preset|unit\.flops|limit\.comma)"
    r"|diagram\.(inside_alibi|norm_\w+|activation_(relu|gelu|gelu_tanh|silu)|alt_stop|alt_end)"
    r"|part\.choice\.(norm\.\w+|position\.alibi|rope_scaling\.(llama3|yarn)|activation\.(relu|gelu|silu|sigmoid))"
    r"|part\.choice\.(mask\.(longformer|bigbird|etc)|router\.sigmoid)|part\.value\.comma|build\.(family_of\.gpt4|in_stack)"
    r"|compare\.join\.\w+|context\.words\.join|lineage\.paper(_at)?"
    r"|part\.paper\.\w+\.\w+"
    r"|tokenizers\.(algorithm\.(bpe|sp_bpe|wordpiece|unigram)|shipped_title|back\.(join|quoted))"
    r"|tokenizers\.view\.train_(unigram|wordpiece)"
    r"|sides\.view\.((row_)?join|colon)"
    r"|weight\.view\.(mark_here|mask_(bigbird|etc|longformer)|step_(alibi|product))|flash\.view\.(flash[12]|row_shares_new)"
    r"|masking\.view\.(comma|stop)|(experts\.view|train|train\.view)\.comma|train\.(semicolon|of_preset)"
    r"|maps\.view\.(comma|bracket|to_token|readout|att_pairs_[ab]{2})"
)


def forgotten(key: str, text: str) -> bool:
    return not re.search(r"[\u4e00-\u9fff]", text) and not SAME.fullmatch(key)


def half_width(text: str) -> bool:
    return bool(re.search(r"[\u4e00-\u9fff）”}][,;:?!](?=[\u4e00-\u9fff（“{\s]|$)|[，。；：？！）] ", text))


def test_chinese_is_chinese():
    """No text forgotten in English, and full-width punctuation, without a space after it, among Chinese characters."""
    chinese = {key: i18n.catalogue()[key]["zh"] for key in KEYS}
    assert [key for key, text in chinese.items() if forgotten(key, text) or half_width(text)] == []


def test_english_in_chinese_would_be_found():
    assert forgotten("generate.run", "Generate")
    assert half_width("未经训练,只会是噪声。")
    assert half_width("“{name}”已使用,{count} 个")
    assert not half_width("前 {used} 个字符，n_heads: 12")


def used_keys() -> tuple[set[str], list[re.Pattern], set[str]]:
    """Keys that stand in the code whole, as patterns of f-strings, and as prefixes that end in a dot."""
    whole, patterns, prefixes = set(), [], set()
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                (prefixes if node.value.endswith(".") else whole).add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [re.escape(p.value) if isinstance(p, ast.Constant) else r"[\w.]+" for p in node.values]
                if re.match(r"[a-z_]+\\\.", parts[0]):
                    patterns.append(re.compile("".join(parts)))
    for path in SCRIPTS:
        code = path.read_text(encoding="utf-8")
        whole |= {f"generate.view.{name}" for name in re.findall(r"\bwords\.(\w+)", code)}
        whole |= {f"page.{key}" for key in re.findall(r'lineage\.say\([^)]*?"(\w+)"', code)}
    return whole, patterns, prefixes


def test_no_key_is_unused():
    whole, patterns, prefixes = used_keys()
    whole |= {f"error.{code}" for code in MESSAGES} | {f"{tab}.tab" for tab in TABS}
    whole |= {f"page.{name}" for name in ("light", "auto", "dark")}  # chosen by name in page.js
    rests = ("", "_tab", "_train", "_no_prompt", "_no_text")
    whole |= {f"page.{verb}{rest}" for verb in ("copied", "select") for rest in rests}  # likewise
    whole |= {f"generate.view.{name}" for name in transcript.REMOVED}
    # What a script puts on the page is looked up there, key by key.
    by_script = {"page.", "generate.view."}
    prefixes = (prefixes & {key[: key.rfind(".") + 1] for key in KEYS}) - by_script
    unused = [
        key
        for key in KEYS
        if key not in whole
        and not any(pattern.fullmatch(key) for pattern in patterns)
        and not any(key.startswith(prefix) for prefix in prefixes)
    ]
    assert not unused, "\n".join(unused)


def asked_for() -> list[tuple[str, re.Pattern]]:
    """Where `label` and `say` are called, and the keys that each call can mean."""
    calls = []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
            if name not in ("label", "say"):
                continue
            place = f"{path.name}:{node.lineno}"
            arguments = node.args[:1] if name == "label" else node.args[1:2]
            for key in arguments:
                if isinstance(key, ast.Constant):
                    calls.append((place, re.compile(re.escape(key.value))))
                elif isinstance(key, ast.JoinedStr):
                    parts = [re.escape(p.value) if isinstance(p, ast.Constant) else r"[\w.]+" for p in key.values]
                    calls.append((place, re.compile("".join(parts))))
    return calls


def test_every_key_asked_for_exists():
    calls = asked_for()
    assert len(calls) > 20
    assert [place for place, pattern in calls if not any(pattern.fullmatch(key) for key in KEYS)] == []


def literal_words(call: ast.Call) -> list[str]:
    """Words that a Gradio call shows and that no catalogue translates."""
    shown = [keyword.value for keyword in call.keywords if keyword.arg in VISIBLE]
    if call.func.attr in FIRST_IS_VISIBLE:
        shown += call.args[:1]
    texts = [node.value for node in shown if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if WORD.search(visible(text))]


def test_no_literal_words_in_components():
    found = []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id == "gr":
                    found += [f"{path.name}:{node.lineno}: {text}" for text in literal_words(node)]
    assert not found, "\n".join(found)


def test_literal_words_would_be_found():
    call = ast.parse('gr.Button("Run", elem_id="run")').body[0].value
    assert literal_words(call) == ["Run"]


def test_no_literal_words_in_markup():
    """Text between tags in the views' own markup comes from the catalogue, not from the code."""
    found = []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            markup = isinstance(node, ast.Constant) and isinstance(node.value, str) and "</" in node.value
            if markup and WORD.search(text := visible(node.value)):
                found.append(f"{path.name}:{node.lineno}: {text.strip()[:40]}")
    assert not found, "\n".join(found)


def test_no_literal_words_in_scripts():
    pattern = re.compile(r"""(?:textContent|innerText|title|placeholder)\s*=\s*["'`]([^"'`]*[A-Za-z]{2}[^"'`]*)["'`]""")
    found = [f"{path.name}: {text}" for path in SCRIPTS for text in pattern.findall(path.read_text(encoding="utf-8"))]
    assert [line for line in found if "${" not in line] == []


@pytest.mark.parametrize("lang", i18n.LANGUAGES)
def test_errors_are_explained(lang):
    error = InputError("model_too_large", size="175 B", limit="200 M")
    assert "175 B" in i18n.explain(lang, error)
    assert i18n.explain("en", error) == str(error)


def test_a_missing_key_is_our_mistake():
    with pytest.raises(KeyError):
        i18n.label("shell.no_such_word")
    with pytest.raises(KeyError):
        i18n.say("en", "shell.no_such_word")


def test_the_browser_gets_the_labels_that_were_asked_for():
    i18n.label("shell.model.label")
    words = i18n.browser_words()
    assert words["zh-CN"]["shell.model.label"] == "当前模型"
    assert words["en"].keys() == words["zh-CN"].keys()
