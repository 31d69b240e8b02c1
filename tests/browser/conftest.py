"""One playground and one browser for all browser tests; without a browser they skip, and say how to install one."""

import os
import shutil
import socket
from pathlib import Path

import pytest

import playground.start  # noqa: F401 (prepares Gradio's import, so it comes before everything that imports Gradio)
from playground.shell import launch

# What a browser of one's own makes ready for its menus, in a process for each window.
NEEDLESS = "PreloadTopChromeWebUI,WebUITabStrip,MediaRouter,Translate,OptimizationHints,HttpsUpgrades,PaintHolding"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={NEEDLESS}",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
OPTIONS = {"viewport": {"width": 1280, "height": 900}, "locale": "en-US", "reduced_motion": "reduce"}
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
    """A page of its own in the browser, which counts requests to other hosts (none is answered) and errors."""

    def __init__(self, context, address: str):
        self.address = address
        self.context = context
        self.page = context.new_page()
        self.strangers: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", self._look)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))

    def _look(self, request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.strangers.append(request.url)

    def open(self, query: str = "") -> "Visitor":
        """Opens the playground at an address, and waits until it can be used."""
        self.page.goto(f"{self.address}/?{query}")
        self.page.wait_for_selector(READY, state="attached")
        return self

    def wait_for_address(self, part: str) -> None:
        """Waits until the page's own address contains `part`."""
        self.page.wait_for_function("part => location.search.includes(part)", arg=part)

    def put(self, name: str, value: str) -> None:
        """Writes into one of the fields that are out of sight and carry the page's values, as its scripts do."""
        write = """([name, value]) => {
            const field = document.querySelector(`#${name} textarea`);
            field.value = value;
            field.dispatchEvent(new Event('input', { bubbles: true }));
        }"""
        self.page.evaluate(write, [name, value])

    def forget(self) -> None:
        """Closes the page, and all that it left in the browser but the cached files."""
        if self.page.url.startswith(self.address):
            self.page.evaluate("() => localStorage.clear()")
        for page in self.context.pages:
            page.close()
        self.context.clear_cookies()


class Lobby:
    """Where visitors wait: a browser context is kept for the next with the same options, since it has the page's files."""

    def __init__(self, chromium, address: str):
        self.chromium = chromium
        self.address = address
        self.free: list[tuple[dict, object]] = []  # options and context
        self.inside: list[tuple[Visitor, dict]] = []

    def enter(self, **options) -> Visitor:
        """A visitor whose browser differs from the usual one by `options`; `leave` when done."""
        options = {**OPTIONS, **options}
        for place, (known, _) in enumerate(self.free):
            if known == options:
                _, context = self.free.pop(place)
                break
        else:
            context = self.chromium.new_context(**options)
            context.set_default_timeout(PATIENCE)
        visitor = Visitor(context, self.address)
        self.inside.append((visitor, options))
        return visitor

    def leave(self, visitor: Visitor) -> None:
        visitor.forget()
        options = next(options for known, options in self.inside if known is visitor)
        self.inside.remove((visitor, options))
        self.free.append((options, visitor.context))


@pytest.fixture(scope="session")
def lobby(chromium, address) -> Lobby:
    return Lobby(chromium, address)


@pytest.fixture
def visit(lobby):
    """`visit(query="", **context)` → a `Visitor` with the page open; several may be open at once."""
    visitors = []

    def open_page(query: str = "", **context) -> Visitor:
        visitors.append(lobby.enter(**context))
        return visitors[-1].open(query)

    yield open_page
    for visitor in visitors:
        lobby.leave(visitor)


@pytest.fixture
def arrive(lobby):
    """`arrive()` → a `Visitor` with an empty page, to be prepared before it is opened."""
    visitors = []

    def enter(**context) -> Visitor:
        visitors.append(lobby.enter(**context))
        return visitors[-1]

    yield enter
    for visitor in visitors:
        lobby.leave(visitor)


@pytest.fixture
def pictures() -> Path | None:
    """Where to leave screenshots, if PICTURES names a folder."""
    return Path(os.environ["PICTURES"]) if os.environ.get("PICTURES") else None
