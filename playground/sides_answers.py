"""What the script of the section "sides" asks of the server."""

ANSWERS = []
