"""One playground and one browser for all browser tests; without a browser they skip, and say how to install one."""

import os
import re
import shutil
import socket
from pathlib import Path

import pytest

import playground.start  # noqa: F401 (prepares Gradio's import, so it comes before everything that imports Gradio)
from playground.shell import launch

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY = "html[data-ready]"
PATIENCE = 60_000  # milliseconds: a busy machine is slow, not wrong


def browser_path() -> str | None:
    """The browser named by CHROMIUM, else one of the system's."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium():
    """The running browser."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install -r tests/requirements.txt brings it")
    path = browser_path()
    if path is None:
        pytest.skip("No browser found: install one (apt-get install chromium), or set CHROMIUM to the path of one.")
    with sync_api.sync_playwright() as playwright:
        sync_api.expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def address(chromium):
    """Where the playground is served, without a slash at the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    _, url, _ = launch("127.0.0.1", port, prevent_thread_lock=True, quiet=True)
    return url.rstrip("/")


class Visitor:
    """A page of its own in the browser, which counts requests to other hosts (and stops them) and errors."""

    def __init__(self, chromium, address: str, **context):
        options = {"viewport": {"width": 1280, "height": 900}, "locale": "en-US", "reduced_motion": "reduce", **context}
        self.address = address
        self.context = chromium.new_context(**options)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.strangers: list[str] = []
        self.errors: list[str] = []
        self.context.route(re.compile(".*"), self._guard)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))

    def _guard(self, route):
        url = route.request.url
        if url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.strangers.append(url)
            route.abort()

    def open(self, query: str = "") -> "Visitor":
        """Opens the playground at an address, and waits until it can be used."""
        self.page.goto(f"{self.address}/?{query}")
        self.page.wait_for_selector(READY, state="attached")
        return self

    def wait_for_address(self, part: str) -> None:
        """Waits until the page's own address contains `part`."""
        self.page.wait_for_function("part => location.search.includes(part)", arg=part)


@pytest.fixture
def visit(chromium, address):
    """`visit(query="", **context)` → a `Visitor` with the page open; several may be open at once."""
    visitors = []

    def open_page(query: str = "", **context) -> Visitor:
        visitors.append(Visitor(chromium, address, **context))
        return visitors[-1].open(query)

    yield open_page
    for visitor in visitors:
        visitor.context.close()


@pytest.fixture
def pictures() -> Path | None:
    """Where to leave screenshots, if PICTURES names a folder."""
    return Path(os.environ["PICTURES"]) if os.environ.get("PICTURES") else None
