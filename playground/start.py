"""Loads Gradio the way this app needs it; import this module before any other that imports Gradio.

Gradio reads its environment when it is imported. And while it is imported, it parses the source of every component to
rewrite its type stubs, which is more than half of the time that the import takes; this is left out here.
"""

import inspect
import os

os.environ.update(
    GRADIO_ANALYTICS_ENABLED="False",
    # Even with analytics off, Gradio summarises all past events after each new one: keep few, and seldom look.
    GRADIO_ANALYTICS_MAX_EVENTS="50",
    GRADIO_ANALYTICS_CACHE_FREQUENCY="100000",
    HF_HUB_DISABLE_TELEMETRY="1",
)
# Two visitors compute at once; with one thread each they do not fight over the cores. Read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def _import_without_stubs() -> None:
    getfile = inspect.getfile

    def no_file_for_components(thing):
        if isinstance(thing, type) and thing.__module__.startswith("gradio."):
            raise OSError("no type stubs wanted")  # Gradio then takes the class for one without a file, and goes on
        return getfile(thing)

    inspect.getfile = no_file_for_components
    try:
        import gradio  # noqa: F401 (for its import alone)
    finally:
        inspect.getfile = getfile


_import_without_stubs()
