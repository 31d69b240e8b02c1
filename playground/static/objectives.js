/* Objectives: the sections of the tab and what they share: the text, the model that answers, the seed. Each section is drawn
   by a file of its own. Every text becomes part of the page by textContent alone. */

const Objectives = (() => {
  const { element, fill, grouped } = lineage;
  const SECTIONS = ["bert", "pairs", "sides"];
  const PAUSE = 250; // milliseconds after the last key

  async function mount(root, server) {
    const place = root.querySelector(".objs");
    const begun = await Asking.begun(place, server, "objective_opening");
    if (!begun) return;
    const { error, ask, attempt, opening } = begun;
    const words = opening.words.objectives;
    const chosen = chosenIn(opening);
    const shared = { ask, attempt, opening, words, chosen, setText: chosen.setText, controls: (options) => controls(shared, options) };
    await list(shared, lineage.state.obj_model);
    if (isTrainedHere(lineage.state.model)) await list(shared, lineage.state.model);
    shared.lost = () => lostModel(opening, words);
    const panels = new Map(SECTIONS.map((name) => [name, place.querySelector(`.obj-${name}`)]));
    const sections = {
      bert: Masking.mount(panels.get("bert"), server, shared),
      pairs: Pairs.mount(panels.get("pairs"), server, shared),
      sides: Sides.mount(panels.get("sides"), server, shared),
    };
    const current = () => (SECTIONS.includes(lineage.state.obj_section) ? lineage.state.obj_section : "bert");
    const show = (name) => {
      lineage.write("obj_section", name);
      error.hidden = true;
      for (const [of, panel] of panels) panel.hidden = of !== name;
      sections[name].open();
    };
    shared.show = (name) => {
      for (const button of place.querySelectorAll("#objs-switch button")) button.setAttribute("aria-pressed", String(button.value === name));
      show(name);
    };
    let inHand = lineage.state.model;
    Asking.onModel(place, async (design) => {
      if (design === inHand) return; // the address may name another model for this tab
      inHand = design;
      if (isTrainedHere(design)) await list(shared, design);
      if (inHand !== design || !opening.models.some(({ name }) => name === design)) return;
      lineage.write("obj_model", design);
      sections[current()].open();
    });
    error.after(lineage.choice("objs-switch", words.sections, SECTIONS.map((name) => [name, words[`section_${name}`]]), current(), show));
    show(current());
  }

  // ---- what every section starts from ----------------------------------------------------------------------------------

  /** The text, model and seed that the sections share, read anew at each look. */
  function chosenIn(opening) {
    const [first] = opening.passages; // in the page's language
    let text = Asking.keptText("obj_text") || first.text; // an empty one has no place in an address
    return {
      get text() { return text; },
      get seed() { return Number(lineage.state.obj_seed); },
      get model() {
        const named = (wanted) => opening.models.find(({ name }) => name === wanted);
        return (named(lineage.state.obj_model) ?? named(lineage.state.model) ?? named(first.model)).name;
      },
      /** Takes a text; tells whether the address carries it. */
      setText(value) {
        text = value;
        return Asking.keepText("obj_text", value);
      },
    };
  }

  const isTrainedHere = (design) => design.startsWith("here:");

  /** A model that was brought, or trained here, is listed by a page whose address names it, and by no other. */
  async function list({ ask, attempt, opening }, wanted) {
    if (!wanted || opening.models.some(({ name }) => name === wanted)) return;
    const reply = await attempt(() => ask("objective_known", { name: wanted }));
    opening.models.push(...(reply?.models ?? []));
  }

  function lostModel(opening, words) {
    const wanted = lineage.state.obj_model;
    if (!wanted || opening.models.some(({ name }) => name === wanted)) return "";
    return fill(words.model_lost, { name: wanted.slice(0, 64), title: opening.models.find(({ name }) => name === opening.passages[0].model).title });
  }

  /** The title of a model in a list; one with random weights says so. */
  const titleOf = (item, words) => (item.trained ? item.title : fill(words.untrained, { title: item.title }));

  /** Controls for text, model and seed (those that are not set to false), bound to what is shared.
   *
   * `changed(what)` is called once a change has settled: "text", "model" or "seed". Returns the elements to be put where the
   * section wants them, and `refresh`, which shows what another section has chosen meanwhile.
   */
  function controls(shared, { prefix, changed, text = true, model = true, seed = true }) {
    const fields = [];
    const refresh = () => fields.forEach((field) => field.refresh());
    if (text) fields.push(textField(shared, prefix, changed, refresh));
    if (model) fields.push(modelField(shared, prefix, changed));
    if (seed) fields.push(seedField(shared, prefix, changed));
    refresh();
    return { parts: fields.map(({ part }) => part), refresh };
  }

  /** The text, and passages to take instead, each of which brings the model along that reads it best. */
  function textField({ words, opening, chosen, setText }, prefix, changed, refreshAll) {
    const area = element("textarea", { id: `${prefix}-text`, rows: "6", spellcheck: "false", dir: "auto" });
    const carried = element("p", { class: "obj-note", hidden: "" }, words.not_carried);
    let timer = 0;
    const put = (value) => {
      carried.hidden = setText(value);
      carried.textContent = words.not_carried;
      clearTimeout(timer);
      timer = setTimeout(() => changed("text"), PAUSE);
    };
    area.addEventListener("input", () => put(area.value));
    const chips = element("div", { class: "obj-chips", role: "group", "aria-label": words.passages });
    for (const passage of opening.passages) {
      const chip = element("button", { type: "button", class: "chip" }, passage.title);
      chip.addEventListener("click", () => {
        area.value = passage.text;
        lineage.write("obj_model", passage.model);
        put(passage.text);
        refreshAll();
      });
      chips.append(chip);
    }
    const refresh = () => {
      if (area.value !== chosen.text && document.activeElement !== area) area.value = chosen.text;
      const isMissing = Asking.isMissing("obj_text");
      carried.textContent = isMissing ? words.text_missing : words.not_carried;
      carried.hidden = !isMissing && Asking.fits("obj_text", chosen.text);
    };
    const part = element("div", { class: "obj-field obj-text" }, element("label", { for: `${prefix}-text` }, words.text), area, carried, chips);
    return { part, refresh };
  }

  /** The models that are here, those that could be installed, and a way to bring another. */
  function modelField(shared, prefix, changed) {
    const { words, opening, chosen } = shared;
    const pick = element("select", { id: `${prefix}-model` });
    const lost = element("p", { class: "obj-note" });
    const refresh = () => {
      lost.textContent = shared.lost();
      pick.replaceChildren(...opening.models.map((item) => element("option", { value: item.name }, titleOf(item, words))),
        ...opening.absent.map(({ title }) => element("option", { disabled: "" }, fill(words.absent_option, { title }))));
      pick.value = chosen.model;
    };
    const take = (name) => {
      lineage.write("obj_model", name);
      lost.textContent = "";
      changed("model");
    };
    pick.addEventListener("change", () => take(pick.value));
    const absent = opening.absent.map(({ title, command }) =>
      element("p", { class: "obj-note" }, fill(words.absent, { title }), " ", element("code", {}, command)));
    const another = bringing(shared, prefix, (found) => {
      if (!opening.models.some(({ name }) => name === found.name)) opening.models.push(found);
      take(found.name);
      refresh();
    });
    const part = element("div", { class: "obj-field" }, element("label", { for: `${prefix}-model` }, words.model), pick, element("p", { class: "obj-note" }, words.model_note), lost, another, ...absent);
    return { part, refresh };
  }

  /** A field for a hub name or a folder; `taken` gets the model once it is loaded. */
  function bringing({ words, ask, lost }, prefix, taken) {
    const wanted = lost() ? lineage.state.obj_model : "";
    const source = element("input", { id: `${prefix}-bring`, type: "text", spellcheck: "false", autocapitalize: "off", placeholder: "bert-base-uncased", maxlength: "200" });
    const get = element("button", { type: "submit" }, words.bring_get);
    const said = element("p", { class: "obj-note", role: "status" });
    const error = element("p", { class: "obj-error", role: "alert", hidden: "" });
    const attempt = Asking.attempter(error);
    const form = element("form", { class: "obj-field" }, element("label", { for: source.id }, words.bring_source), element("div", { class: "obj-row" }, source, get),
      said, error, element("p", { class: "obj-note" }, words.bring_note));
    source.value = wanted;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (get.disabled) return;
      get.disabled = true;
      said.textContent = source.value.trim() ? fill(words.bring_wait, { name: source.value.trim() }) : "";
      const found = await attempt(() => ask("objective_bring", { source: source.value }));
      get.disabled = false;
      said.textContent = found ? fill(words.bring_done, { title: found.title }) : "";
      if (found) taken(found);
    });
    return element("details", wanted ? { open: "" } : {}, element("summary", {}, words.bring), form);
  }

  function seedField({ words, opening, chosen }, prefix, changed) {
    const field = element("input", { id: `${prefix}-seed`, type: "number", min: "0", max: String(opening.limits.seed), step: "1" });
    const another = element("button", { type: "button" }, words.another_seed);
    const error = element("p", { class: "obj-error", role: "alert", hidden: "" });
    const put = (value) => {
      error.hidden = Number.isInteger(value) && value >= 0 && value <= opening.limits.seed;
      if (!error.hidden) {
        error.textContent = fill(words.seed_odd, { limit: grouped(opening.limits.seed), seed: chosen.seed });
        return;
      }
      lineage.write("obj_seed", value);
      changed("seed");
    };
    field.addEventListener("change", () => put(field.value.trim() ? Number(field.value) : NaN));
    const refresh = () => {
      field.value = String(chosen.seed);
      error.hidden = true;
    };
    another.addEventListener("click", () => {
      put(1 + Math.floor(Math.random() * 9_999));
      refresh();
    });
    const part = element("div", { class: "obj-field" }, element("label", { for: `${prefix}-seed` }, words.seed), element("div", { class: "obj-row" }, field, another), error);
    return { part, refresh };
  }

  return { mount, titleOf };
})();
