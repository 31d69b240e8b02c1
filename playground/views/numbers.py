"""Numbers as a reader meets them: short with a unit, exact with thin spaces, never the programmer's rendering."""

THIN = "\u2009"
NARROW = "\u202f"  # a thin space that does not break a line

_DECIMAL = ((10**15, "P"), (10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))
_FLOPS = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_BINARY = ((2**50, "PiB"), (2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def exact(value: int | float) -> str:
    """6738415616 → "6 738 415 616"; other floats as briefly as they can be."""
    if isinstance(value, float):
        if not value.is_integer() or abs(value) >= 1e15:
            return f"{value:g}"
        value = int(value)
    return f"{value:,}".replace(",", NARROW)


def short(value: int) -> str:
    """A count with three significant digits: 6738415616 → "6.74 B"; below a thousand exactly."""
    return _scaled(value, _DECIMAL) or str(value)


def short_bytes(value: int) -> str:
    """Bytes in powers of 1024: 4718592 → "4.50 MiB"."""
    return _scaled(value, _BINARY) or f"{value}{NARROW}B"


def short_flops(value: int) -> str:
    """Floating-point operations in powers of 1000: 14288000000 → "14.3 GFLOP"."""
    scaled = _scaled(value, _FLOPS)
    return f"{scaled}FLOP" if scaled else f"{value}{NARROW}FLOP"


def in_unit(value: int, unit: str) -> str:
    """`value` shortened as its unit ("params", "bytes" or "flops") asks."""
    return {"params": short, "bytes": short_bytes, "flops": short_flops}[unit](value)


def percent(part: int, whole: int) -> str:
    """A share with a sensible number of digits: "31.2 %", "0.04 %", "<0.01 %"."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.01:
        return f"<0.01{NARROW}%"
    return f"{share:.1f}{NARROW}%" if share >= 1 else f"{share:.2f}{NARROW}%"


def _scaled(value: int, units: tuple[tuple[int, str], ...]) -> str:
    for size, name in units:
        # 999 950 must read 1.00 M, not 1000 K: the unit is chosen for the rounded number.
        if abs(value) >= size * 0.9995:
            return f"{_three_digits(value / size)}{NARROW}{name}"
    return ""


def _three_digits(number: float) -> str:
    if abs(number) >= 1000:
        return exact(round(number))
    decimals = 0 if abs(number) >= 99.95 else 1 if abs(number) >= 9.995 else 2
    return f"{number:.{decimals}f}"
