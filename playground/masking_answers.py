"""What the script of the section "masking" asks of the server."""

ANSWERS = []
