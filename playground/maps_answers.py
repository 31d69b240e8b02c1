"""What the section "maps" of the tab of attention asks of the server."""

ANSWERS: list = []
