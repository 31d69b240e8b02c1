"""What the script of the section "pairs" asks of the server."""

ANSWERS = []
