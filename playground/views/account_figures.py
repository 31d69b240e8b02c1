"""The figures of a design: each number large, its formula with the values put in one key press away."""

from html import escape

from models.account import Account
from playground.i18n import say
from playground.views.numbers import NARROW, THIN, exact, in_unit

SHOWN: dict[str, tuple[str, ...]] = {
    "size": ("params", "active_params", "memory_fp32", "memory_bf16", "memory_int8"),
    "running": ("kv_bytes_per_token", "kv_bytes_per_token_read", "kv_bytes", "flops_per_token", "flops_per_token_naive")
    + ("flops_forward",),
    "training": ("memory_training", "memory_training_zero1", "memory_training_zero2", "memory_training_zero3"),
}


def account_figures(account: Account, lang: str) -> str:
    """HTML of the figures in three groups; those that would say nothing of this model are left out."""
    said = _saying_something(account)
    groups = "".join(_group(account, name, [key for key in keys if key in said], lang) for name, keys in SHOWN.items())
    return f"{_remarks(account, lang)}{groups}"


def _saying_something(account: Account) -> set[str]:
    """Active parameters only where a token does not use all of them, a cache only where there is one."""
    said = set(account.figures)
    if account.active_params == account.params:
        said.discard("active_params")
    if not account.kv_bytes:
        said -= {"kv_bytes_per_token", "kv_bytes"}
    return said


def _group(account: Account, name: str, keys: list[str], lang: str) -> str:
    heading = escape(say(lang, f"build.figures.{name}"))
    figures = "".join(_figure(account, key, lang) for key in keys)
    return f'<h4>{heading}</h4><div class="figures">{figures}</div>'


def _remarks(account: Account, lang: str) -> str:
    """How layers with a sliding window are counted, where there are any; and that some models cache nothing."""
    cfg = account.cfg
    n_sliding = sum(cfg.layer(index).mask == "sliding" for index in range(cfg.n_layers))
    if n_sliding:
        params = {"n_sliding": exact(n_sliding), "n_layers": exact(cfg.n_layers), "window": exact(cfg.window)}
        return f'<p class="counted">{escape(say(lang, "build.sliding", **params))}</p>'
    return "" if account.kv_bytes else f'<p class="counted">{escape(say(lang, "build.no_cache"))}</p>'


def _figure(account: Account, key: str, lang: str) -> str:
    figure = account.figures[key]
    params = {"context": exact(account.context), "batch": exact(account.batch), "dtype": account.dtype}
    params["ranks"] = exact(account.ranks)
    words = "flops_per_token_reading" if key == "flops_per_token" and not account.kv_bytes else key
    name = escape(say(lang, f"build.figure.{words}", **params))
    sentence = escape(say(lang, f"build.figure_about.{words}", **params))
    unit = escape(say(lang, f"build.unit.{figure.unit}"))
    return (
        f'<details data-figure="{key}"><summary><span class="name">{name}</span> '
        f'<span class="value" title="{exact(figure.value)} {unit}">'
        f"{in_unit(figure.value, figure.unit)}</span></summary>"
        f"{formula(figure.formula, figure.worked, unit)}<p>{sentence}</p></details>"
    )


def formula(symbols: str, worked: str, unit: str) -> str:
    """A formula in symbols and with its values; `unit` is escaped already."""
    worked = escape(worked).replace(THIN, NARROW)
    return f'<p class="formula"><code>{escape(symbols)}</code><br><code>= {worked}</code> {unit}</p>'
