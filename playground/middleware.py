"""What stands between the browser and Gradio's server: small ASGI layers.

Gradio writes the page's head itself and compresses its assets anew for every request; these layers add what must run
before Gradio's own scripts, serve assets, recordings and the tabs' scripts compressed once, bound what a visitor may
send, and set security headers.
"""

import asyncio
import mimetypes
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import brotli
import gradio
from starlette.middleware import Middleware

FRONTEND = (Path(gradio.__file__).parent / "templates" / "frontend").resolve()
COMPRESSED = {".js", ".css", ".svg", ".json", ".html"}
FOR_EVER = b"public, max-age=31536000, immutable"
BROTLI = [(b"content-encoding", b"br"), (b"vary", b"accept-encoding")]
MAX_BODY = 2_100_000  # bytes: a text of 1 MB, which JSON may spell twice as long

# Scripts and styles are inline in Gradio's page, and its templates are compiled with eval. Nothing may come from, or go
# to, another host. Hugging Face shows a Space in a frame, hence no limit on frame-ancestors.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; media-src 'self' data: blob:; worker-src 'self' blob:; "
    "connect-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'"
)
SECURITY_HEADERS = [
    (b"content-security-policy", CONTENT_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # the address holds what the visitor typed
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]


Read = Callable[[str], bytes | None]  # a file's content by its name


def layers(head: str, recorded: Read, script: Read) -> list[Middleware]:
    """The layers, outermost first, for `launch(app_kwargs={"middleware": …})`.

    `head` is put at the top of <head>; `recorded` gives a recording by its file name, `script` a tab's script.
    """
    return [
        Middleware(SecurityHeaders),
        Middleware(NoUploads),
        Middleware(BodyLimit, limit=MAX_BODY),
        Middleware(AssetCache),
        Middleware(Kept, place="/recorded/", kind=b"application/jsonl; charset=utf-8", read=recorded),
        Middleware(Kept, place="/scripts/", kind=b"text/javascript; charset=utf-8", read=script),
        Middleware(PageHead, head=head),
    ]


class SecurityHeaders:
    """Adds `SECURITY_HEADERS` to every answer."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def send_guarded(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *SECURITY_HEADERS]}
            await send(message)

        await self.app(scope, receive, send_guarded if scope["type"] == "http" else send)


class NoUploads:
    """Refuses files with 403: nothing on the page takes any, but Gradio would keep them."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/upload"):
            return await _answer(send, 403, [], b"")
        await self.app(scope, receive, send)


class BodyLimit:
    """Refuses a request body of more than `limit` bytes with 413, whether or not its length was announced."""

    def __init__(self, app, limit: int):
        self.app, self.limit = app, limit

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        announced = _header(scope, b"content-length")
        if announced.isdigit() and int(announced) > self.limit:
            return await _answer(send, 413, [], b"")
        read = 0

        async def receive_limited():
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:
                raise _BodyTooLarge
            return message

        try:
            await self.app(scope, receive_limited, send)
        except _BodyTooLarge:
            await _answer(send, 413, [], b"")


class _BodyTooLarge(Exception):
    pass


class AssetCache:
    """Serves Gradio's files compressed once instead of once per request; names with a hash in them never change."""

    def __init__(self, app):
        self.app = app
        self.answers: dict[Path, tuple[list, bytes]] = {}  # by the file itself: its path can be spelt in many ways
        self.locks: dict[Path, asyncio.Lock] = {}

    async def __call__(self, scope, receive, send):
        path = scope.get("path", "")
        if not (_is_get(scope) and path.startswith(("/assets/", "/static/")) and _takes_brotli(scope)):
            return await self.app(scope, receive, send)
        file = (FRONTEND / path.lstrip("/")).resolve()
        if file not in self.answers:
            if not (file.is_relative_to(FRONTEND) and file.is_file()):
                return await self.app(scope, receive, send)
            async with self.locks.setdefault(file, asyncio.Lock()):
                if file not in self.answers:
                    self.answers[file] = await asyncio.to_thread(_compressed_file, file)
        headers, body = self.answers[file]
        await _answer(send, 200, headers, body)


class Kept:
    """Serves what `read` finds for the last part of an address below `place`; the names have a hash in them."""

    def __init__(self, app, place: str, kind: bytes, read: Read):
        self.app, self.place, self.kind, self.read = app, place, kind, read
        self.compressed: dict[str, bytes] = {}

    async def __call__(self, scope, receive, send):
        path = scope.get("path", "")
        if not (_is_get(scope) and path.startswith(self.place)):
            return await self.app(scope, receive, send)
        name = path.removeprefix(self.place)
        body = await asyncio.to_thread(self.read, name)
        if body is None:
            return await _answer(send, 404, [], b"")
        headers = [(b"content-type", self.kind), (b"cache-control", FOR_EVER)]
        if _takes_brotli(scope):
            if name not in self.compressed:
                self.compressed[name] = await asyncio.to_thread(brotli.compress, body, quality=7)
            headers += BROTLI
            body = self.compressed[name]
        await _answer(send, 200, headers, body)


def _compressed_file(file: Path) -> tuple[list, bytes]:
    hashed = file.is_relative_to(FRONTEND / "assets")
    body = file.read_bytes()
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    age = FOR_EVER if hashed else b"public, max-age=86400"
    headers = [(b"content-type", kind.encode()), (b"cache-control", age)]
    if file.suffix in COMPRESSED:
        body = brotli.compress(body, quality=9)
        headers += BROTLI
    return headers, body


class PageHead:
    """Puts `head` at the top of the page's <head>, where it runs before Gradio reads the browser's language.

    Gradio makes the page anew for every visitor, though all get the same: only the address that it is served under is in
    it. So it is made once for each address. What names a page of Gradio's or a state that it has saved is made anew.
    """

    MAX_PAGES = 16  # a visitor may call the server by any name
    GRADIOS = {"page", "deep_link"}  # parameters that it reads itself

    def __init__(self, app, head: str):
        self.app = app
        self.head = head.encode()
        self.pages: dict[tuple, tuple[list, bytes, bytes]] = {}  # by address: headers, the page, and it compressed

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["method"] == "HEAD" and scope["path"] == "/":
            # Gradio asks itself for this once it has started, and gives up after 3 seconds: no page need be made for it.
            return await _answer(send, 200, [(b"content-type", b"text/html; charset=utf-8")], b"")
        if not _is_get(scope) or scope["path"] != "/":
            return await self.app(scope, receive, send)
        is_kept = not self.GRADIOS & parse_qs(scope.get("query_string", b"").decode("latin-1")).keys()
        address = _address(scope)
        if is_kept and address in self.pages:
            headers, page, compressed = self.pages[address]
        else:
            status, headers, page = await _collect(self.app, scope, receive)
            if status != 200:
                return await _answer(send, status, headers, page)
            page = page.replace(b"<head>", b"<head>" + self.head, 1)
            compressed = brotli.compress(page, quality=7)
            if is_kept:
                if len(self.pages) >= self.MAX_PAGES:
                    self.pages.clear()
                self.pages[address] = headers, page, compressed
        if _takes_brotli(scope):
            return await _answer(send, 200, [*headers, *BROTLI], compressed)
        await _answer(send, 200, headers, page)


def _address(scope: dict) -> tuple:
    """What of a request tells under which address the page is served, behind a proxy or not.

    Of a header that comes several times every value counts, so that whichever is read is part of it.
    """
    names = {b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server"}
    told = tuple((name, value) for name, value in scope["headers"] if name in names)
    return scope.get("scheme"), scope.get("server"), scope.get("root_path"), told


async def _collect(app: Callable, scope: dict, receive: Callable) -> tuple[int, list, bytes]:
    """The whole answer of `app`: status, headers, body."""
    start, parts = {}, []

    async def keep(message):
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await app(scope, receive, keep)
    return start["status"], start["headers"], b"".join(parts)


async def _answer(send: Callable, status: int, headers: list, body: bytes) -> None:
    headers = [(name, value) for name, value in headers if name != b"content-length"]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_get(scope: dict) -> bool:
    return scope["type"] == "http" and scope["method"] == "GET"


def _takes_brotli(scope: dict) -> bool:
    return b"br" in _header(scope, b"accept-encoding")


def _header(scope: dict, name: bytes) -> bytes:
    return dict(scope["headers"]).get(name, b"")
