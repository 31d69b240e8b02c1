"""Loads Gradio the way this app needs it; import this module before any other that imports Gradio.

Gradio reads its environment when it is imported. And while it is imported it writes its own documentation: it parses the
source of every component to rewrite its type stubs, and compiles the description of each event anew for every component
that has it. That is most of the time that the import takes, and no page shows it; it is left out here.
"""

import functools
import gc
import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager

import jinja2

os.environ.update(
    GRADIO_ANALYTICS_ENABLED="False",
    # Even with analytics off, Gradio summarises all past events after each new one: keep few, and seldom look.
    GRADIO_ANALYTICS_MAX_EVENTS="50",
    GRADIO_ANALYTICS_CACHE_FREQUENCY="100000",
    HF_HUB_DISABLE_TELEMETRY="1",
)
# Two visitors compute at once; with one thread each they do not fight over the cores. Read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@contextmanager
def _without_stubs() -> Iterator[None]:
    """Gradio takes a class for one without a file, and goes on."""
    getfile = inspect.getfile

    def no_file_for_components(thing):
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError("no type stubs wanted")
        return getfile(thing)

    inspect.getfile = no_file_for_components
    try:
        yield
    finally:
        inspect.getfile = getfile


@contextmanager
def _equal_templates_compiled_once() -> Iterator[None]:
    """A template of the same text is the same template: two hundred descriptions of events are a dozen texts."""
    template = jinja2.Template
    jinja2.Template = functools.cache(template)
    try:
        yield
    finally:
        jinja2.Template = template


@contextmanager
def _without_collecting() -> Iterator[None]:
    """What an import makes stays: looking through it for garbage again and again finds none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


with _without_stubs(), _equal_templates_compiled_once(), _without_collecting():
    import gradio  # noqa: F401 (for its import alone)
