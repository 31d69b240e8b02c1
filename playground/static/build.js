// Build: what the browser does by itself. Formulas that the reader opened stay open when the numbers change, and the
// chart takes its colours from the page, so that they follow light and dark.

const Build = (() => {
  const open = new Set();
  lineage.awaits("build"); // until the first design is there, the controls hold another one

  // A click on a summary, by pointer or key, is the reader's; what closes without one was replaced by Gradio.
  function remember(event) {
    const details = event.target.closest?.("summary")?.parentElement;
    const key = details?.dataset.figure;
    if (!key) return;
    if (details.open) open.delete(key);
    else open.add(key);
  }

  function reopen(root) {
    for (const details of root.querySelectorAll("details[data-figure]")) {
      if (open.has(details.dataset.figure) && !details.open) details.open = true;
    }
  }

  // Plotly writes colours into the bars; the kinds of the parts came with the trace.
  function colour(root) {
    const plot = root.querySelector("#build-chart .js-plotly-plot");
    const kinds = plot?.data?.[0]?.customdata;
    if (!kinds) return;
    plot.querySelectorAll(".bars .point path").forEach((bar, index) => {
      bar.style.setProperty("fill", `var(--kind-${kinds[index]})`, "important");
    });
  }

  // Where the form stands above the picture, it starts folded, so that the picture is not far away.
  let folded = false;

  function foldIfNarrow() {
    const open = document.querySelectorAll("#build-controls .label-wrap.open");
    if (folded || !open.length) return;
    folded = true;
    if (matchMedia("(max-width: 900px)").matches) open.forEach((button) => button.click());
  }

  function mount(element) {
    const root = element.closest("#build-picture") ?? document.body;
    root.addEventListener("click", remember, true);
    new MutationObserver(() => {
      reopen(root);
      colour(root);
    }).observe(root, { childList: true, subtree: true, characterData: true, attributeFilter: ["open"] });
    colour(root);
  }

  // The form's notes, which of its controls apply, and the headings come as one string: a hundred small updates of
  // Gradio components would take far longer than computing them. Nor is a note a component: each one makes the page
  // open later.
  let sheet = { answer: 0, notes: {}, shown: {}, groups: {}, headings: {} };
  const written = new WeakMap();

  const controlOf = (name) => document.getElementById(`build-${name.replaceAll(/[_.]/g, "-")}`);

  /** Where a note stands: in a place of its own, or below the control that it is about, if that is on the page. */
  function placeOf(name) {
    const place = document.querySelector(`[data-note="${name}"]`);
    if (place) return place;
    const below = lineage.element("div", { "data-note": name });
    controlOf(name)?.append(below);
    return below;
  }

  /** A control whose entry is refused is marked, and says why to those who cannot see the sentence below it. */
  function mark(control, place) {
    const isRefused = place.querySelector(".problem") !== null;
    place.id ||= `build-note-${place.dataset.note.replaceAll(/[_.]/g, "-")}`;
    for (const entry of control?.querySelectorAll("input, textarea") ?? []) {
      const isMarked = entry.getAttribute("aria-describedby") === place.id;
      if (isRefused === isMarked) continue;
      for (const [name, value] of [["aria-invalid", "true"], ["aria-describedby", place.id]]) {
        if (isRefused) entry.setAttribute(name, value);
        else entry.removeAttribute(name);
      }
    }
  }

  /** "Use this model" can be pressed in any case: where it cannot do what it says, it says why. */
  function offer(isUsable) {
    const button = document.getElementById("build-use");
    button?.setAttribute("aria-disabled", String(!isUsable));
    if (isUsable) button?.removeAttribute("aria-describedby");
    else button?.setAttribute("aria-describedby", "build-note-limit");
  }

  /** Shows a control and puts the cursor into it; its group may be folded. */
  function goTo({ control, group }) {
    const heading = document.querySelector(`#build-group-${group} .label-wrap:not(.open)`);
    heading?.click();
    setTimeout(() => { // not before Gradio has unfolded the group
      const place = controlOf(control);
      place?.scrollIntoView({ block: "center" });
      place?.querySelector("input, textarea")?.focus({ preventScroll: true });
    }, heading ? 100 : 0);
  }

  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-control]");
    if (!link) return;
    event.preventDefault();
    goTo(link.dataset);
  });

  function fill() {
    for (const [name, html] of Object.entries(sheet.notes)) {
      const place = placeOf(name);
      if (written.get(place) === html) continue;
      written.set(place, html);
      place.innerHTML = html; // made and escaped by the server's views
      mark(controlOf(name), place);
    }
    for (const [name, applies] of Object.entries(sheet.shown)) {
      const control = controlOf(name);
      if (control && control.hidden === applies) control.hidden = !applies;
    }
    for (const [name, applies] of Object.entries(sheet.groups)) {
      const group = document.getElementById(`build-group-${name}`);
      if (group && group.hidden === applies) group.hidden = !applies;
    }
    if (sheet.answer) offer(sheet.usable);
    document.getElementById("build-controls")?.classList.toggle("card-alone", Boolean(sheet.alone));
    for (const heading of document.querySelectorAll("[data-heading]")) {
      const words = sheet.headings[heading.dataset.heading] ?? "";
      if (heading.textContent !== words) heading.textContent = words;
    }
  }

  function form(props, watch) {
    const read = () => {
      if (!props.value) return;
      sheet = JSON.parse(props.value);
      isUnanswered = false;
      fill();
      lineage.arrived("build");
      setTimeout(foldIfNarrow); // not before the first design: while the page is set up, Gradio opens them again
      // The controls are filled in the same turn as this sheet comes.
      if (kept) setTimeout(() => document.getElementById("build-retype").click());
    };
    watch("value", read);
    read();
    // Folded groups may build their controls when they are opened.
    const controls = document.getElementById("build-controls");
    if (controls) new MutationObserver(fill).observe(controls, { childList: true, subtree: true });
  }

  // What is typed or ticked; a list says by itself what was chosen from it. Enter ticks a box without an input event.
  let isUntold = false; // whether the server has not been told yet …
  let isUnanswered = false; // … or has not answered
  const tell = ({ target }) => {
    if (target.getAttribute("role") === "combobox" || !target.closest("#build-controls, #build-cache")) return;
    isUntold = true;
    setTimeout(() => document.getElementById("build-typed").click()); // the control takes the entry in meanwhile
  };
  addEventListener("input", tell);
  addEventListener("keydown", (event) => event.key === "Enter" && event.target.type === "checkbox" && tell(event));

  // Entries that describe no model are not in the address. A change of language loads the page anew, so they are kept
  // beside it and typed again once the last valid design is shown.
  let entries = null; // what the controls held when one of them was last changed
  let kept = recall();

  function recall() {
    const left = JSON.parse(lineage.remember("sessionStorage", "form"));
    lineage.remember("sessionStorage", "form", null);
    const design = new URLSearchParams(location.search).get("design") ?? lineage.boot.defaults.design;
    return left?.design === design ? left : null; // another design may have been opened since
  }

  addEventListener("lineage:leaving", () => {
    const refused = document.querySelector("#build-title .stale");
    if (refused && entries) kept = { design: lineage.state.design, entries };
    if (kept) lineage.remember("sessionStorage", "form", JSON.stringify(kept));
  });

  /** Keeps the controls' values, which stand in `inputs` from `start` on; in place of the sheet its number goes on. */
  function typed([state, , ...inputs], start) {
    isUntold = false;
    isUnanswered = true;
    entries = inputs.slice(start - 2);
    return [state, sheet.answer, ...inputs];
  }

  /** Gives `inputs` once all that was typed has been answered, or is not answered in time: what is pressed comes after it. */
  async function settled(inputs) {
    const patience = performance.now() + 5000;
    while ((isUntold || isUnanswered) && performance.now() < patience) await new Promise((go) => setTimeout(go, 20));
    isUntold = isUnanswered = false; // an answer that never comes is waited for once
    return inputs;
  }

  /** The kept entries, one a control. */
  function retype() {
    entries = kept?.entries ?? entries;
    kept = null;
    return entries;
  }

  return { mount, form, typed, settled, retype };
})();
