/* Attention, section "maps": one head large: what is shown of it, and one token's row read as a sentence. It is drawn by
   attention_head_map.js, from the numbers that are there already; table and files are made by attention_head_twin.js. */

const AttentionHead = (() => {
  const { element, fill } = lineage;
  const { named } = AttentionPicture;
  const NAMED = 5; // tokens that a sentence names
  const SHADES = 8; // of a token that is looked at, see attention_maps.css

  function mount(host, view) {
    const { words } = view;
    const controls = element("div", { class: "maps-controls" });
    const title = element("h2", {});
    const sentence = element("p", { class: "obj-sentence", "aria-live": "polite" });
    const note = element("p", { class: "obj-note" });
    const strips = element("div", { class: "maps-strips" });
    const canvas = element("canvas", { class: "maps-map", tabindex: "0", role: "img" });
    const readout = element("p", { class: "maps-readout", "aria-live": "off" });
    const legend = element("p", { class: "maps-legend" });
    const tables = element("div", {});
    host.append(title, sentence, strips, element("div", { class: "maps-scroll maps-stage" }, canvas), readout, legend, note, tables);
    const state = { view, canvas, readout, strips, width: 0 };
    AttentionPlaces.define(view);
    view.title = () => titleOf(view);
    const rebuild = () => {
      buildControls(controls, view);
      buildStrips(state);
      tables.replaceChildren(AttentionHeadTwin.tableOf(view));
      Downloads.bar(tables, { name: () => AttentionHeadTwin.fileName(view), svg: () => AttentionHeadTwin.svg(view), csv: () => AttentionHeadTwin.csv(view) });
    };
    const update = () => {
      const shown = AttentionPlaces.shownOf(view);
      state.shown = shown;
      state.width ||= Math.floor(host.clientWidth);
      title.textContent = titleOf(view);
      sentence.textContent = saidRow(view, shown);
      const noted = noteOf(view);
      if (note.textContent !== noted) note.textContent = noted;
      note.hidden = !noted;
      canvas.setAttribute("aria-label", `${titleOf(view)}. ${saidHead(view, shown)}`);
      drawLegend(legend, view, shown);
      for (const button of controls.querySelectorAll("#maps-measure button")) { // rollout is of weights alone
        button.disabled = button.value === "contribution" && (view.rolls() || !shown.group.lengths);
        button.setAttribute("aria-pressed", String((button.value === "contribution") === shown.contribution));
      }
      shadeStrips(state);
      if (lineage.state.att_view === "lines") AttentionHeadMap.drawLines(state);
      else AttentionHeadMap.drawMap(state);
      const folded = tables.querySelector("details");
      if (folded?.open) AttentionHeadTwin.fillTable(folded, view);
    };
    listen(state, update);
    // The width is told, not asked for: to ask would make the browser lay the page out in the middle of drawing.
    new ResizeObserver(([{ contentRect }]) => {
      const width = Math.floor(contentRect.width);
      if (!width || width === state.width) return;
      state.width = width;
      if (state.shown) update();
    }).observe(host);
    return { controls, rebuild, update };
  }

  // ---- words ----------------------------------------------------------------------------------------------------------

  function titleOf(view) {
    const { words, chosen } = view;
    const { group, layer, head } = chosen;
    const combine = view.chosen.combine === "rollout" && group.queries !== group.keys ? "head" : chosen.combine;
    return fill(words[`title_${combine}`], { group: words[`group_${group.name}`], layer: layer + 1, head: head + 1 });
  }

  function saidRow(view, shown) {
    const { words, sequences } = view;
    const { group, contribution, combine } = shown;
    const query = view.chosen.row;
    const queries = sequences[group.queries].texts;
    const keys = sequences[group.keys].texts;
    const row = AttentionPlaces.rowOf(shown, query);
    const tell = (value) => AttentionPlaces.told(shown, value);
    const least = 0.005 * (combine === "max" ? row[0]?.[0] ?? 0 : 1);
    const list = row.slice(0, NAMED).filter(([value]) => value > 0 && value >= least).map(([value, key]) => fill(words.to_token, { token: named(keys[key]), position: key + 1, share: tell(value) }));
    const rest = row.slice(list.length);
    const left = combine === "max" ? rest[0]?.[0] ?? 0 : rest.reduce((sum, [value]) => sum + value, 0); // greatest values have no sum
    const values = { token: named(queries[query]), position: query + 1, list: list.join(words.comma), rest: tell(left), others: rest.filter(([, key]) => seen(shown, query, key)).length };
    if (!list.length) return fill(words.said_row_none, values);
    const key = combine === "rollout" ? "said_row_rollout" : `said_row${contribution ? "_contribution" : ""}${combine === "max" ? "_max" : ""}`;
    return fill(values.others ? words[key] : words[`${key}_all`], values);
  }

  const seen = ({ group, layer, head, combine, values }, query, key) =>
    (combine === "head" ? group.sees(layer, head, query, key) : values[query * group.width + key] > 0);

  /** What the whole map shows, for those who cannot see it. */
  function saidHead(view, shown) {
    const { group, layer, head } = shown;
    const labels = shown.combine === "head" ? group.labels[layer][head].map((name) => view.words[`about_${name}`]) : [];
    return [...labels, saidRow(view, shown)].join(" ");
  }

  function noteOf(view) {
    const { words, chosen } = view;
    const { group } = chosen;
    const notes = [];
    if (lineage.state.att_measure === "contribution" && !group.lengths) notes.push(words.note_no_lengths);
    else if (chosen.contribution && !view.rolls()) notes.push(words.note_contribution);
    if (chosen.combine === "rollout") notes.push(group.queries === group.keys ? words.note_rollout : words.note_no_rollout);
    if (chosen.hide.has("first") || chosen.hide.has("separators") || chosen.pairs !== "all") notes.push(words.note_hidden);
    notes.push(words[group.fine ? "note_fine" : "note_coarse"]);
    return notes.join(" ");
  }

  function drawLegend(host, view, shown) {
    const { words } = view;
    const lines = lineage.state.att_view === "lines";
    const drawn = `${lines} ${AttentionPicture.isDark()}`;
    if (host.dataset.drawn !== drawn) {
      host.dataset.drawn = drawn;
      const bar = element("span", { class: "maps-scale", "aria-hidden": "true" });
      bar.style.background = `linear-gradient(to right, ${Array.from({ length: 9 }, (_, at) => AttentionPicture.css((at / 8) ** 2)).join(", ")})`;
      const key = (name, text) => [element("span", { class: name, "aria-hidden": "true" }), element("span", {}, text)];
      host.replaceChildren(element("span", {}), element("span", {}),
        ...(lines ? [...key("maps-line-key chosen", words.line_chosen), ...key("maps-line-key", words.line_others)]
          : [element("span", {}, "0"), bar, element("span", {}), ...key("maps-masked-key", words.scale_masked)]));
    }
    const tell = (place, text) => { if (host.children[place].textContent !== text) host.children[place].textContent = text; };
    const most = AttentionPlaces.scaleEnd(shown);
    tell(0, AttentionPlaces.scaleName(words, shown));
    tell(1, lines ? fill(words.line_most, { most }) : "");
    if (!lines) tell(4, most);
  }

  // ---- controls ---------------------------------------------------------------------------------------------------------

  function buildControls(host, view) {
    const { words } = view;
    const { group } = view.chosen;
    const state = lineage.state;
    const choice = (field, options, redraw) => lineage.choice(`maps-${field.replace("att_", "")}`, words[field], options.map((name) => [name, words[`${field}_${name}`]]),
      options.includes(state[field]) ? state[field] : options[0], (value) => {
        lineage.write(field, value);
        redraw();
      });
    const check = (name) => {
      const box = element("input", { type: "checkbox", id: `maps-hide-${name}` });
      box.checked = view.chosen.hide.has(name);
      box.addEventListener("change", () => {
        const hide = view.chosen.hide;
        hide.delete("");
        if (box.checked) hide.add(name);
        else hide.delete(name);
        lineage.write("att_hide", [...hide].join(","));
        view.repaint();
      });
      return element("label", { class: "maps-check", for: box.id }, box, words[`hide_${name}`]);
    };
    host.replaceChildren(
      choice("att_view", ["map", "lines"], view.settle),
      choice("att_combine", ["head", "mean", "max", "rollout"], view.settle),
      choice("att_measure", ["weight", "contribution"], view.repaint),
      check("first"), check("separators"),
    );
    if (view.segmented(group)) host.append(choice("att_pairs", ["all", "aa", "ab", "ba", "bb"], view.repaint));
  }

  // ---- the tokens, one of which is read -------------------------------------------------------------------------------

  function buildStrips(state) {
    const { view, strips } = state;
    const { group } = view.chosen;
    const { words, sequences } = view;
    state.group = group.name;
    state.limit = null;
    const pick = (place) => choose(state, place);
    const dress = (texts, kinds) => (span, place) => {
      span.textContent = named(texts[place]);
      span.classList.add("maps-token");
      if (kinds[place] === "s") span.classList.add("mark");
    };
    const one = (name, label, picks) => {
      const { texts, kinds } = sequences[name];
      return MaskingParts.row(texts, { label, dress: dress(texts, kinds), pick: picks ? pick : null, at: view.chosen.row });
    };
    const both = group.queries === group.keys;
    state.queryRow = one(group.queries, words.strip_queries, true);
    state.keyRow = both ? state.queryRow : one(group.keys, words.strip_keys, false);
    state.patches = both && group.queries === "image" ? AttentionPatches.mount(view, pick) : null;
    strips.replaceChildren(...(state.patches ? [state.patches.figure] : []), element("p", { class: "obj-note" }, both ? words.strip_how : words.strip_how_two), state.queryRow, ...(both ? [] : [element("p", { class: "obj-note" }, words.strip_keys), state.keyRow]));
  }

  function choose(state, place) {
    lineage.write("att_row", place);
    state.view.settle();
  }

  /** Shades the keys by what the chosen token looks at. */
  function shadeStrips(state) {
    const { view, shown } = state;
    if (state.group !== view.chosen.group.name) buildStrips(state);
    const { group, values, hidden } = shown;
    const query = view.chosen.row;
    const limit = view.limit(group);
    const start = query * group.width;
    let most = 0;
    for (let key = 0; key < group.width; key += 1) if (!hidden?.(start + key)) most = Math.max(most, values[start + key]);
    // Only what differs is written: every change makes the browser work out styles anew.
    const spans = state.keyRow.children;
    for (let key = 0; key < group.width; key += 1) {
      const share = hidden?.(start + key) ? 0 : values[start + key] / (most || 1);
      const level = String(Math.round(share * SHADES));
      if (spans[key].dataset.level !== level) spans[key].dataset.level = level;
    }
    const marked = state.queryRow.querySelector("[aria-current]");
    const wanted = state.queryRow.children[query];
    if (marked !== wanted) {
      marked?.removeAttribute("aria-current");
      wanted.setAttribute("aria-current", "true");
    }
    if (state.limit !== limit) [...state.queryRow.children].forEach((span, place) => span.classList.toggle("maps-later", place >= limit));
    state.limit = limit;
    state.patches?.draw(shown, query);
  }

  // ---- pointer and keyboard -----------------------------------------------------------------------------------------------

  function listen(state, update) {
    const { canvas, view, readout } = state;
    const at = (event) => {
      const { left: x, top: y } = canvas.getBoundingClientRect();
      const [across, down] = [event.clientX - x, event.clientY - y];
      const { group } = state.shown;
      const { places } = state;
      if (places.lines) return { query: Math.floor((down - 4) / places.step), key: null };
      return { query: Math.floor((down - places.top) / places.cell), key: Math.floor((across - places.left) / places.cell), inside: across >= places.left };
    };
    const valid = (found) => found && found.query >= 0 && found.query < state.shown.group.height;
    const tell = ({ query, key }) => {
      const { group, values, contribution, hidden, combine } = state.shown;
      if (key === null || key < 0 || key >= group.width) return;
      const value = values[query * group.width + key];
      const masked = combine === "head" && !group.sees(state.shown.layer, state.shown.head, query, key);
      const words = view.words[masked ? "readout_masked" : hidden?.(query * group.width + key) ? "readout_hidden" : contribution ? "readout_contribution" : "readout"];
      readout.textContent = fill(words, { query: named(view.sequences[group.queries].texts[query]), from: query + 1, key: named(view.sequences[group.keys].texts[key]), to: key + 1, value: contribution ? value.toPrecision(3) : AttentionPlaces.share(group, value) });
    };
    canvas.addEventListener("pointermove", (event) => {
      const found = at(event);
      if (!valid(found)) return;
      if (found.key !== null) tell(found);
    });
    canvas.addEventListener("click", (event) => {
      const found = at(event);
      if (valid(found) && found.query < view.limit(state.shown.group)) choose(state, found.query);
    });
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!move) return;
      event.preventDefault();
      choose(state, Math.max(0, Math.min(view.limit(state.shown.group) - 1, view.chosen.row + move)));
    });
  }

  return { mount };
})();
