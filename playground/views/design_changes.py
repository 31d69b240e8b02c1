"""What differs from the preset of departure: field by field, old → new, and what the new choice means."""

from html import escape

from models.config import GROUPS, MixtureOfExperts, ModelConfig, RopeScaling
from playground.design_controls import CHOICE_OF
from playground.design_diff import Difference
from playground.i18n import say
from playground.views.numbers import exact

TOWER = "vision_tower"


def design_changes(changes: list[Difference], base_title: str, lang: str) -> str:
    """HTML of the list; one sentence where nothing differs."""
    chosen = sum(not change.follows for change in changes)
    if not changes:
        return f'<p class="changes none">{escape(say(lang, "build.changes.none", base=base_title))}</p>'
    items = "".join(_item(change, lang) for change in changes)
    title = escape(say(lang, "build.changes.some", base=base_title, count=chosen))
    return f'<div class="changes"><p>{title}</p><dl>{items}</dl></div>'


def field_name(field: str, lang: str) -> str:
    """A field's name in the reader's words; one of the vision tower is named so."""
    if field.startswith(f"{TOWER}."):
        return say(lang, "part.in_tower", name=say(lang, f"part.name.{field.removeprefix(f'{TOWER}.')}"))
    return say(lang, f"part.name.{field}")


def _item(change: Difference, lang: str) -> str:
    name = escape(field_name(change.field, lang))
    old, new = (value_words(change.field, value, lang) for value in (change.old, change.new))
    if change.follows == "derived":
        sentence = say(lang, f"build.follows.{change.field}")
    elif change.follows:
        sentence = say(lang, f"build.follows.{change.follows}", old=old)
    else:
        sentence = meaning(change.field, change.new, lang)
    mark = ' class="follows"' if change.follows else ""
    return (
        f"<div{mark}><dt>{name}</dt><dd><del>{escape(old)}</del> → <ins>{escape(new)}</ins>"
        f"<span>{escape(sentence)}</span></dd></div>"
    )


def value_words(field: str, value: object, lang: str) -> str:
    """A field's value in the reader's words; a mask pattern may come as the form writes it, "causal,sliding"."""
    field = field.removeprefix(f"{TOWER}.")
    if field == "mask_pattern" and isinstance(value, str):
        value = value.split(",")
    if value is None:
        return say(lang, "part.value.absent")
    if isinstance(value, bool):
        return say(lang, "part.value.yes" if value else "part.value.no")
    if isinstance(value, RopeScaling):
        return f"{say(lang, f'part.choice.rope_scaling.{value.kind}')} × {exact(value.factor)}"
    if isinstance(value, (ModelConfig, *GROUPS.values())):
        return _summary(value, lang)
    if isinstance(value, tuple | list):
        return _listed(field, value, lang)
    if choice := _choice(field):
        return say(lang, f"part.choice.{choice}.{value}")
    return value if isinstance(value, str) else exact(value)


def meaning(field: str, value: object, lang: str) -> str:
    """One sentence on what the new value does."""
    field = field.removeprefix(f"{TOWER}.")
    if field == "rope_scaling":
        return say(lang, f"part.about.rope_scaling.{value.kind if value else 'none'}")
    if field == "moe":
        return say(lang, f"part.about.experts.{_experts(value) if value else 'none'}")
    if field == "mask_pattern":
        return say(lang, f"part.about.mask_pattern.{value[0] if len(set(value)) == 1 else 'mixed'}")
    if choice := _choice(field):
        return say(lang, f"part.about.{choice}.{value}")
    return say(lang, f"part.help.{field}")


def _choice(field: str) -> str:
    """Under which name the options of a field have their words; empty where it is no choice."""
    return {"moe.mixing": "experts", "moe.expert": "expert", **CHOICE_OF}.get(field, "")


def _listed(field: str, values: tuple | list, lang: str) -> str:
    if not values:
        return say(lang, "part.value.absent")
    if not isinstance(values[0], str):
        return ", ".join(map(exact, values))
    choice = "mask_pattern" if field == "mask_pattern" else field
    # A pattern repeats along the depth: of a long one its different entries are enough.
    entries = list(dict.fromkeys(values)) if len(values) > 4 else list(values)
    return say(lang, "part.value.comma").join(_entry(choice, entry, lang) for entry in entries)


def _entry(choice: str, entry: str, lang: str) -> str:
    return say(lang, f"part.choice.{'mask' if choice == 'mask_pattern' else choice}.{entry}")


def _summary(value: object, lang: str) -> str:
    """What matters most of a group, in a few words."""
    if isinstance(value, MixtureOfExperts):
        return say(lang, "part.summary.moe", n_experts=exact(value.n_experts), chosen=exact(value.n_experts_per_token))
    if isinstance(value, ModelConfig):
        return say(lang, "part.summary.vision_tower", n_layers=exact(value.n_layers), d_model=exact(value.d_model))
    if value.name == "mla":
        return say(lang, "part.summary.mla", kv_lora_rank=exact(value.kv_lora_rank))
    if value.name == "image":
        return say(lang, "part.summary.image", image_size=exact(value.image_size), patch_size=exact(value.patch_size))
    return ", ".join(f"{name} = {exact(number)}" for name, number in value.to_dict().items() if number)


def _experts(moe: MixtureOfExperts) -> str:
    return "lora" if moe.expert == "lora" else moe.mixing
