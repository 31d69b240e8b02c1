/* Attention: the sections of the tab and what they share: the model in hand, the text, and how the model reads it. Each
   section is drawn by a file of its own. Every text becomes part of the page by textContent alone.

   A section's `mount(panel, server, shared)` gives { refresh, follow, usesText }. `refresh()` draws the section: it is called
   when the section is shown for the first time, and, while it is shown, whenever what is shared has changed since; it gives a
   promise of false where the server gave nothing to draw. `follow()`, if there is one, is called when the section is shown
   again: another may have chosen another head meanwhile. A section with `usesText: false` has nothing to do with model and
   text; the shared controls are then out of sight. */

const Attention = (() => {
  const { element, fill } = lineage;
  const SECTIONS = ["maps", "weight", "flash", "whatif", "before"];
  const TAKE_HEAD = ["weight", "flash"]; // sections that show the head that the maps have shown
  const PAUSE = 300; // milliseconds after the last key
  const GLANCE = 800; // milliseconds between two looks at a text that is still being written
  const TEXTS = ["text", "second"];
  const PICTURES = ["scene", "stripes", "disc"];
  const SETTINGS = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "max_new_tokens"];

  async function mount(root, server) {
    const place = root.querySelector(".atts");
    const begun = await Asking.begun(place, server, "attention_opening");
    if (!begun) return;
    const { error, ask, attempt, opening } = begun;
    const words = opening.words.attention;
    const shared = sharedState(opening, ask, attempt);
    const controls = place.querySelector(".att-shared");
    const panels = new Map(SECTIONS.map((name) => [name, place.querySelector(`.att-${name}`)]));
    const views = { maps: AttentionMaps, weight: AttentionWeight, flash: AttentionFlash, whatif: AttentionWhatIf, before: AttentionBefore };
    const sections = new Map(SECTIONS.map((name) => [name, views[name].mount(panels.get(name), server, shared)]));
    const drawn = new Map(); // section → the version of what is shared that it shows
    const current = () => (SECTIONS.includes(lineage.state.att_section) ? lineage.state.att_section : SECTIONS[0]);
    const notes = element("div", { class: "mask-notes", "aria-live": "polite" });
    const way = element("div", { class: "obj-row att-way" });
    error.after(way);

    /** Draws the open section, if what it shows is not what is shared now. */
    const refresh = async () => {
      const name = current();
      const section = sections.get(name);
      if (section.usesText !== false && !shared.reading) return;
      const version = section.usesText === false ? 0 : shared.version;
      if (drawn.get(name) === version) {
        section.follow?.();
        return;
      }
      drawn.set(name, version);
      const done = await section.refresh();
      if (done === false && drawn.get(name) === version) drawn.delete(name); // asked again when it is shown again
    };
    const show = (name) => {
      lineage.write("att_section", name);
      // The head that the maps opened with goes along, and into the address: no other section finds it by itself.
      if (shared.opened && TAKE_HEAD.includes(name)) lineage.write("att_head", shared.head);
      for (const [of, panel] of panels) panel.hidden = of !== name;
      const usesText = sections.get(name).usesText !== false;
      controls.hidden = !usesText;
      notes.hidden = !usesText;
      refresh();
    };
    const bar = lineage.choice("atts-switch", words.sections, SECTIONS.map((name) => [name, words[`section_${name}`]]), current(), show);
    way.after(bar, notes);
    shared.show = (name) => {
      for (const button of bar.children) button.setAttribute("aria-pressed", String(button.value === name));
      show(name);
    };

    /** Lets the model in hand read the text anew. */
    let latest = 0;
    const read = async () => {
      const mine = ++latest;
      const asked = shared.wanted();
      shared.asked = JSON.stringify(asked);
      place.setAttribute("aria-busy", "true");
      let refused = true;
      const reading = await attempt(async () => {
        const reply = await ask("attention_read", asked);
        refused = false;
        return reply;
      });
      if (mine !== latest) return;
      place.removeAttribute("aria-busy");
      way.replaceChildren(...(refused ? otherModels(shared) : []));
      place.dataset.model = shared.design;
      if (reading) {
        if (reading.text !== asked.text && shared.text === asked.text) fields.put(reading.text); // else something was typed
        shared.requested = { ...asked, text: reading.text };
        shared.asked = JSON.stringify(shared.requested);
      }
      shared.reading = reading;
      shared.version += 1;
      place.classList.toggle("att-unread", !reading);
      fields.refresh();
      notes.replaceChildren(...(reading ? reading.notes.map((note) => noteOf(note, shared)) : []));
      await refresh();
    };
    shared.read = read;
    /** Takes away what is drawn of another text: to write that of Generate may take a while. */
    shared.forget = () => {
      place.classList.add("att-unread");
      notes.replaceChildren(element("p", { class: "obj-note" }, shared.words.attention.reading));
    };
    follow(place, shared, () => ({ name: current(), usesText: sections.get(current()).usesText !== false }));
    const fields = fieldsOf(shared, controls);
    Asking.onModel(place, (design) => {
      if (design === shared.design) return;
      shared.design = design;
      lineage.write("att_part", 0);
      read();
    });
    show(current());
    await read();
  }

  /** Lets a text that Generate is writing be read as it grows by the maps, by other sections once it is written; and read anew
      when it has changed while nobody looked. */
  function follow(place, shared, open) {
    let reading = false;
    setInterval(async () => {
      if (reading || lineage.state.att_from !== "generate" || !place.checkVisibility()) return;
      const { name, usesText } = open();
      if (!usesText || (name !== "maps" && Generate.written()?.running)) return;
      if (shared.asked === JSON.stringify(shared.wanted())) return;
      reading = true; // a slow server is asked again only once it has answered
      try {
        await shared.read();
      } finally {
        reading = false;
      }
    }, GLANCE);
  }

  /** What sections may ask and know; `request()` is what the server needs to read again what `reading` tells of, `wanted()` what
      it needs to read what there is now: while somebody types, or Generate writes, these are not the same. */
  function sharedState(opening, ask, attempt) {
    const texts = new Map(TEXTS.map((name) => [name, Asking.keptText(`att_${name}`)]));
    return {
      ask, attempt, opening, words: opening.words, version: 0, reading: null, requested: null, asked: "",
      design: lineage.state.model,
      /** The head that is shown large, "group.layer.head": the one that was chosen, else the one that the maps open with. */
      get head() { return lineage.state.att_head || this.opened || "self.0.0"; },
      opened: null, // known once the maps have been drawn
      get lang() { return lineage.lang; },
      get text() { return texts.get("text"); },
      get second() { return texts.get("second"); },
      /** Takes a text; tells whether the address carries it. */
      set(name, value) {
        texts.set(name, value);
        return Asking.keepText(`att_${name}`, value);
      },
      request() { return this.requested; },
      wanted() {
        const { state } = lineage;
        const asked = { design: this.design, text: this.text, second: this.second, part: Number(state.att_part), picture: state.att_picture };
        return state.att_from === "generate" ? { ...asked, ...generated(this.design) } : asked;
      },
      /** Takes another model in hand, as the header's list does. */
      take(design) {
        const field = document.querySelector("#model textarea");
        field.value = design;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      },
    };
  }

  /** What the server needs for the text of Generate: the run that is there, if it is this model's, or what it takes to write
      it again. */
  function generated(design) {
    const { state } = lineage;
    const settings = Object.fromEntries(SETTINGS.map((name) => [name, Number(state[name])]));
    const live = Generate.written();
    const ids = live?.design === design ? { prompt_ids: live.promptIds, written: live.ids } : {};
    return { from: "generate", prompt: state.prompt, chat: state.chat === "true", ...settings, ...ids };
  }

  /** Where a model cannot be looked into: those that can. */
  function otherModels(shared) {
    return shared.opening.trained.map(({ name, title }) => {
      const button = element("button", { type: "button", class: "chip" }, fill(shared.words.attention.take, { title }));
      button.addEventListener("click", () => shared.take(name));
      return button;
    });
  }

  function noteOf(note, shared) {
    const made = element("div", { class: "mask-note" }, element("p", {}, note.sentence));
    if (note.way === "part") {
      const { index, count } = shared.reading.part;
      const step = (words, to) => {
        const button = element("button", { type: "button" }, words);
        button.disabled = to < 0 || to >= count;
        button.addEventListener("click", () => {
          lineage.write("att_part", to);
          shared.read();
        });
        return button;
      };
      made.append(step(shared.words.attention.part_before, index - 1), step(shared.words.attention.part_after, index + 1));
    }
    if (note.way === "model") made.append(...otherModels(shared));
    return made;
  }

  /** The fields for the texts, and passages to try. */
  function fieldsOf(shared, controls) {
    const words = shared.words.attention;
    let timer = 0;
    const fields = new Map();
    const rows = new Map();
    for (const name of TEXTS) {
      const area = element("textarea", { id: `att-${name}`, rows: name === "text" ? "5" : "2", spellcheck: "false", dir: "auto" });
      const label = element("label", { for: area.id });
      const carried = element("p", { class: "obj-note", hidden: "" }, words.not_carried);
      area.value = shared[name];
      area.addEventListener("input", () => {
        carried.hidden = shared.set(name, area.value);
        lineage.write("att_part", 0);
        clearTimeout(timer);
        timer = setTimeout(shared.read, PAUSE);
      });
      fields.set(name, { area, label });
      rows.set(name, element("div", { class: "obj-field" }, label, area, carried));
    }
    const chips = element("div", { class: "obj-chips", role: "group", "aria-label": words.passages });
    for (const passage of shared.opening.passages) {
      const chip = element("button", { type: "button", class: "chip" }, passage.title);
      chip.addEventListener("click", () => {
        fields.get("text").area.value = passage.text;
        fields.get("text").area.dispatchEvent(new Event("input"));
      });
      chips.append(chip);
    }
    rows.get("text").append(chips);
    const again = (field) => (value) => {
      shared.forget();
      lineage.write(field, value);
      lineage.write("att_step", 0);
      lineage.write("att_row", -1);
      refresh();
      shared.read();
    };
    const from = element("div", { class: "obj-field" },
      lineage.choice("att-from", words.from, [["typed", words.from_typed], ["generate", words.from_generate]], lineage.state.att_from, again("att_from")));
    const pictures = element("div", { class: "obj-field" }, element("span", {}, words.picture),
      lineage.choice("att-picture", words.picture, PICTURES.map((name) => [name, words[`picture_${name}`]]), lineage.state.att_picture, again("att_picture")));
    const open = element("button", { type: "button" }, words.to_generate);
    open.addEventListener("click", () => lineage.open("generate"));
    const about = element("div", { class: "obj-field" }, element("p", { class: "obj-note" }, words.from_how), element("div", { class: "obj-row" }, open));
    controls.append(from, about, pictures, ...rows.values());
    const refresh = () => {
      const { reading } = shared;
      const structure = reading?.structure ?? "decoder";
      fields.get("text").label.textContent = words[`text_${structure}`] ?? words.text;
      fields.get("second").label.textContent = words[`second_${structure}`] ?? words.second_encoder;
      const typed = lineage.state.att_from !== "generate";
      from.hidden = reading ? !reading.writes : false;
      about.hidden = typed || from.hidden;
      pictures.hidden = !reading?.takes_picture;
      rows.get("text").hidden = !typed || (reading ? !reading.takes_text : false);
      rows.get("second").hidden = !typed || !reading?.takes_second;
    };
    /** Another text for an untouched box, which suits the model better. */
    const put = (text) => {
      fields.get("text").area.value = text;
      shared.set("text", text);
    };
    refresh();
    return { refresh, put };
  }

  return { mount };
})();
