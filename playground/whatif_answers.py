"""What the sections of the tab of attention in static/attention_whatif.js ask of the server."""

ANSWERS: list = []
