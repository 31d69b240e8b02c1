/* Experts: the sections of the tab and what they share: the model, the text, the layer and token that are looked at, and the
   pass that all is drawn from. Every text becomes part of the page by textContent alone. */

const Experts = (() => {
  const { element, fill } = lineage;
  const SECTIONS = ["board", "steps", "compare", "sizes"];
  const PAUSE = 300; // milliseconds after the last key

  async function mount(root, server) {
    const place = root.querySelector(".exps");
    const begun = await Asking.begun(place, server, "experts_opening");
    if (!begun) return;
    const { error, ask, attempt, opening } = begun;
    const { words } = opening;
    const shared = sharedState(opening, ask, attempt);
    const panels = new Map(SECTIONS.map((name) => [name, place.querySelector(`.exp-${name}`)]));
    panels.get("sizes").dataset.model = ""; // of published models, not of the chosen one
    const views = { board: ExpertBoard, steps: ExpertSteps, compare: ExpertCompare, sizes: ExpertSizes };
    const sections = new Map(SECTIONS.map((name) => [name, views[name].mount(panels.get(name), shared)]));
    const controls = place.querySelector(".exp-shared");
    const notes = element("div", { class: "mask-notes", "aria-live": "polite" });
    const current = () => (SECTIONS.includes(lineage.state.exp_section) ? lineage.state.exp_section : SECTIONS[0]);

    shared.refresh = () => {
      if (shared.look || current() === "sizes") sections.get(current()).refresh();
    };
    let width = 0;
    new ResizeObserver(([{ contentRect }]) => { // pictures are as wide as the page has room for
      if (width && contentRect.width && Math.abs(contentRect.width - width) > 8) shared.refresh();
      width = contentRect.width || width;
    }).observe(place);
    const show = (name) => {
      lineage.write("exp_section", name);
      for (const [of, panel] of panels) panel.hidden = of !== name;
      controls.hidden = name === "sizes";
      notes.hidden = name === "sizes";
      shared.refresh();
    };
    const bar = lineage.choice("exps-switch", words.sections, SECTIONS.map((name) => [name, words[`section_${name}`]]), current(), show);
    error.after(bar, notes);
    shared.show = (name) => {
      for (const button of bar.children) button.setAttribute("aria-pressed", String(button.value === name));
      show(name);
    };

    let latest = 0;
    /** Lets the model read the text, with what the router is made to do instead if `again`. */
    shared.read = async (again = false) => {
      const mine = (latest += 1);
      place.setAttribute("aria-busy", "true");
      lineage.write("exp_again", again);
      const settings = again ? shared.settings() : shared.none();
      const look = await attempt(async () => decoded(await ask("experts_look", shared.request(settings))));
      if (mine !== latest) return;
      place.removeAttribute("aria-busy");
      if (!look) { // what is still drawn belongs to another text
        shared.look = null;
        for (const [name, panel] of panels) if (name !== "sizes") panel.replaceChildren();
        return;
      }
      shared.look = look;
      place.dataset.model = shared.chosenModel().design;
      look.ran = settings;
      shared.settle();
      fields.refresh();
      notes.replaceChildren(...[...shared.told, ...look.notes].map((note) => element("div", { class: "mask-note" }, element("p", {}, note))));
      shared.refresh();
    };

    const list = async () => {
      const hand = lineage.state.model;
      const reply = await attempt(() => ask("experts_models", { hand }));
      if (!reply || hand !== lineage.state.model) return; // another model is in hand by now
      shared.models = reply.models;
      const shownInstead = reply.without && shared.chosenModel().name !== reply.in_hand;
      shared.told = shownInstead ? [fill(words.without, { model: reply.without, title: shared.chosenModel().title })] : [];
      fields.list();
      await shared.read(lineage.state.exp_again === "true");
    };
    const fields = fieldsOf(shared, controls);
    Asking.onModel(place, list);
    show(current());
    await list();
  }

  // ---- what sections may ask and know ----------------------------------------------------------------------------------

  function sharedState(opening, ask, attempt) {
    let text = Asking.keptText("exp_text");
    let target = Asking.keptText("exp_target");
    const number = (name) => Number(lineage.state[name]);
    return {
      ask, attempt, opening, words: opening.words, models: [], told: [], look: null,
      get text() { return text; },
      get target() { return target; },
      setText(value) { text = value; return Asking.keepText("exp_text", value); },
      setTarget(value) { target = value; return Asking.keepText("exp_target", value); },
      chosenModel() { return this.models.find(({ name }) => name === lineage.state.exp_model) ?? this.models[0]; },
      /** The layer that is looked at, and its place among the sparse layers of the pass. */
      get at() { return Math.min(number("exp_layer"), this.look.layers.length - 1); },
      get layer() { return this.look.layers[this.at]; },
      get sequence() { return this.look.sequences[this.layer.sequence]; },
      get token() { return Math.min(number("exp_at"), this.layer.ids.length - 1); },
      /** Whether every token meets every expert, so that none is chosen. */
      get usesAll() { return this.look.moe.mixing !== "routed" || this.layer.k === this.look.moe.n_experts; },
      /** What each expert of a layer takes: {counts, dropped}; where none is chosen, the sums of their weights. */
      loadOf(layer) {
        const { n_experts: count } = this.look.moe;
        if (!this.usesAll) return Routers.load(layer.ids, count);
        const counts = new Array(count).fill(0);
        layer.ids.forEach((row, t) => row.forEach((expert, place) => { counts[expert] += layer.weights[t][place]; }));
        return { counts, dropped: 0 };
      },
      layerName(layer) {
        const { words } = opening;
        return fill(layer.stack ? words[`layer_${layer.stack}`] ?? words.layer : words.layer, { number: layer.index + 1 });
      },
      /** Another layer: what was added to the experts of the last one stays there. */
      pickLayer(place) {
        lineage.write("exp_layer", place);
        lineage.write("exp_bias", "");
        this.refresh();
      },
      pickToken(place) { lineage.write("exp_at", place); this.refresh(); },
      /** What the router is made to do instead. */
      settings() {
        return { chosen: number("exp_chosen"), capacity: number("exp_capacity"), noise: number("exp_noise") / 100, seed: number("exp_seed"), bias: biasOf(lineage.state.exp_bias), layer: this.look ? this.at : number("exp_layer") };
      },
      /** Every stage of a layer of the pass, as it was run: with the settings of "run again", if it was. */
      stepsOf(layer) {
        layer.made ??= this.reroute(layer, this.look.ran);
        return layer.made;
      },
      /** Every stage of a layer, from the logits of the pass, with other settings. */
      reroute(layer, { chosen, capacity, noise, seed, bias, layer: biased }) {
        const { rule } = this.look;
        const added = Routers.noise(layer.logits, { amount: noise, seed, layer: layer.place, size: layer.noise });
        const own = layer.bias ?? (Object.keys(bias).length ? new Array(rule.n_experts).fill(0) : null);
        const edits = layer.place === biased ? bias : {};
        const total = own && own.map((value, expert) => Math.fround(value + (edits[expert] ?? 0)));
        return Routers.steps(layer.logits, { ...rule, chosen: chosen || rule.chosen, capacity: capacity || rule.capacity }, total, added);
      },
      none() { return { chosen: 0, capacity: 0, noise: 0, seed: 0, bias: {}, layer: 0 }; },
      /** Takes out what this model cannot do. */
      settle() {
        const { n_experts: count } = this.look.moe;
        if (number("exp_chosen") > count) lineage.write("exp_chosen", 0);
        const bias = biasOf(lineage.state.exp_bias);
        const kept = Object.fromEntries(Object.entries(bias).filter(([expert]) => Number(expert) < count));
        if (Object.keys(kept).length < Object.keys(bias).length) lineage.write("exp_bias", biasText(kept));
      },
      /** What the server needs to make a pass with such settings. */
      request({ chosen, capacity, noise, seed, bias, layer }) {
        return {
          model: this.chosenModel().design, text, target, chosen: chosen || null, capacity: capacity || null, noise,
          seed: noise ? seed : 0, layer: Object.keys(bias).length ? layer : 0, bias: Object.keys(bias).length ? bias : null,
        };
      },
    };
  }

  const biasOf = (written) => Object.fromEntries((written ? written.split(",") : []).map((pair) => pair.split(":")).map(([expert, value]) => [expert, Number(value)]));
  const biasText = (bias) => Object.entries(bias).filter(([, value]) => Math.abs(value) >= 5e-5).map(([expert, value]) => `${expert}:${Number(value.toFixed(4))}`).join(",");
  const settingsKey = ({ chosen, capacity, noise, seed, bias, layer }) => JSON.stringify([chosen, capacity, noise, noise ? seed : 0, biasText(bias), biasText(bias) && layer]);

  // ---- the numbers of a pass -------------------------------------------------------------------------------------------

  const bytes = (coded) => Uint8Array.from(atob(coded), (character) => character.charCodeAt(0)).buffer;

  function rows(flat, width) {
    return Array.from({ length: flat.length / width }, (_, place) => Array.from(flat.subarray(place * width, (place + 1) * width)));
  }

  function decoded(look) {
    for (const [place, layer] of look.layers.entries()) {
      layer.place = place;
      layer.logits = rows(new Float32Array(bytes(layer.logits)), layer.n_scores);
      layer.ids = rows(new Int16Array(bytes(layer.ids)), layer.k);
      layer.weights = rows(new Float32Array(bytes(layer.weights)), layer.k);
      layer.noise = layer.noise ? rows(new Float32Array(bytes(layer.noise)), layer.n_scores) : null;
    }
    for (const sequence of Object.values(look.sequences)) sequence.labels = labelsOf(sequence);
    return look;
  }

  /** What stands on each token's chip. A character that several tokens share is told by their bytes. */
  function labelsOf({ tokens, kinds, pieces }) {
    if (!pieces) return tokens;
    const raw = pieces.map(TokenCells.fromLatin1);
    return raw.map((piece, place) => (kinds[place] === "s" || !piece.length ? tokens[place] : TokenCells.name(piece)));
  }

  // ---- the controls ----------------------------------------------------------------------------------------------------

  function fieldsOf(shared, controls) {
    const { words } = shared;
    let timer = 0;
    const model = element("select", { id: "exp-model" });
    model.addEventListener("change", () => {
      lineage.write("exp_model", model.value);
      shared.told = [];
      shared.read(lineage.state.exp_again === "true");
    });
    const area = (id, lines, value, set) => {
      const field = element("textarea", { id, rows: lines, spellcheck: "false", dir: "auto" });
      const carried = element("p", { class: "obj-note", hidden: "" }, words.not_carried);
      field.value = value;
      field.addEventListener("input", () => {
        carried.hidden = set(field.value);
        clearTimeout(timer);
        timer = setTimeout(() => shared.read(lineage.state.exp_again === "true"), PAUSE);
      });
      return { field, carried };
    };
    const text = area("exp-text", "7", shared.text, (value) => shared.setText(value));
    const target = area("exp-target", "2", shared.target, (value) => shared.setTarget(value));
    const chips = element("div", { class: "obj-chips", role: "group", "aria-label": words.passages });
    for (const passage of [{ title: words.passage_lily, text: shared.opening.text }, ...shared.opening.passages]) {
      const chip = element("button", { type: "button", class: "chip" }, passage.title);
      chip.addEventListener("click", () => {
        text.field.value = passage.text;
        text.field.dispatchEvent(new Event("input"));
      });
      chips.append(chip);
    }
    const layer = element("select", { id: "exp-layer" });
    layer.addEventListener("change", () => shared.pickLayer(Number(layer.value)));
    const box = (label, field, ...more) => element("div", { class: "obj-field" }, element("label", { for: field.id }, label), field, ...more);
    const targetBox = box(words.target, target.field, target.carried);
    controls.append(box(words.model, model), box(words.text, text.field, text.carried, chips), targetBox, box(words.which_layer, layer));

    const list = () => {
      model.replaceChildren(...shared.models.map(({ name, title, trained }) => {
        const known = name === "hand" ? fill(words.in_hand, { title }) : title;
        return element("option", { value: name }, trained ? known : fill(words.untrained, { title: known }));
      }));
      model.value = shared.chosenModel().name;
    };
    const refresh = () => {
      layer.replaceChildren(...shared.look.layers.map((one, place) => element("option", { value: String(place) }, shared.layerName(one))));
      layer.value = String(shared.at);
      targetBox.hidden = shared.look.structure !== "encoder_decoder";
    };
    shared.followLayer = () => { layer.value = String(shared.at); };
    return { list, refresh };
  }

  return { mount, biasText, settingsKey };
})();
