"""What the sections "weight" and "flash" of the tab of attention ask of the server."""

from playground.answering import answering
from playground.turns import turn


@answering
def weight_heads(asked: dict, lang: str) -> dict:
    """The heads of one pass around the one that is asked for, `at`: group, layer and head."""
    from playground import weight_payload
    from playground.attention_subject import looked_at
    from playground.weight_request import place

    looked = looked_at(asked)
    at = place(asked.get("at"), looked.loaded.config)
    with turn():
        reply = weight_payload.heads(looked.loaded, looked.inputs, at)
    return {"at": ".".join(map(str, at)), **reply}


@answering
def weight_sights(asked: dict, lang: str) -> dict:
    """The masks that choose by content, for every number of tokens that the page draws."""
    from playground import sight_payload

    with turn():
        return sight_payload.by_content()


@answering
def flash_latents(asked: dict, lang: str) -> dict:
    """What caches keep of a token, and latent attention's two orders of products on the text."""
    from playground import latent_payload
    from playground.attention_subject import looked_at
    from playground.weight_request import place

    looked = looked_at(asked)
    example = latent_payload.example(looked, asked)
    at = place(asked.get("at") if example is looked else None, example.loaded.config)
    with turn():
        return latent_payload.latents(looked, example, at)


ANSWERS = [weight_heads, weight_sights, flash_latents]
