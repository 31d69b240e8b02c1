/* Objectives: the sections of the tab and what they share: the text, the model that answers, the seed. Each section is drawn
   by a file of its own. Every text becomes part of the page by textContent alone. */

const Objectives = (() => {
  const { element, fill } = lineage;
  const SECTIONS = ["bert", "pairs", "sides"];
  const PAUSE = 250; // milliseconds after the last key

  async function mount(root, server) {
    const place = root.querySelector(".objs");
    if (place.dataset.mounted) return;
    place.dataset.mounted = "true";
    await Asking.ready();
    const error = element("p", { class: "obj-error", role: "alert", hidden: "" });
    place.prepend(error);
    let words = { unreachable: place.dataset[`unreachable_${lineage.lang}`] ?? place.dataset.unreachableEn };
    const ask = Asking.asker(server, () => words.unreachable);
    const attempt = Asking.attempter(error);
    const opening = await attempt(() => ask("objective_opening"));
    if (!opening) return;
    words = opening.words.objectives;
    const chosen = chosenIn(opening);
    const shared = { ask, attempt, opening, words, chosen, setText: chosen.setText, controls: (options) => controls(shared, options) };
    shared.lost = lostModel(opening, words);
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
    error.after(lineage.choice("objs-switch", words.sections, SECTIONS.map((name) => [name, words[`section_${name}`]]), current(), show));
    show(current());
  }

  // ---- what every section starts from ----------------------------------------------------------------------------------

  /** The text, model and seed that the sections share, read anew at each look. */
  function chosenIn(opening) {
    let text = Asking.keptText("obj_text"); // an empty one has no place in an address
    return {
      get text() { return text; },
      get seed() { return Number(lineage.state.obj_seed); },
      get model() {
        return (opening.models.find(({ name }) => name === lineage.state.obj_model) ?? opening.models[0]).name;
      },
      /** Takes a text; tells whether the address carries it. */
      setText(value) {
        text = value;
        return Asking.keepText("obj_text", value);
      },
    };
  }

  function lostModel(opening, words) {
    const wanted = lineage.state.obj_model;
    if (opening.models.some(({ name }) => name === wanted) || wanted === lineage.boot.defaults.obj_model) return "";
    return fill(words.model_lost, { name: wanted.slice(0, 64), title: opening.models[0].title });
  }

  /** The title of a model in a list; one with random weights says so. */
  const titleOf = (item, words) => (item.trained ? item.title : fill(words.untrained, { title: item.title }));

  /** Controls for text, model and seed (those that are not set to false), bound to what is shared.
   *
   * `changed(what)` is called once a change has settled: "text", "model" or "seed". Returns the elements to be put where the
   * section wants them, and `refresh`, which shows what another section has chosen meanwhile.
   */
  function controls(shared, { prefix, changed, text: hasText = true, model: hasModel = true, seed: hasSeed = true }) {
    const { words, opening, chosen } = shared;
    const parts = [];
    const refreshers = [];
    let timer = 0;
    if (hasText) {
      const area = element("textarea", { id: `${prefix}-text`, rows: "6", spellcheck: "false", dir: "auto" });
      const carried = element("p", { class: "obj-note", hidden: "" }, words.not_carried);
      const put = (value) => {
        carried.hidden = shared.setText(value);
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
          refreshers.forEach((refresh) => refresh());
          put(passage.text);
        });
        chips.append(chip);
      }
      refreshers.push(() => {
        if (area.value !== chosen.text && document.activeElement !== area) area.value = chosen.text;
        carried.hidden = Asking.fits("obj_text", chosen.text);
      });
      parts.push(element("div", { class: "obj-field obj-text" }, element("label", { for: `${prefix}-text` }, words.text), area, carried, chips));
    }
    if (hasModel) {
      const pick = element("select", { id: `${prefix}-model` },
        ...opening.models.map((item) => element("option", { value: item.name }, titleOf(item, words))));
      const lost = element("p", { class: "obj-note" }, shared.lost);
      pick.addEventListener("change", () => {
        lineage.write("obj_model", pick.value);
        lost.textContent = "";
        changed("model");
      });
      refreshers.push(() => { pick.value = chosen.model; });
      parts.push(element("div", { class: "obj-field" }, element("label", { for: `${prefix}-model` }, words.model), pick, lost));
    }
    if (hasSeed) {
      const field = element("input", { id: `${prefix}-seed`, type: "number", min: "0", max: String(opening.limits.seed), step: "1" });
      const another = element("button", { type: "button" }, words.another_seed);
      const put = (value) => {
        if (!Number.isInteger(value) || value < 0 || value > opening.limits.seed) return;
        lineage.write("obj_seed", value);
        changed("seed");
      };
      field.addEventListener("change", () => put(Number(field.value)));
      another.addEventListener("click", () => {
        put(1 + Math.floor(Math.random() * 9_999));
        field.value = String(chosen.seed);
      });
      refreshers.push(() => { field.value = String(chosen.seed); });
      parts.push(element("div", { class: "obj-field" }, element("label", { for: `${prefix}-seed` }, words.seed),
        element("div", { class: "obj-row" }, field, another)));
    }
    const refresh = () => refreshers.forEach((one) => one());
    refresh();
    return { parts, refresh };
  }

  return { mount, titleOf };
})();
