"""What a training says of itself on the command line: lines that stay, and one that tells how far it is.

On a terminal that one is written again and again in its place; in a file it becomes a line of its own, now and then.
"""

from typing import TextIO

from models.training.recipe import Recipe
from models.training.trainer import Progress

BAR = 24  # characters


class Terminal:
    """A stream on which the passing line gives way to the next, passing or not."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = 0  # characters of the passing line

    def say(self, text: str) -> None:
        """Writes a line that stays."""
        self._write(text, "\n")
        self._shown = 0

    def show(self, text: str) -> None:
        """Writes the passing line."""
        self._write(text, "")
        self._shown = len(text)

    def _write(self, text: str, end: str) -> None:
        self._stream.write(f"\r{text.ljust(self._shown)}{end}")
        self._stream.flush()


def how_far(recipe: Recipe, progress: Progress, speed: float) -> str:
    """A bar, the loss, the learning rate, and at `speed` tokens a second the time that is left."""
    done = progress.step / recipe.steps
    bar = "#" * int(done * BAR)
    left = (recipe.steps * recipe.batch_tokens - progress.tokens) / speed
    return (
        f"{recipe.name} [{bar:.<{BAR}}] {done:4.0%}  step {progress.step:,}/{recipe.steps:,}  loss {progress.loss:.3f}  "
        f"lr {progress.lr:.2e}  {speed:,.0f} tokens/s  {duration(left)} left"
    )


def duration(seconds: float) -> str:
    """Seconds, minutes or hours: "45 s", "12 min", "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
