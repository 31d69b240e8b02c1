"""Gradio's Blocks, whose page leaves out what only programs ask for."""

import gradio as gr


class AppBlocks(gr.Blocks):
    """The endpoints made by `gr.api` are in the configuration that a program reads, not in the page's.

    Gradio makes a component of every parameter and return value of an endpoint, which would be a quarter of all that a
    browser has to make before the page can be used. It lists by page what belongs to it; what stands in no page's list is
    served to programs all the same.
    """

    def get_config_file(self) -> dict:
        config = super().get_config_file()
        unseen = {component["id"] for component in config["components"] if component["type"] == "api"}
        endpoints = {call["id"] for call in config["dependencies"] if unseen & {*call["inputs"], *call["outputs"]}}
        for page in config["page"].values():
            page["components"] = [id_ for id_ in page["components"] if id_ not in unseen]
            page["dependencies"] = [id_ for id_ in page["dependencies"] if id_ not in endpoints]
            page["layout"] = _without(page["layout"], unseen)
        return config


def _without(layout: dict, unseen: set[int]) -> dict:
    """The tree of components without those."""
    if "children" not in layout:
        return layout
    return {
        **layout,
        "children": [_without(child, unseen) for child in layout["children"] if child["id"] not in unseen],
    }
