"""What "Use this model" has done, or why it could not."""

from html import escape


def design_used(sentence: str, next_step: str | None) -> str:
    """HTML: a confirmation with what to do next, or a refusal where there is no next step."""
    if next_step is None:
        return f'<p class="problem" role="alert">{escape(sentence)}</p>'
    return f'<p class="used" role="status">{escape(sentence)} {escape(next_step)}</p>'
