/* Tokenizers: what was chosen, what is asked of the server, and the section that compares. Steps and training have files of
   their own. The server answers with plain values; every text becomes part of the page by textContent alone. */

const Tokenizers = (() => {
  const { element, fill, grouped } = lineage;
  const { Refused, keepText, keptText } = Asking;
  const SECTIONS = ["compare", "steps", "train"];
  const LONG = 200_000; // bytes of a text from which on it is sent in pieces
  const PIECE = 480_000;
  const SOON = 600; // milliseconds after which the page says that it waits
  const PAUSE = 120; // milliseconds after the last key
  const OWN = "own";
  let current = ""; // the tokenizers that are compared
  const ratio = (value, digits = 2) => (value === null ? "–" : value.toFixed(digits));
  const share = (value) => (value === null ? "–" : value === 0 ? "0" : `${(100 * value).toFixed(value < 0.1 ? 2 : 1)}\u202f%`);

  // ---- a text or file that is sent in pieces --------------------------------------------------------------------------

  const base64 = (blob) => new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });

  /** Sends a file or text in pieces; returns the name under which the server has it. */
  async function sendPieces(ask, blob, kind) {
    const name = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    for (let index = 0; index === 0 || index * PIECE < blob.size; index += 1) {
      const data = await base64(blob.slice(index * PIECE, (index + 1) * PIECE));
      await ask("piece", { name, index, data, kind });
    }
    return name;
  }

  /** A text as a request carries it. */
  async function textRequest(ask, text, limits, words) {
    const blob = new Blob([text]);
    if (blob.size <= LONG) return { text };
    if (blob.size > limits.text) throw new Refused(fill(words.too_long, { size: grouped(blob.size), limit: grouped(limits.text) }));
    return { sent: await sendPieces(ask, blob, "text") };
  }

  // ---- the tab -------------------------------------------------------------------------------------------------------

  async function mount(root, server) {
    const place = root.querySelector(".toks");
    if (place.dataset.mounted) return;
    place.dataset.mounted = "true";
    await Asking.ready();
    const error = element("p", { class: "toks-error", role: "alert", hidden: "" });
    let words = { unreachable: place.dataset[`unreachable_${lineage.lang}`] ?? place.dataset.unreachableEn };
    const ask = Asking.asker(server, () => words.unreachable);
    const attempt = Asking.attempter(error);
    place.append(error);
    const opening = await attempt(() => ask("opening"));
    if (!opening) return;
    ({ words } = opening);
    const tab = { ask, attempt, words, opening, place, Refused, keepText, keptText };
    tab.text = (text) => textRequest(ask, text, opening.limits, words);
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
      element("label", { for: "toks-input" }, words.text), text, carried, chips, picker, bringing(tab, arrived));
    view.headline = element("p", { class: "toks-headline", "aria-live": "polite" });
    view.note = element("p", { class: "toks-note" });
    view.columns = element("div", { class: "toks-columns" });
    view.table = element("div", { class: "toks-scroll", tabindex: "0", role: "region", "aria-label": words.table });
    const picture = element("div", { class: "picture" }, view.headline, view.note, view.columns, legend(words), view.table,
      element("p", { class: "toks-note" }, words.table_note), TokenSurvey.part(tab, () => chosen));
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
      drawPicker(picker, tab, known(), chosen, choose);
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
    view.headline.textContent = headline(usable, payload.size, words);
    const notes = [];
    if (view.lost) notes.push(view.lost);
    const characters = payload.size.characters;
    if (payload.drawn < characters) {
      notes.push(fill(words.drawn, { drawn: grouped(payload.drawn), characters: grouped(characters) }));
    }
    view.note.textContent = notes.join(" ");
    TokenColumns.draw(view.columns, payload, asked, words);
    drawTable(view.table, usable, payload.size, words);
  }

  function headline(columns, size, words) {
    const ordered = columns.slice().sort((one, other) => one.figures.tokens - other.figures.tokens);
    const [few, many] = [ordered[0], ordered.at(-1)];
    if (!few || !size.characters) return words.headline_empty;
    const values = { few: few.title, least: grouped(few.figures.tokens), many: many.title, most: grouped(many.figures.tokens) };
    if (few.figures.tokens === many.figures.tokens) return fill(words.headline_same, values);
    return fill(words.headline, { ...values, times: (many.figures.tokens / few.figures.tokens).toFixed(1) });
  }

  const legend = (words) => element("p", { class: "toks-legend" },
    element("span", { class: "key key-differs" }, words.legend_differs), element("span", { class: "key key-part" }, words.legend_part),
    element("span", { class: "key key-byte" }, words.legend_byte), element("span", { class: "key key-unknown" }, words.legend_unknown),
    element("span", { class: "key key-space" }, words.legend_space));

  function drawTable(place, columns, size, words) {
    const heads = ["vocab", "tokens", "per_character", "per_word", "bytes", "unknown", "fallback", "seconds"];
    const head = element("tr", {}, element("th", { scope: "col" }, words.tokenizer));
    for (const name of heads) head.append(element("th", { scope: "col", class: "number" }, words[`head_${name}`]));
    const body = element("tbody");
    for (const { title, figures: f } of columns) {
      const row = element("tr", {}, element("th", { scope: "row" }, title));
      const cells = [grouped(f.vocab_size), grouped(f.tokens), ratio(f.per_character, 3), ratio(f.per_word),
        ratio(f.bytes_per_token), share(f.unknown), share(f.byte_fallback), ratio(f.seconds_per_mb, 3)];
      for (const cell of cells) row.append(element("td", { class: "number" }, cell));
      body.append(row);
    }
    const values = { characters: grouped(size.characters), words: grouped(size.words), bytes: grouped(size.bytes) };
    const caption = element("caption", {}, fill(words.caption, values));
    place.replaceChildren(element("table", { class: "ruled" }, caption, element("thead", {}, head), body));
  }

  // ---- which tokenizers ------------------------------------------------------------------------------------------------

  function drawPicker(place, tab, known, chosen, choose) {
    const { words, opening } = tab;
    const focused = document.activeElement?.dataset?.tokenizer;
    const tick = (item) => {
      const box = element("input", { type: "checkbox", "data-tokenizer": item.name });
      box.checked = chosen.includes(item.name);
      box.disabled = box.checked ? chosen.length <= opening.limits.least : chosen.length >= opening.limits.most;
      box.addEventListener("change", () => choose(box.checked ? [...chosen, item.name] : chosen.filter((name) => name !== item.name)));
      return box;
    };
    const boxes = (items) => items.map((item) => {
      const size = item.vocab_size === null ? "" : grouped(item.vocab_size);
      const label = element("label", {}, tick(item), element("span", {}, item.title), element("small", {}, size));
      if (!item.shipped) label.title = [item.algorithm, item.licence].filter(Boolean).join(" · ");
      return label;
    });
    // Ours come in three sizes: a line for each algorithm.
    const sized = (items) => {
      const grid = element("div", { class: "toks-sizes" });
      for (const item of items.filter(({ size }) => size)) {
        if (items.find(({ algorithm, size }) => size && algorithm === item.algorithm) === item) grid.append(element("span", {}, item.algorithm));
        const box = tick(item);
        box.setAttribute("aria-label", item.title);
        const label = element("label", {}, box, element("small", {}, item.size));
        grid.append(label);
      }
      return [grid, ...boxes(items.filter(({ size }) => !size))];
    };
    const groups = [
      ["own", tab.own],
      ["shipped", opening.tokenizers.filter((item) => item.shipped && item.available)],
      ["real", opening.tokenizers.filter((item) => !item.shipped && item.available)],
    ];
    const parts = groups.filter(([, items]) => items.length).map(([name, items]) =>
      element("fieldset", {}, element("legend", {}, words[`group_${name}`]),
        ...(name === "shipped" ? sized : boxes)(items)));
    const open = place.querySelector("details")?.open;
    const absent = opening.tokenizers.filter((item) => !item.available);
    if (absent.length) {
      const rows = absent.map((item) => {
        const about = element("small", {}, [grouped(item.vocab_size ?? ""), item.licence].filter(Boolean).join(" · "));
        return element("li", {}, element("span", { class: "absent" }, item.title), " ", about, element("code", {}, item.command ?? ""));
      });
      const details = element("details", {}, element("summary", {}, fill(words.group_absent, { count: absent.length })), element("ul", {}, ...rows));
      details.open = Boolean(open);
      parts.push(details);
    }
    const count = element("p", { class: "toks-note" }, fill(words.chosen, { count: chosen.length, most: opening.limits.most }));
    place.replaceChildren(element("h3", {}, words.pick), count, ...parts);
    if (focused) [...place.querySelectorAll("input")].find((box) => box.dataset.tokenizer === focused)?.focus();
  }

  /** A file or a hub id of the visitor's own. */
  function bringing(tab, arrived) {
    const { words, opening } = tab;
    const file = element("input", { type: "file", id: "toks-file", accept: ".json,.model,.tiktoken,.txt" });
    const hub = element("input", { type: "text", id: "toks-hub", spellcheck: "false", maxlength: "200", placeholder: "owner/name" });
    const get = element("button", { type: "button" }, words.hub_get);
    const outcome = element("output", { class: "toks-outcome" });
    const during = async (work) => {
      get.disabled = file.disabled = true;
      outcome.textContent = words.opening;
      try {
        const item = await work();
        outcome.textContent = fill(words.opened, { title: item.title, count: grouped(item.vocab_size) });
        arrived(item);
      } catch (caught) {
        if (!(caught instanceof Refused)) throw caught;
        outcome.textContent = caught.message;
      } finally {
        get.disabled = file.disabled = false;
        file.value = "";
      }
    };
    file.addEventListener("change", () => file.files[0] && during(async () => {
      const [blob] = file.files;
      const values = { size: grouped(blob.size), limit: grouped(opening.limits.file) };
      if (blob.size > opening.limits.file) throw new Refused(fill(words.too_long, values));
      return tab.ask("bring", { file: blob.name, sent: await sendPieces(tab.ask, blob, "file") });
    }));
    const fetchHub = () => hub.value.trim() && during(() => tab.ask("bring", { hub: hub.value }));
    get.addEventListener("click", fetchHub);
    hub.addEventListener("keydown", (event) => event.key === "Enter" && fetchHub());
    return element("details", { class: "toks-bring" }, element("summary", {}, words.bring),
      element("label", { for: "toks-file" }, fill(words.file, { limit: opening.limit_words.file })), file,
      element("label", { for: "toks-hub" }, words.hub), element("div", { class: "toks-row" }, hub, get), outcome);
  }

  /** The names of the tokenizers that are compared, for the chart. */
  const chosen = () => current;

  return { mount, chosen, addOwn, Refused };
})();
