"""What a tab is, and what the page lends it.

A tab module exposes `TAB = Tab(id="build", layout=layout)`. The shell calls `layout(page)` inside the tab's own Gradio
context; the function creates its components, binds them to the session and connects its events through `page`.
Its words are in `playground/i18n/<id>.toml` (the title under `<id>.tab`), its looks in `playground/static/<id>.css`.
"""

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import gradio as gr

from models.errors import InputError
from playground.i18n import LANGUAGES, explain
from playground.session import FIELDS
from playground.turns import COMPUTING

# Computing: of all handlers with these options at most so many run at once, the others wait in Gradio's queue. What
# computes with a model takes a `turn` besides: turns alone also know the streams.
CPU = {"concurrency_id": "cpu", "concurrency_limit": COMPUTING}
# Light handlers: never wait behind computing, show no spinner, are no API endpoint.
UI = {
    "concurrency_id": "ui",
    "concurrency_limit": None,
    "show_progress": "hidden",
    "api_visibility": "private",
}


@dataclass(frozen=True)
class TabParts:
    """What a layout hands back to the shell: the files of `playground/static/` that the tab's views run on.

    scripts: those that come with the page. later: those that the tab fetches when it is opened, see `mounted`.
    """

    scripts: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tab:
    """One tab of the page. `id` is its name in the address and the prefix of its words."""

    id: str
    layout: Callable[["Page"], TabParts]


@dataclass(frozen=True)
class Listener:
    """A handler that waits for the page's load, or, if `tab` is given, for that tab to be opened."""

    tab: str | None
    fn: Callable
    inputs: list
    outputs: list
    options: dict


@dataclass
class Page:
    """What the shell lends to a tab.

    `lang` holds "en" or "zh", `model` the design string of the model in hand: use both as inputs, and write `model` to
    change the model in hand (its `change` event reaches every tab). `CPU` and `UI` are event options:
    `button.click(run, inputs, outputs, **page.CPU)`.
    """

    lang: gr.State
    model: gr.Textbox
    tab: str = ""  # the tab being laid out
    bound: dict[str, gr.components.Component] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    CPU = CPU
    UI = UI

    def bind(self, name: str, component) -> None:
        """Ties `component` to the field `name` of `Session`: its value comes from the address when the page loads, and
        goes into the address when it changes, without the server.

        The component must live in the browser (not `gr.State`); to keep it out of sight use `visible="hidden"`.
        """
        if name not in FIELDS or name in self.bound:
            raise ValueError(f"{name} is no free field of the session")
        self.bound[name] = component
        component.change(None, [component], None, js=f"(value) => lineage.write({json.dumps(name)}, value)", **UI)

    def on_load(self, fn: Callable, inputs=(), outputs=(), **options) -> None:
        """Runs `fn` once per page load, after every bound component has its value from the address."""
        self.listeners.append(Listener(None, fn, _listed(inputs), _listed(outputs), {**UI, **options}))

    def on_tab(self, fn: Callable, inputs=(), outputs=(), **options) -> None:
        """Runs `fn` whenever this tab is opened, also at the page's load if the address names this tab.

        Bound components have their values from the address by then.
        """
        self.listeners.append(Listener(self.tab, fn, _listed(inputs), _listed(outputs), {**UI, **options}))

    def endpoint(self, fn: Callable, name: str, options: dict | None = None) -> None:
        """Offers `fn` to programs as /`name`, described by its whole docstring: Gradio by itself takes the first line.

        `options` take the place of `CPU`.
        """
        gr.api(fn, api_name=name, api_description=inspect.getdoc(fn), **(CPU if options is None else options))

    def open_tab(self, event: Callable, tab: str) -> None:
        """Opens another tab when `event` fires, in the browser: `page.open_tab(button.click, "generate")`."""
        event(None, None, None, js=f"() => lineage.open({json.dumps(tab)})", **UI)


def mounted(scripts: tuple[str, ...], view: str) -> str:
    """A component's `js_on_load`: `view`, a script's object, draws itself into it once `scripts` are there."""
    return f"lineage.use({json.dumps(scripts)}, element, () => {view}.mount(element, server))"


def carrier(name: str, value: str = "") -> gr.Textbox:
    """A value that lives in the browser, where scripts and handlers reach it, and is not seen."""
    # As many lines at most as at least: else Gradio lays the page out once more for each, to see how tall its text is.
    return gr.Textbox(value, visible="hidden", show_label=False, lines=2, max_lines=2, elem_id=name)


@contextmanager
def refusals(lang: str) -> Iterator[None]:
    """An `InputError` that no part of the page can be blamed for reaches the visitor, or the API's caller, as its
    sentence in `lang`."""
    try:
        yield
    except InputError as error:
        raise gr.Error(explain(lang, error), print_exception=False) from error


def asked_in(lang: object) -> str:
    """The language that an API's caller asks for; any that is none of ours is refused, in English."""
    with refusals("en"):
        if lang not in LANGUAGES:
            raise InputError("not_a_choice", field="lang", value=lang, allowed=", ".join(LANGUAGES))
    return lang


def _listed(components) -> list:
    if components is None:
        return []
    return list(components) if isinstance(components, (list, tuple)) else [components]
