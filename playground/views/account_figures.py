"""The figures of a design: each number large, its formula with the values put in one key press away."""

from html import escape

from models.account import Account
from playground.i18n import say
from playground.views.numbers import NARROW, THIN, exact, in_unit

SHOWN = ("params", "kv_bytes_per_token", "kv_bytes", "flops_per_token", "memory_fp32", "memory_bf16", "memory_int8")


def account_figures(account: Account, lang: str) -> str:
    """HTML of the figures; `active_params` only where a token does not use all of them."""
    keys = SHOWN if account.active_params == account.params else ("params", "active_params", *SHOWN[1:])
    figures = "".join(_figure(account, key, lang) for key in keys)
    return f'{_sliding(account, lang)}<div class="figures">{figures}</div>'


def _sliding(account: Account, lang: str) -> str:
    """How layers with a sliding window are counted, where there are any."""
    cfg = account.cfg
    n_sliding = sum(cfg.layer(index).mask == "sliding" for index in range(cfg.n_layers))
    if not n_sliding:
        return ""
    params = {"n_sliding": exact(n_sliding), "n_layers": exact(cfg.n_layers), "window": exact(cfg.window)}
    return f'<p class="counted">{escape(say(lang, "build.sliding", **params))}</p>'


def _figure(account: Account, key: str, lang: str) -> str:
    figure = account.figures[key]
    params = {"context": exact(account.context), "batch": exact(account.batch), "dtype": account.dtype}
    name = escape(say(lang, f"build.figure.{key}", **params))
    sentence = escape(say(lang, f"build.figure_about.{key}", **params))
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
