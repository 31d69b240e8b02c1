"""The layers before Gradio's server: what they add, serve, and refuse."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import brotli
import pytest

from playground.middleware import (
    FRONTEND,
    MAX_BODY,
    AssetCache,
    BodyLimit,
    Kept,
    NoUploads,
    PageHead,
    SecurityHeaders,
    layers,
)
from playground.token_figures import MAX_TEXT_BYTES

ASSET = next(path for path in sorted((FRONTEND / "assets").glob("*.js")) if path.stat().st_size > 2000)


async def reads_and_answers(scope, receive, send):
    """A server that reads the whole body and answers with a page."""
    while (await receive()).get("more_body"):
        pass
    page = b"<html><head><title>x</title></head></html>"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(page))]})
    await send({"type": "http.response.body", "body": page})


def ask(app, path="/", method="GET", headers=(), body=(b"",), query=b""):
    """One request through an ASGI app: status, headers, body."""
    chunks = [{"type": "http.request", "body": part, "more_body": i + 1 < len(body)} for i, part in enumerate(body)]
    sent = []

    async def receive():
        return chunks.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers), "query_string": query}
    # In a thread of its own: the browser tests of the same run leave an event loop in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, app(scope, receive, send)).result()
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:])


BROTLI = [(b"accept-encoding", b"gzip, br")]


def test_assets_come_compressed_and_may_be_kept():
    status, headers, body = ask(AssetCache(reads_and_answers), f"/assets/{ASSET.name}", headers=BROTLI)
    assert status == 200
    assert brotli.decompress(body) == ASSET.read_bytes()
    assert len(body) < ASSET.stat().st_size
    assert b"immutable" in headers[b"cache-control"]
    assert int(headers[b"content-length"]) == len(body)


def test_a_file_is_kept_once_however_its_path_is_spelt():
    cache = AssetCache(reads_and_answers)
    for folder in ("/assets/", "/assets/./", "/assets//", "/static/../assets/"):
        status, headers, _ = ask(cache, folder + ASSET.name, headers=BROTLI)
        assert (status, headers[b"content-encoding"]) == (200, b"br")
        assert b"immutable" in headers[b"cache-control"]
    assert len(cache.answers) == len(cache.locks) == 1


def test_recordings_come_compressed_and_may_be_kept():
    app = Kept(reads_and_answers, "/recorded/", b"application/jsonl", {"story.jsonl": b"once " * 100}.get)
    status, headers, body = ask(app, "/recorded/story.jsonl", headers=BROTLI)
    assert (status, brotli.decompress(body)) == (200, b"once " * 100)
    assert b"immutable" in headers[b"cache-control"]
    assert ask(app, "/recorded/story.jsonl")[2] == b"once " * 100
    assert ask(app, "/recorded/other.jsonl")[0] == 404
    assert b"<title>" in ask(app, "/recorded")[2]


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/upload/", "/upload"])
def test_no_files_are_taken(path):
    assert ask(NoUploads(reads_and_answers), path, "POST")[0] == 403


def test_other_requests_are_taken():
    assert ask(NoUploads(reads_and_answers), "/gradio_api/queue/join", "POST")[0] == 200
    assert NoUploads in [layer.cls for layer in layers("", lambda name: None, lambda name: None)]


def test_browsers_without_brotli_are_left_to_gradio():
    assert b"<title>" in ask(AssetCache(reads_and_answers), f"/assets/{ASSET.name}")[2]


@pytest.mark.parametrize("path", ["/assets/../index.html", "/assets/../../../routes.py", "/assets/none.js", "/assets/"])
def test_only_gradios_own_files_are_served(path):
    status, _, body = ask(AssetCache(reads_and_answers), path, headers=BROTLI)
    assert b"<title>x</title>" in body or brotli.decompress(body) == (FRONTEND / "index.html").read_bytes()


@pytest.mark.parametrize("headers", [[], BROTLI])
def test_the_head_gets_what_must_run_first(headers):
    status, answered, body = ask(PageHead(reads_and_answers, "<script>1</script>"), headers=headers)
    page = brotli.decompress(body) if headers else body
    assert page.startswith(b"<html><head><script>1</script><title>")
    assert int(answered[b"content-length"]) == len(body)


def test_the_page_is_made_once_for_each_address():
    made = []

    async def counts(scope, receive, send):
        made.append([value for name, value in scope["headers"] if name != b"accept-encoding"])
        await reads_and_answers(scope, receive, send)

    app = PageHead(counts, "<script>1</script>")
    first, again = (ask(app, headers=[(b"host", b"one"), *BROTLI]) for _ in range(2))
    assert first == again
    typed = b"prompt=%E4%BB%8E%E5%89%8D&page_size=1" + b"\xff"
    assert ask(app, headers=[(b"host", b"one")], query=typed)[2] == brotli.decompress(first[2])
    ask(app, headers=[(b"host", b"two")])
    assert made == [[b"one"], [b"two"]]
    ask(app, headers=[(b"host", b"two"), (b"x-forwarded-proto", b"https")])
    assert len(made) == 3
    for number in range(50):
        ask(app, headers=[(b"host", b"%d" % number)])
    assert len(app.pages) <= PageHead.MAX_PAGES


def test_nobody_gets_the_page_of_a_header_that_came_twice():
    """Of two values Gradio writes the first one into the page."""

    async def names_its_host(scope, receive, send):
        host = next((value for name, value in scope["headers"] if name == b"x-forwarded-host"), b"")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<html><head></head>" + host})

    app = PageHead(names_its_host, "")
    for other in (b"", b"here"):
        ask(app, headers=[(b"host", b"here"), (b"x-forwarded-host", b"evil"), (b"x-forwarded-host", other)])
    assert b"evil" not in ask(app, headers=[(b"host", b"here")])[2]
    assert b"evil" not in ask(app, headers=[(b"host", b"here"), (b"x-forwarded-host", b"")])[2]


@pytest.mark.parametrize("query", [b"lang=en&deep_link=x", b"page=x"])
def test_a_page_with_a_state_of_its_own_is_made_anew_with_the_head(query):
    app = PageHead(reads_and_answers, "<script>1</script>")
    assert b"<script>" in ask(app, query=query)[2]
    assert app.pages == {}


def test_asking_whether_the_page_is_there_makes_no_page():
    status, _, body = ask(PageHead(None, "<script>1</script>"), method="HEAD")
    assert (status, body) == (200, b"")


def test_other_paths_are_not_touched():
    assert b"<script>" not in ask(PageHead(reads_and_answers, "<script>1</script>"), "/config")[2]


def test_bodies_within_the_limit_pass():
    assert ask(BodyLimit(reads_and_answers, MAX_BODY), "/x", "POST", body=(b"x" * 1000, b"y"))[0] == 200


def test_announced_large_bodies_are_refused():
    headers = [(b"content-length", str(MAX_BODY + 1).encode())]
    assert ask(BodyLimit(reads_and_answers, MAX_BODY), "/x", "POST", headers)[0] == 413


def test_unannounced_large_bodies_are_refused():
    half = b"x" * (MAX_BODY // 2 + 1)
    chunks = (half, half, b"x")
    assert ask(BodyLimit(reads_and_answers, MAX_BODY), "/x", "POST", body=chunks)[0] == 413


@pytest.mark.parametrize("text", ["\n" * MAX_TEXT_BYTES, "汉" * (MAX_TEXT_BYTES // 3)], ids=["lines", "chinese"])
def test_the_longest_text_is_taken_however_json_spells_it(text):
    body = json.dumps({"data": [text, ["byte-bpe-8k"] * 6, "en"], "session_hash": "x" * 20}).encode()
    status, _, _ = ask(BodyLimit(reads_and_answers, limit=MAX_BODY), method="POST", body=(body,))
    assert status == 200


def test_every_answer_is_guarded():
    headers = ask(SecurityHeaders(reads_and_answers))[1]
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert headers[b"x-content-type-options"] == b"nosniff"
