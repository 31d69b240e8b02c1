/* Tokenizers: what was chosen, what is asked of the server, and the section that compares. Steps and training have files of
   their own. The server answers with plain values; every text becomes part of the page by textContent alone. */

const Tokenizers = (() => {
  const { element, fill, grouped } = lineage;
  const { keepText, keptText } = Asking;
  const SECTIONS = ["compare", "steps", "train"];
  const SOON = 600; // milliseconds after which the page says that it waits
  const PAUSE = 120; // milliseconds after the last key
  const OWN = "own";
  let current = ""; // the tokenizers that are compared

  // ---- the tab -------------------------------------------------------------------------------------------------------

  async function mount(root, server) {
    const place = root.querySelector(".toks");
    if (place.dataset.mounted) return;
    place.dataset.mounted = "true";
    await Asking.ready();
    const error = element("p", { class: "toks-error", role: "alert", hidden: "" });
    let words = { unreachable: place.dataset[lineage.lang === "zh" ? "unreachableZh" : "unreachableEn"] };
    const ask = Asking.asker(server, () => words.unreachable);
    const attempt = Asking.attempter(error);
    place.append(error);
    const opening = await attempt(() => ask("opening"));
    if (!opening) return;
    ({ words } = opening);
    const tab = { ask, attempt, words, opening, place, Refused: Asking.Refused, keepText, keptText };
    tab.text = (text) => TokenPieces.textRequest(ask, text, opening.limits, words);
    tab.own = restoreOwn();
    const sections = SECTIONS.map((name) => element("div", { class: `toks-section toks-${name}`, "data-of": name }));
    place.append(sectionSwitch(tab, sections), ...sections);
    tab.compare = compareSection(tab, sections[0]);
    tab.openers = { compare: tab.compare.open, steps: () => TokenSteps.open(tab, sections[1]), train: () => TokenTraining.open(tab, sections[2]) };
    tab.show = (name) => {
      lineage.write("tok_section", name);
      show(tab, sections, name);
    };
    show(tab, sections, SECTIONS.includes(lineage.state.tok_section) ? lineage.state.tok_section : "compare");
  }

  function sectionSwitch(tab, sections) {
    const options = SECTIONS.map((name) => [name, tab.words[`section_${name}`]]);
    const chosen = SECTIONS.includes(lineage.state.tok_section) ? lineage.state.tok_section : "compare";
    return lineage.choice("toks-switch", tab.words.sections, options, chosen, (name) => tab.show(name));
  }

  function show(tab, sections, name) {
    document.documentElement.dataset.toks = name;
    for (const button of tab.place.querySelectorAll("#toks-switch button")) {
      button.setAttribute("aria-pressed", String(button.value === name));
    }
    for (const section of sections) section.hidden = section.dataset.of !== name;
    tab.openers[name]();
  }

  // ---- tokenizers of the visitor's own ---------------------------------------------------------------------------------

  function restoreOwn() {
    try {
      const kept = JSON.parse(lineage.remember("sessionStorage", OWN) ?? "[]");
      return Array.isArray(kept) ? kept.filter((item) => typeof item?.name === "string") : [];
    } catch {
      return [];
    }
  }

  function addOwn(tab, item) {
    tab.own = [item, ...tab.own].slice(0, 8);
    lineage.remember("sessionStorage", OWN, JSON.stringify(tab.own));
  }

  // ---- the section that compares ---------------------------------------------------------------------------------------

  function compareSection(tab, section) {
    const { words, opening } = tab;
    const known = () => [...opening.tokenizers.filter((item) => item.available), ...tab.own];
    const view = {};
    let chosen = String(lineage.state.tokenizers).split(",").filter((name) => known().some((item) => item.name === name));
    const lost = String(lineage.state.tokenizers).split(",").filter((name) => !chosen.includes(name));
    for (const item of known()) {
      if (chosen.length >= opening.limits.least) break;
      if (!chosen.includes(item.name)) chosen.push(item.name);
    }

    const text = element("textarea", { id: "toks-input", rows: "6", spellcheck: "false" });
    text.value = keptText("text");
    text.dir = "auto";
    const carried = element("p", { class: "toks-note", hidden: "" }, words.not_carried);
    const chips = element("div", { class: "toks-chips", role: "group", "aria-label": words.passages });
    for (const passage of opening.passages) {
      const chip = element("button", { type: "button", class: "chip" }, passage.title);
      chip.addEventListener("click", () => {
        text.value = passage.text;
        changed();
      });
      chips.append(chip);
    }
    const picker = element("div", { class: "toks-picker" });
    const controls = element("div", { class: "controls" },
      element("label", { for: "toks-input" }, words.text), text, carried, chips, picker, TokenPicker.bringing(tab, arrived));
    view.headline = element("p", { class: "toks-headline", "aria-live": "polite" });
    view.note = element("p", { class: "toks-note" });
    view.columns = element("div", { class: "toks-columns" });
    view.table = element("div", { class: "toks-scroll", tabindex: "0", role: "region", "aria-label": words.table });
    view.facts = element("div", { class: "toks-scroll", tabindex: "0", role: "region", "aria-label": words.facts });
    const further = TokenSurvey.parts(tab, () => chosen);
    const picture = element("div", { class: "picture" }, view.headline, view.note, view.columns, TokenTable.legend(words), view.table,
      element("p", { class: "toks-note" }, words.table_note),
      element("details", { class: "toks-facts" }, element("summary", {}, words.facts), view.facts), ...further.elements);
    section.append(element("div", { class: "split" }, controls, picture));
    if (lost.length) view.lost = fill(words.lost, { names: lost.join(", ").slice(0, 120) });

    let running = false;
    let again = false;
    let timer = 0;
    let opened = false;

    async function once() {
      const asked = text.value;
      const names = chosen.slice();
      const patience = setTimeout(() => { view.note.textContent = words.waiting; }, SOON);
      const payload = await tab.attempt(async () => tab.ask("compare", { tokenizers: names, ...await tab.text(asked) }));
      clearTimeout(patience);
      section.setAttribute("aria-busy", "false");
      if (view.note.textContent === words.waiting) view.note.textContent = "";
      if (!payload || again) return;
      drawAll(view, payload, asked, words);
    }

    async function update() {
      again = true;
      if (running) return;
      running = true;
      section.setAttribute("aria-busy", "true");
      try {
        while (again) {
          again = false;
          await once();
        }
      } finally {
        running = false;
      }
    }

    function changed() {
      carried.hidden = keepText("text", text.value);
      clearTimeout(timer);
      timer = setTimeout(update, PAUSE);
    }

    function choose(names) {
      chosen = names;
      lineage.write("tokenizers", chosen.join(","));
      list();
      update();
      further.again();
      redrawChart();
    }

    function take(item) {
      if (!chosen.includes(item.name)) choose([...chosen.slice(0, opening.limits.most - 1), item.name]);
    }

    function arrived(item) {
      addOwn(tab, item);
      take(item);
    }

    function list() {
      current = chosen.join(",");
      TokenPicker.draw(picker, tab, known(), chosen, choose);
    }

    text.addEventListener("input", changed);
    carried.hidden = Asking.fits("text", text.value);
    list();
    const open = () => {
      if (opened) return;
      opened = true;
      update();
    };
    return { open, take, known };
  }

  function drawAll(view, payload, asked, words) {
    const usable = payload.columns.filter((column) => !column.refused);
    view.headline.textContent = TokenTable.headline(usable, payload.size, words);
    const notes = [];
    if (view.lost) notes.push(view.lost);
    const characters = payload.size.characters;
    if (payload.drawn < characters) {
      notes.push(fill(words.drawn, { drawn: grouped(payload.drawn), characters: grouped(characters) }));
    }
    view.note.textContent = notes.join(" ");
    TokenColumns.draw(view.columns, payload, asked, words);
    TokenTable.figures(view.table, usable, payload.size, words);
    TokenTable.facts(view.facts, usable, words);
  }

  /** The names of the tokenizers that are compared, for the chart. */
  const chosen = () => current;

  /** The chart is Gradio's: it follows the field that carries the names, while it is open. */
  function redrawChart() {
    const field = document.querySelector("#tokenizers-chosen textarea");
    if (!field || !document.querySelector("#tokenizers-plot")) return;
    field.value = current;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  return { mount, chosen, addOwn };
})();
