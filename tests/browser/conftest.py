"""One playground and one browser for all browser tests of a process; without a browser they skip, and say how to install it.

What a browser test costs, in seconds of processor time: a page load 1.3 (3 in a page that has just been made), another
view of a page that is open 0.3, what WCAG asks of a view 1 (`wcag.violations`; axe by itself 3). So a test asks for several
things on one page; `screens.show` goes from view to view without loading, and fixtures of a module keep a page for its
tests. `visit` hands out pages that are emptied and kept from test to test, whatever their width and colours; `arrive` is
for tests that change the browser's own doing before the page is opened (routes, clocks, scripts). A new view needs one
line in `screens.DRAWN`: then test_access.py and test_phone.py look at it too.
"""

import os
import shutil
import socket
from pathlib import Path

import pytest

import playground.start  # noqa: F401 (prepares Gradio's import, so it comes before everything that imports Gradio)
from playground.shell import launch

# What a browser of one's own makes ready for its menus, in a process for each window.
NEEDLESS = "PreloadTopChromeWebUI,WebUITabStrip,MediaRouter,Translate,OptimizationHints,HttpsUpgrades,PaintHolding"
# Room for what a page makes, so that the browser seldom tidies up; pages do not live long here.
ROOM = "--initial-heap-size=1024 --min-semi-space-size=64 --max-semi-space-size=64"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",
    f"--js-flags={ROOM}",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={NEEDLESS}",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
OPTIONS = {"locale": "en-US", "reduced_motion": "reduce"}
LOOKS = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"}  # what an open page can change
READY = "html[data-ready]"
NO_SCRIPTS = "favicon.ico"  # something of the same host
ARRIVED, LEAVING = "the page is here", "the page is being left"
TELL_WHERE = f"""if (self === top) {{
  console.debug("{ARRIVED}");
  addEventListener("beforeunload", () => console.debug("{LEAVING}"));
}}"""
PATIENCE = 60_000  # milliseconds: a busy machine is slow, not wrong


def browser_path() -> str | None:
    """The browser named by CHROMIUM, else one of the system's: rather one that has no windows to look after."""
    names = [os.environ.get("CHROMIUM"), "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium():
    """The running browser."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install -r tests/requirements.txt brings it")
    path = browser_path()
    if path is None:
        pytest.skip("No browser found: apt-get install chromium-headless-shell, or set CHROMIUM to the path of one.")
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
    """Somebody with a page of the browser, who counts requests to other hosts (they fail: none is found) and errors.

    Errors of a page that is being left do not count: Gradio breaks off the requests under way and complains of that, or
    not, as the browser's hurry will have it; nobody sees it.
    """

    def __init__(self, page, address: str):
        self.address = address
        self.context = page.context
        self.page = page
        self.strangers: list[str] = []
        self.errors: list[str] = []
        self._leaving = False
        self._heard = {"requestfailed": self._look, "pageerror": self._fail, "console": self._read}
        for event, listener in self._heard.items():
            page.on(event, listener)

    def _look(self, request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.strangers.append(request.url)

    def _fail(self, error) -> None:
        if not self._leaving:
            self.errors.append(str(error))

    def _read(self, message) -> None:
        if message.text in (ARRIVED, LEAVING):
            self._leaving = message.text == LEAVING
        elif message.type == "error" and not self._leaving:
            self.errors.append(message.text)

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

    def forget(self, page) -> None:
        """Empties `page`, and the browser of all that the visitor left there but the cached files."""
        for event, listener in self._heard.items():
            self.page.remove_listener(event, listener)
        page.goto(f"{self.address}/{NO_SCRIPTS}")  # first of all: the playground may store something when it is left
        page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        page.mouse.move(0, 0)
        for other in self.context.pages:
            if other is not page:
                other.close()
        self.context.clear_cookies()


class Lobby:
    """Where visitors wait. The next one takes over the page of one who has left: it runs, and has the page's files."""

    def __init__(self, chromium, address: str):
        self.chromium = chromium
        self.address = address
        self.free: list[tuple[dict, object]] = []  # options and page
        self.inside: list[tuple[Visitor, dict]] = []

    def enter(self, **options) -> Visitor:
        """A visitor whose browser differs from the usual one by `options`; `leave` when done."""
        looks = {name: options.pop(name, usual) for name, usual in LOOKS.items()}
        options = {**OPTIONS, **options}
        for place, (known, _) in enumerate(self.free):
            if known == options:
                _, page = self.free.pop(place)
                break
        else:
            context = self.chromium.new_context(**options)
            context.set_default_timeout(PATIENCE)
            context.add_init_script(TELL_WHERE)
            page = context.new_page()
        page.set_viewport_size(looks["viewport"])
        page.emulate_media(color_scheme=looks["color_scheme"])
        visitor = Visitor(page, self.address)
        self.inside.append((visitor, options))
        return visitor

    def leave(self, visitor: Visitor, changed: bool = False) -> None:
        """`changed`: the visitor's page is not like others any more, so the next one gets another."""
        options = next(options for known, options in self.inside if known is visitor)
        self.inside.remove((visitor, options))
        page = visitor.context.new_page() if changed else visitor.page
        visitor.forget(page)
        self.free.append((options, page))


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
    """`arrive()` → a `Visitor` with an empty page, whose browser may be changed before it is opened."""
    visitors = []

    def enter(**context) -> Visitor:
        visitors.append(lobby.enter(**context))
        return visitors[-1]

    yield enter
    for visitor in visitors:
        lobby.leave(visitor, changed=True)


@pytest.fixture
def pictures() -> Path | None:
    """Where to leave screenshots, if PICTURES names a folder."""
    return Path(os.environ["PICTURES"]) if os.environ.get("PICTURES") else None
