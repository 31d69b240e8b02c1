"""The views of the page, and how a visitor gets from one to another without loading it anew, which takes seconds."""

from playground.preset_lists import title_of

# What a view shows once it has answered: only then are the controls that do not apply out of sight.
DRAWN = {
    "generate": ".generate-tokens [role=option]",
    "build": "#build-chart .js-plotly-plot .main-svg",
    "compare": "#compare-result svg.towers",
    "lineage": "#lineage-steps .step > :not([hidden]) h3",
    "context": "#kv-context .kv-plot svg",
    "tokenizers": ".toks-column .tok",
    "objectives": ".mask-content .mtok",
    "attention": ".maps-cell[aria-current]",
    "pairs": ".pair-answer .pair-read",
    "sides": ".side-card .side-mask",
    "experts": ".exp-board .exp-habits table",
    "router": ".exp-steps [data-figure=load] svg",
    "routers": ".exp-compare [data-figure=costs] svg",
    "sizes": ".exp-sizes [data-figure=sizes] svg",
    "train": ".train-section:not([hidden]) .train-plot .main-svg",
}
SECTIONS = ("compare", "lineage", "context")  # of the tab Compare
OBJECTIVES = {"objectives": "bert", "pairs": "pairs", "sides": "sides"}  # sections of the tab Objectives
EXPERTS = {"experts": "board", "router": "steps", "routers": "compare", "sizes": "sizes"}  # sections of the tab Experts
TOLD = """title => [...document.querySelectorAll('#build-title, #build-card')]
  .some((place) => place.checkVisibility() && place.innerText.includes(title))"""
PARKED = "gpt1"  # a design that no test opens


def show(visitor, view: str) -> None:
    """Opens a tab, or a section of one, and waits for its answer."""
    tab = "compare" if view in SECTIONS else "objectives" if view in OBJECTIVES else view
    tab = "experts" if view in EXPERTS else tab
    visitor.page.locator(f"#tab-{tab}-button").click()
    if view in OBJECTIVES:
        visitor.page.locator(f"#objs-switch button[value={OBJECTIVES[view]}]").click()
    if view in EXPERTS:
        visitor.page.locator(f"#exps-switch button[value={EXPERTS[view]}]").click()
    if view in SECTIONS:
        visitor.page.wait_for_selector("#compare-section")
        visitor.page.locator(f"#compare-section input[value={view}]").check(force=True)
    visitor.page.wait_for_selector(DRAWN[view])


def open_design(visitor, design: str) -> None:
    """Fills the form of Build as an address does, whatever it held before."""
    visitor.page.locator("#tab-build-button").click()
    visitor.page.wait_for_selector("html:not([data-awaits~=build])", state="attached")  # else its answer comes later
    context = visitor.page.locator("#build-context input")
    if context.input_value():
        context.fill("")
    for wanted in (PARKED, design):
        visitor.page.locator("#tab-generate-button").click()
        visitor.put("build-design", wanted)
        visitor.page.locator("#tab-build-button").click()
        title = title_of(wanted.split("~")[0])
        visitor.page.wait_for_function(TOLD, arg=title)
