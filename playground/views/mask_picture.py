"""A mask as a grid of eight tokens: rows are queries, columns keys, filled where the query may look."""

TOKENS = 8
SCHEMATIC_WINDOW = 3  # a window wider than the grid is drawn this wide


def mask_picture(mask: str, window: int | None, x: float, y: float, size: float) -> str:
    """SVG cells of one mask ("causal" or "sliding") in a square of `size` at (x, y)."""
    cell = size / TOKENS
    reach = TOKENS if mask == "causal" else window if window and window < TOKENS else SCHEMATIC_WINDOW
    cells = []
    for query in range(TOKENS):
        for key in range(TOKENS):
            seen = "seen" if query - reach < key <= query else "unseen"
            at = f'x="{x + key * cell:.2f}" y="{y + query * cell:.2f}"'
            cells.append(f'<rect class="{seen}" {at} width="{cell - 1:.2f}" height="{cell - 1:.2f}"/>')
    return "".join(cells)
