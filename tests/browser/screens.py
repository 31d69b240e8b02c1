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
# A click may fall between two drawings of the tabs, on a button that is there no more: then it is pressed again.
OPENED = """id => { const button = document.getElementById(id);
  const open = button.getAttribute('aria-selected') === 'true';
  if (!open) button.click();
  return open; }"""
TOLD = """title => [...document.querySelectorAll('#build-title, #build-card')]
  .some((place) => place.checkVisibility() && place.innerText.includes(title))"""
# The form of Build says so itself, each time the server has answered.
AWAIT, ANSWERED = "lineage.awaits('build')", "html:not([data-awaits~=build])"
PARKED = "gpt1"  # a design that no test opens


def show(visitor, view: str) -> None:
    """Opens a tab, or a section of one, and waits for its answer."""
    tab = "compare" if view in SECTIONS else "objectives" if view in OBJECTIVES else view
    tab = "experts" if view in EXPERTS else tab
    visitor.page.locator(f"#tab-{tab}-button").click()
    visitor.page.wait_for_function(OPENED, arg=f"tab-{tab}-button", polling=1000)
    if view in OBJECTIVES:
        visitor.page.locator(f"#objs-switch button[value={OBJECTIVES[view]}]").click()
    if view in EXPERTS:
        visitor.page.locator(f"#exps-switch button[value={EXPERTS[view]}]").click()
    if view in SECTIONS:
        visitor.page.wait_for_selector("#compare-section")
        visitor.page.locator(f"#compare-section label:has(input[value={view}])").click()
    visitor.page.wait_for_selector(DRAWN[view])


def open_design(visitor, design: str) -> None:
    """Fills the form of Build as an address does, whatever it held before."""
    page = visitor.page
    page.locator("#tab-build-button").click()
    page.wait_for_selector(ANSWERED, state="attached")  # else its answer comes later
    context = page.locator("#build-context input")
    if context.input_value():
        page.evaluate(AWAIT)
        context.fill("")
        page.wait_for_selector(ANSWERED, state="attached")
    was = page.evaluate("lineage.state.design")  # opening that one would change nothing, not even what was refused
    for wanted in (PARKED, design) if was == design else (design,):
        page.locator("#tab-generate-button").click()
        visitor.put("build-design", wanted)
        page.evaluate(AWAIT)
        page.locator("#tab-build-button").click()
        page.wait_for_selector(ANSWERED, state="attached")
        page.wait_for_function(TOLD, arg=title_of(wanted.split("~")[0]))
    page.wait_for_timeout(200)  # Gradio writes the boxes of an answer one after the other, the title among the first
