"""What a page is told of an app, and what a program is told."""

import gradio as gr
import pytest
from fastapi.testclient import TestClient

from playground.app_blocks import AppBlocks


@pytest.fixture(scope="module")
def client():
    def twice(number: float) -> float:
        return 2 * number

    with AppBlocks(analytics_enabled=False) as app, gr.Tabs(), gr.Tab("One"):
        seen = gr.Number(label="seen")
        seen.change(twice, seen, seen, api_name="seen", queue=False)
        gr.api(twice, api_name="twice", queue=False)
    app.queue()
    return TestClient(gr.routes.App.create_app(app))


def _types(config: dict) -> list[str]:
    return [component["type"] for component in config["components"]]


def _ids(layout: dict) -> set[int]:
    return {layout["id"]}.union(*(_ids(child) for child in layout.get("children", [])))


def test_a_page_has_no_parts_that_nobody_sees(client):
    page = client.get("/config", params={"page": ""}).json()
    assert "number" in _types(page)
    assert "api" not in _types(page)
    assert [call["api_name"] for call in page["dependencies"]] == ["seen"]
    assert {component["id"] for component in page["components"]} >= _ids(page["layout"]) - {page["layout"]["id"]}


def test_programs_find_and_call_every_endpoint(client):
    assert _types(client.get("/config").json()).count("api") == 2
    assert set(client.get("/gradio_api/info").json()["named_endpoints"]) == {"/seen", "/twice"}
    assert client.post("/gradio_api/run/twice", json={"data": [21]}).json()["data"] == [42]
