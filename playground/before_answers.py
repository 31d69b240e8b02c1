"""What the sections of the tab of attention in static/attention_before.js ask of the server."""

ANSWERS: list = []
