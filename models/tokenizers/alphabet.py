"""How byte-level vocabularies write bytes down: one printable character for each (Radford et al., 2019)."""


def _byte_characters() -> list[str]:
    """The printable character that stands for each byte 0..255.

    Bytes that Latin-1 prints stand for themselves; the other 68 (controls, space, soft hyphen) take the code points
    from 256 up, which makes the space `Ġ`.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


CHARACTER_OF_BYTE = _byte_characters()
BYTE_OF_CHARACTER = {character: byte for byte, character in enumerate(CHARACTER_OF_BYTE)}


def spelled(piece: bytes) -> str:
    """Bytes as a byte-level vocabulary spells them."""
    return "".join([CHARACTER_OF_BYTE[byte] for byte in piece])
