/* Attention, section "Before transformers": a recurrent translator's score map, a weight taken apart, the same text in a
   transformer; target attention is drawn by attention_before_target.js. */

const AttentionBefore = (() => {
  const { element, fill } = lineage;
  const { percent, table, strip, twin } = MaskingParts;
  const KINDS = ["bahdanau", "luong"];
  const EXAMPLES = ["Sunday, June 25th, 2017, at half past seven in the evening", "at 9:05 in the morning on the 3rd of May, 1979", "Tuesday, 14 July 2026", "Dec 31, 1999, at eleven o'clock in the evening"];
  const PAUSE = 400; // milliseconds after the last key
  const END = "<end>";

  function mount(panel, server, shared) {
    const words = shared.opening.words.before;
    const view = { shared, words, latest: 0, pick: null };
    const error = element("p", { class: "obj-error", role: "alert", hidden: "" });
    const attempt = Asking.attempter(error);
    const result = element("div", { class: "mask-content", "aria-live": "polite" });
    const apart = element("div", { class: "mask-content" });
    const ours = element("div", { class: "mask-content" });
    const target = element("div", { class: "mask-content" });

    const choose = lineage.choice("before-kind", words.kind, KINDS.map((name) => [name, words[name]]), lineage.state.before_kind, (name) => {
      lineage.write("before_kind", name);
      draw();
    });
    const field = textField("before-text", words.text, "before_text", async () => {
      lineage.write("before_at", ""); // a place of another sentence
      if (await draw()) drawOurs();
    });
    const chips = element("div", { class: "obj-chips", role: "group", "aria-label": words.examples });
    for (const text of EXAMPLES) {
      const chip = element("button", { type: "button", class: "chip" }, text);
      chip.addEventListener("click", () => field.put(text));
      chips.append(chip);
    }
    panel.dataset.model = ""; // small models of its own
    panel.append(element("h2", {}, words.recurrent), element("p", { class: "obj-about" }, words.about), element("div", { class: "before-fields" }, field.row, choose), chips, error, result, apart, ours, target);

    /** Draws the translation; tells whether there is one. */
    async function draw() {
      const mine = ++view.latest;
      const reply = await attempt(() => shared.ask("before_translation", request()));
      if (mine !== view.latest) return false;
      for (const part of [result, apart, ours]) part.hidden = !reply;
      if (!reply) return false;
      view.reply = reply;
      result.replaceChildren(...translated(view));
      take(...picked(reply));
      return true;
    }
    const request = () => ({ kind: lineage.state.before_kind, before_text: lineage.state.before_text });

    /** Takes the weight of character `row` and word `column` apart. */
    async function take(row, column) {
      const mine = view.latest;
      lineage.write("before_at", `${row}.${column}`);
      const reply = await attempt(() => shared.ask("before_step", { ...request(), step: row }));
      if (mine !== view.latest || !reply) return;
      for (const cell of result.querySelectorAll(".score-cell")) cell.setAttribute("aria-pressed", String(cell.dataset.at === `${row}.${column}`));
      result.querySelector(".before-said").textContent = say(view, row, column);
      apart.replaceChildren(...takenApart(view, reply, column));
    }
    view.take = take;

    let asked = 0;
    async function drawOurs() {
      const mine = ++asked;
      ours.replaceChildren(element("h3", {}, words.ours), element("p", { class: "obj-note" }, words.computing));
      const reply = await attempt(() => shared.ask("before_ours", request()));
      if (mine === asked && reply) ours.replaceChildren(...compared(view, reply));
    }

    function refresh() {
      draw().then((there) => there && drawOurs());
      AttentionTarget.mount(view, target, textField);
    }
    return { refresh, usesText: false };
  }

  /** A field whose text is in the address; `change` is called a moment after the last key. */
  function textField(id, label, name, change) {
    let timer = 0;
    const input = element("input", { type: "text", id, value: lineage.state[name], spellcheck: "false", autocomplete: "off" });
    input.addEventListener("input", () => {
      lineage.write(name, input.value.trim() ? input.value : " ");
      clearTimeout(timer);
      timer = setTimeout(change, PAUSE);
    });
    const put = (text) => {
      input.value = text;
      input.dispatchEvent(new Event("input"));
    };
    return { row: element("div", { class: "obj-field" }, element("label", { for: id }, label), input), put };
  }

  const name = (view, text) => (text === END ? `⟨${view.words.end}⟩` : text.trim() || "␣");

  /** The weight of the address, or else the largest one of the middle. */
  function picked(reply) {
    const [row, column] = lineage.state.before_at.split(".").map(Number);
    if (lineage.state.before_at && row < reply.characters.length && column < reply.words.length) return [row, column];
    const middle = Math.min(5, reply.characters.length - 1);
    const weights = reply.weights[middle];
    return [middle, weights.indexOf(Math.max(...weights))];
  }

  /** What is written, and where one character looks. */
  const say = ({ reply, words }, row, column) => fill(words.said, { text: reply.text, character: name({ words }, reply.characters[row]), word: name({ words }, reply.words[column]), p: percent(reply.weights[row][column]) });

  function translated(view) {
    const { reply, words } = view;
    const unknown = reply.words.filter((_, place) => reply.unknown[place]);
    const said = element("p", { class: "obj-sentence before-said" }, say(view, ...picked(reply)));
    const share = (value) => `${value.toFixed(value > 99 && value < 100 ? 1 : 0)}\u202f%`;
    const scores = fill(words.scores, { params: lineage.grouped(reply.params), pairs: lineage.grouped(reply.pairs), sentences: reply.sentences, exact: share(reply.exact), exact_without: share(reply.exact_without), exact_looked_up: share(reply.exact_looked_up) });
    const box = element("div", { class: "mask-content" }, said, ...(unknown.length ? [element("p", {}, fill(words.unknown, { words: unknown.join(", ") }))] : []),
      element("p", { class: "obj-note" }, words.map_how), map(view, reply.weights, reply.characters, reply.words, view.take), element("p", { class: "obj-note" }, scores));
    downloads(view, box, `attention-${reply.kind}`, reply.weights, reply.characters, reply.words);
    return [box];
  }

  /** A map as a table: a row for each that looks, a column for each that is looked at. `pick(row, column)` makes buttons of its cells. */
  function map(view, weights, rows, columns, pick) {
    const { words } = view;
    const head = element("tr", {}, element("th", { scope: "col" }, pick ? words.written : words.from), ...columns.map((one) => element("th", { scope: "col" }, name(view, one))));
    const body = weights.map((line, row) => element("tr", {}, element("th", { scope: "row" }, name(view, rows[row])), ...line.map((weight, column) => {
      const label = fill(words.cell, { row: name(view, rows[row]), column: name(view, columns[column]), p: percent(weight) });
      const figure = weight >= 0.045 ? String(Math.round(100 * weight)) : "";
      const cell = pick ? element("button", { type: "button", class: "bare score-cell", tabindex: "-1", "aria-pressed": "false", "aria-label": label, title: label, "data-at": `${row}.${column}` }, figure)
        : element("span", { class: "score-cell", title: label }, figure);
      cell.style.setProperty("--p", String(weight));
      if (pick) cell.addEventListener("click", () => pick(row, column));
      return element("td", {}, cell);
    })));
    const made = element("table", { class: "ruled score-map", "aria-label": words.map }, element("thead", {}, head), element("tbody", {}, ...body));
    const first = made.querySelector("button");
    if (first) first.tabIndex = 0;
    made.addEventListener("keydown", (event) => AttentionLens.walk(event, made));
    return element("div", { class: "obj-scroll", ...(pick ? {} : { tabindex: "0" }), role: "region", "aria-label": words.map }, made);
  }

  function downloads(view, box, file, weights, rows, columns) {
    const named = (texts) => texts.map((text) => name(view, text));
    Downloads.bar(box, { name: file, svg: () => picture(weights, named(rows), named(columns)),
      csv: () => Downloads.csv([["", ...columns], ...weights.map((line, row) => [rows[row], ...line])]) });
  }

  function picture(weights, rows, columns) {
    const [cell, left, top] = [36, 90, 90];
    const parts = columns.map((text, column) => ["text", { x: 0, y: 0, transform: `translate(${left + cell * (column + 0.6)} ${top - 6}) rotate(-60)`, fill: "#1c1f23" }, text]);
    weights.forEach((line, row) => {
      parts.push(["text", { x: left - 8, y: top + cell * (row + 0.6), "text-anchor": "end", fill: "#1c1f23" }, rows[row]]);
      line.forEach((weight, column) => parts.push(["rect", { x: left + cell * column, y: top + cell * row, width: cell - 2, height: cell - 2, fill: AttentionSvg.between(Math.sqrt(weight) * 0.85, [179, 71, 0]) }]));
    });
    return AttentionSvg.picture(left + cell * columns.length + 40, top + cell * rows.length + 8, parts);
  }

  // ---- one weight ----------------------------------------------------------------------------------------------------------

  const number = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

  function takenApart(view, step, column) {
    const { reply, words } = view;
    const row = step.step;
    const word = name(view, reply.words[column]);
    const most = Math.max(...step.energies);
    const total = step.exponentials.reduce((sum, one) => sum + one, 0);
    const energy = number(step.energies[column]);
    const gaps = { word, energy, most: number(most), exponential: step.exponentials[column].toPrecision(3), total: total.toFixed(3), p: percent(step.weights[column]), width: step.width };
    const terms = step.terms[column];
    const largest = Math.max(1e-9, ...terms.map(Math.abs));
    const rows = reply.words.map((text, place) => [name(view, text), number(step.energies[place], 3), step.exponentials[place].toPrecision(3), percent(step.weights[place])]);
    return [element("h3", {}, fill(words.step, { character: name(view, reply.characters[row]) })), element("p", {}, fill(words[`step_${reply.kind}`], gaps)), element("p", { class: "obj-sentence" }, fill(words.said_step, gaps)),
      element("p", { class: "obj-note" }, fill(words.terms, gaps)), strip(terms.map((term) => 127 * term / largest), fill(words.terms, gaps)),
      twin(words.as_table, table([[words.word], [words.energy, true], [words.exponential, true], [words.weight, true]], rows, words.table_step))];
  }

  // ---- ours ----------------------------------------------------------------------------------------------------------------

  function compared(view, reply) {
    const { words } = view;
    const select = (id, label, count, first) => {
      const made = element("select", { id }, ...(first ? [element("option", { value: "0" }, first)] : []),
        ...Array.from({ length: count }, (_, index) => element("option", { value: String(first ? index + 1 : index) }, String(index + 1))));
      return [made, element("div", { class: "obj-field" }, element("label", { for: id }, label), made)];
    };
    const n_heads = reply.maps[0].length - 1;
    const [layer, layerRow] = select("before-layer", words.layer, reply.maps.length);
    const [head, headRow] = select("before-head", words.head, n_heads, words.average);
    layer.value = String(reply.maps.length - 1);
    const place = element("div", {});
    const show = () => place.replaceChildren(map(view, reply.maps[layer.value][head.value], reply.rows, reply.columns, null));
    layer.addEventListener("change", show);
    head.addEventListener("change", show);
    show();
    const values = { rows: reply.rows.length, columns: reply.columns.length, maps: reply.maps.length * n_heads };
    const box = element("div", { class: "mask-content" }, element("p", {}, reply.about), element("div", { class: "before-selects" }, layerRow, headRow), place, element("p", { class: "obj-note" }, fill(words.said_ours, values)));
    Downloads.bar(box, { name: "attention-transformer", svg: () => picture(reply.maps[layer.value][head.value], reply.rows, reply.columns),
      csv: () => Downloads.csv([["", ...reply.columns], ...reply.maps[layer.value][head.value].map((line, row) => [reply.rows[row], ...line])]) });
    return [element("h3", {}, words.ours), box];
  }

  return { mount };
})();
