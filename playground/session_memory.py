"""What Gradio remembers of a visitor's components, and how a large value is dropped from it."""

from gradio.context import LocalContext


def forget_value(session_hash: str, elem_id: str) -> None:
    """Lets Gradio's memory of a session drop the values of the component `elem_id`; the browser keeps what it has.

    For every session, up to `state_session_capacity` of them, Gradio holds the last value of each component; and each
    property update, `gr.skip()` too, makes a new copy of the component, beside which the old one with its value stays.
    To be called while one of the session's events runs; elsewhere there is no such memory, and nothing happens.
    """
    app = LocalContext.blocks.get(None)
    if app is None or session_hash not in app.state_holder:
        return
    for config in app.state_holder[session_hash].components:
        properties = config.get("props", {})
        if properties.get("elem_id") == elem_id:
            properties["value"] = ""
