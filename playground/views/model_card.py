"""A model that is known by name: what is published of it and what is not, without a number."""

from html import escape

import models
from models.presets import Card
from playground.i18n import say
from playground.views.control_note import linked


def model_card(card: Card | None, lang: str) -> str:
    """HTML of the card; empty where there is none. One without a design of its own stands `alone` in the picture's place."""
    if card is None:
        return ""
    alone = "" if card.shares else " alone"
    heading = f"<h2>{escape(card.title)} <small>{card.year}</small></h2>" if alone else ""
    pieces = [heading, f"<p>{escape(card.known[lang])}</p>"]
    if card.unknown:
        pieces.append(f'<p class="unknown">{escape(card.unknown[lang])}</p>')
    if card.shares:
        title = models.preset_info(card.shares).title
        pieces.append(f"<p>{escape(say(lang, 'build.card.shares', name=card.title, title=title))}</p>")
    elif card.like:
        title = models.preset_info(card.like).title
        pieces.append(f"<p>{escape(say(lang, 'build.card.layers', title=title))}</p>")
    pieces.append(f'<p class="source">{linked(card.source)}</p>')
    return f'<section class="card{alone}">{"".join(pieces)}</section>'
