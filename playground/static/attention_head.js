/* Attention, section "maps": one head large. The heat map with tokens on both axes, lines from token to token, and one
   token's row read as a sentence. All of it is drawn from the numbers that are there already. */

const AttentionHead = (() => {
  const { element, fill } = lineage;
  const { table, twin, percent } = MaskingParts;
  const NAMED = 5; // tokens that a sentence names
  const WIDEST = 26; // pixels of a cell
  const SHADES = 8; // of a token that is looked at, see attention_maps.css
  const LABEL = 11; // pixels that a token's name needs beside the map

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
    definePlaces(view);
    const rebuild = () => {
      buildControls(controls, view);
      buildStrips(state);
      tables.replaceChildren(tableOf(view));
      Downloads.bar(tables, { name: "attention-head", svg: () => svgOf(view), csv: () => csvOf(view) });
    };
    const update = () => {
      const shown = shownOf(view);
      state.shown = shown;
      state.width ||= Math.floor(host.clientWidth);
      title.textContent = titleOf(view);
      sentence.textContent = saidRow(view, shown);
      const noted = noteOf(view);
      if (note.textContent !== noted) note.textContent = noted;
      note.hidden = !noted;
      canvas.setAttribute("aria-label", `${titleOf(view)}. ${saidHead(view, shown)}`);
      drawLegend(legend, view, shown);
      shadeStrips(state);
      if (lineage.state.att_view === "lines") drawLines(state);
      else drawMap(state);
      const folded = tables.querySelector("details");
      if (folded?.open) fillTable(folded, view);
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

  // ---- which places count -----------------------------------------------------------------------------------------------

  /** What the visitor has left out, as tests on places; shared with the small maps. */
  function definePlaces(view) {
    const { chosen } = view;
    /** How many queries are there at the step of a generation that is looked at. */
    view.limit = (group) => {
      const from = view.reading?.written_from;
      const whole = group.height;
      if (from === null || from === undefined || group.queries !== "text") return whole;
      const step = Number(lineage.state.att_step);
      return step ? Math.min(whole, from + step - 1) : whole;
    };
    view.segmented = (group) => view.reading.structure === "encoder" && new Set(view.sequences[group.keys].segments).size > 1 && new Set(view.sequences[group.queries].segments).size > 1;
    /** A test whether the place of a pair is left out of a head's map; null if none is. */
    view.hiddenIn = (group) => {
      const { hide, pairs } = chosen;
      const limit = view.limit(group);
      const keys = view.sequences[group.keys];
      const queries = view.sequences[group.queries];
      const out = Uint8Array.from(keys.texts, (_, key) => Number((hide.has("first") && key === 0) || (hide.has("separators") && key > 0 && "sd".includes(keys.kinds[key]))));
      const wanted = pairs === "all" ? null : [...pairs].map((letter) => "ab".indexOf(letter));
      if (!wanted && limit === group.height && !out.includes(1)) return null;
      const { width } = group;
      return (place) => {
        const query = Math.floor(place / width);
        const key = place % width;
        return Boolean(out[key]) || query >= limit || (group.keys === group.queries && key >= limit)
          || (wanted !== null && (queries.segments[query] !== wanted[0] || keys.segments[key] !== wanted[1]));
      };
    };
    view.most = (values, hidden) => {
      let most = 0;
      for (let place = 0; place < values.length; place += 1) if (values[place] > most && !hidden?.(place)) most = values[place];
      return most || 1;
    };
  }

  /** The values of the large view, what is left out of it, and the end of its scale. */
  function shownOf(view) {
    const { group, layer, head, contribution, combine } = view.chosen;
    const rolls = combine === "rollout" && group.queries === group.keys;
    const values = rolls ? group.rollout(layer)
      : combine === "mean" || combine === "max" ? group.together(layer, combine, contribution) : group.shown(layer, head, contribution);
    const hidden = view.hiddenIn(group);
    return { group, layer, head, values, hidden, most: view.most(values, hidden), contribution: contribution && !rolls, combine: rolls ? "rollout" : combine === "rollout" ? "head" : combine };
  }

  // ---- words ----------------------------------------------------------------------------------------------------------

  function titleOf(view) {
    const { words, chosen } = view;
    const { group, layer, head } = chosen;
    const combine = view.chosen.combine === "rollout" && group.queries !== group.keys ? "head" : chosen.combine;
    return fill(words[`title_${combine}`], { group: words[`group_${group.name}`], layer: layer + 1, head: head + 1 });
  }

  const named = (text) => AttentionPicture.named(text);

  /** One row as [share, key], the greatest first; shares of what the whole row gives. */
  function rowOf({ group, values, hidden }, query) {
    const start = query * group.width;
    const row = Array.from(values.subarray(start, start + group.width));
    const sum = row.reduce((all, value) => all + value, 0) || 1;
    return row.map((value, key) => [value / sum, key]).filter(([, key]) => !hidden?.(start + key)).sort((one, other) => other[0] - one[0]);
  }

  function saidRow(view, shown) {
    const { words, sequences } = view;
    const { group, contribution, combine } = shown;
    const query = view.chosen.row;
    const queries = sequences[group.queries].texts;
    const keys = sequences[group.keys].texts;
    const row = rowOf(shown, query);
    const list = row.slice(0, NAMED).filter(([share]) => share >= 0.005).map(([share, key]) => fill(words.to_token, { token: named(keys[key]), position: key + 1, share: percent(share) }));
    const rest = row.slice(list.length);
    const values = { token: named(queries[query]), position: query + 1, list: list.join(words.comma), rest: percent(rest.reduce((sum, [share]) => sum + share, 0)), others: rest.filter(([, key]) => seen(shown, query, key)).length };
    if (!list.length) return fill(words.said_row_none, values);
    const key = combine === "rollout" ? "said_row_rollout" : contribution ? "said_row_contribution" : "said_row";
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
    else if (chosen.contribution && chosen.combine !== "rollout") notes.push(words.note_contribution);
    if (chosen.combine === "rollout") notes.push(group.queries === group.keys ? words.note_rollout : words.note_no_rollout);
    if (chosen.hide.has("first") || chosen.hide.has("separators") || chosen.pairs !== "all") notes.push(words.note_hidden);
    return notes.join(" ");
  }

  function drawLegend(host, view, { most, contribution, combine }) {
    const dark = String(AttentionPicture.isDark());
    if (host.dataset.dark !== dark) {
      host.dataset.dark = dark;
      const bar = element("span", { class: "maps-scale", "aria-hidden": "true" });
      bar.style.background = `linear-gradient(to right, ${Array.from({ length: 9 }, (_, at) => AttentionPicture.css((at / 8) ** 2)).join(", ")})`;
      host.replaceChildren(element("span", {}), element("span", {}, "0"), bar, element("span", {}), element("span", { class: "maps-masked-key", "aria-hidden": "true" }), element("span", {}, view.words.scale_masked));
    }
    const tell = (place, text) => { if (host.children[place].textContent !== text) host.children[place].textContent = text; };
    tell(0, view.words[combine === "rollout" ? "scale_rollout" : contribution ? "scale_contribution" : "scale_weight"]);
    tell(3, contribution ? most.toPrecision(3) : percent(most));
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
    strips.replaceChildren(element("p", { class: "obj-note" }, both ? words.strip_how : words.strip_how_two), state.queryRow, ...(both ? [] : [element("p", { class: "obj-note" }, words.strip_keys), state.keyRow]));
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
  }

  // ---- the heat map -----------------------------------------------------------------------------------------------------

  const small = document.createElement("canvas");

  /** Where things stand: `cell` pixels a pair, `left` and `top` for the names. */
  function placed(state, width) {
    const { view, shown } = state;
    const { group } = shown;
    const context = state.canvas.getContext("2d");
    context.font = "12px system-ui, sans-serif";
    const widest = (name) => Math.min(92, Math.max(...view.sequences[name].texts.map((text) => context.measureText(AttentionPicture.short(text)).width)) + 8);
    const left = widest(group.queries);
    const top = widest(group.keys);
    const cell = Math.min(WIDEST, (width - left - 2) / group.width);
    return { left, top, cell, width: left + cell * group.width + 2, height: top + cell * group.height + 2 };
  }

  /** A canvas of this size in the page's pixels, empty, and its context. */
  function scaled(canvas, width, height) {
    const ratio = ratioOf();
    const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide || canvas.height !== tall) {
      Object.assign(canvas, { width: wide, height: tall });
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  const ratioOf = () => Math.min(2, window.devicePixelRatio || 1);

  /** The page's colours: asking for them takes the browser longer than painting, so they are asked for once a theme. */
  const themes = new Map();
  function colours() {
    const dark = AttentionPicture.isDark();
    if (!themes.has(dark)) {
      const style = getComputedStyle(document.documentElement);
      const named = Object.fromEntries(["ink", "ink-soft", "rule-strong", "accent", "kind-attention"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
      themes.set(dark, named);
    }
    return themes.get(dark);
  }

  /** The names beside the map, on a canvas of their own: they are the same for every head. */
  function axes(state, group) {
    const { left, top, cell, width, height } = state.places;
    const made = document.createElement("canvas");
    const context = scaled(made, width, height);
    const { sequences } = state.view;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = colours()["ink-soft"];
    const every = Math.max(1, Math.ceil(LABEL / cell));
    context.textAlign = "right";
    sequences[group.queries].texts.forEach((text, query) => {
      if (query % every === 0) context.fillText(AttentionPicture.short(text), left - 4, top + (query + 0.5) * cell);
    });
    context.textAlign = "left";
    sequences[group.keys].texts.forEach((text, key) => {
      if (key % every) return;
      context.save();
      context.translate(left + (key + 0.5) * cell, top - 4);
      context.rotate(-Math.PI / 2);
      context.fillText(AttentionPicture.short(text), 0, 0);
      context.restore();
    });
    context.strokeStyle = colours()["rule-strong"];
    context.strokeRect(left - 0.5, top - 0.5, cell * group.width + 1, cell * group.height + 1);
    return made;
  }

  function drawMap(state) {
    const { view, shown, canvas } = state;
    const { group, values, hidden, most } = shown;
    const dark = AttentionPicture.isDark();
    const drawnFor = `${state.width} ${group.name} ${dark}`;
    if (state.drawnFor !== drawnFor || state.drawnOf !== view.sequences) {
      state.places = placed(state, state.width);
      state.axes = axes(state, group);
      Object.assign(state, { drawnFor, drawnOf: view.sequences });
    }
    const { left, top, cell, width, height } = state.places;
    const context = scaled(canvas, width, height);
    const blocked = blockedIn(view, shown);
    AttentionPicture.paint(small, values, group.width, group.height, most, hidden ? (place) => blocked(place) || hidden(place) : blocked, dark);
    context.imageSmoothingEnabled = false;
    context.drawImage(state.axes, 0, 0, width, height);
    context.drawImage(small, left, top, cell * group.width, cell * group.height);
    context.strokeStyle = colours().accent;
    context.lineWidth = 2;
    context.strokeRect(left - 1, top + view.chosen.row * cell - 1, cell * group.width + 2, cell + 2);
  }

  /** A test whether the mask leaves a pair nothing: of one head its own mask, of several together where all give nothing. */
  function blockedIn(view, shown) {
    const { group, layer, head, combine, values } = shown;
    if (combine !== "head") return (place) => values[place] === 0;
    const bits = group.masks;
    const start = group.mask_of[layer * group.heads + head] * Math.ceil(group.size / 8);
    return (place) => !(bits[start + (place >> 3)] & (128 >> (place & 7)));
  }

  // ---- lines from token to token ------------------------------------------------------------------------------------------

  function drawLines(state) {
    const { view, shown } = state;
    const { group, values, hidden, most } = shown;
    const width = Math.min(720, state.width);
    const step = Math.max(13, Math.min(22, 1_400 / Math.max(group.width, group.height)));
    const height = step * Math.max(group.width, group.height) + 8;
    const context = scaled(state.canvas, width, height);
    const names = Math.min(130, width * 0.3);
    state.places = { lines: true, step, names, width };
    const row = view.chosen.row;
    const { ink, "ink-soft": soft, "kind-attention": accent } = colours();
    state.drawnFor = null; // the map's places are no more
    context.textBaseline = "middle";
    context.lineCap = "round";
    const stroke = (query, key, strong) => {
      const share = values[query * group.width + key] / most;
      if (share < (strong ? 0.005 : 0.06) || hidden?.(query * group.width + key)) return;
      context.globalAlpha = strong ? Math.max(0.25, Math.min(1, share)) : 0.28 * share;
      context.lineWidth = 0.5 + (strong ? 6 : 3.5) * share;
      context.beginPath();
      context.moveTo(names, (query + 0.5) * step + 4);
      context.lineTo(width - names, (key + 0.5) * step + 4);
      context.stroke();
    };
    context.strokeStyle = soft;
    for (let query = 0; query < group.height; query += 1) {
      if (query !== row) for (let key = 0; key < group.width; key += 1) stroke(query, key, false);
    }
    context.strokeStyle = accent;
    for (let key = 0; key < group.width; key += 1) stroke(row, key, true);
    context.globalAlpha = 1;
    const size = Math.min(14, step - 1);
    const side = (texts, align, x, current) => {
      context.textAlign = align;
      texts.forEach((text, place) => {
        context.font = `${place === current ? "600 " : ""}${size}px system-ui, sans-serif`;
        context.fillStyle = place === current ? ink : soft;
        context.fillText(AttentionPicture.short(text, 14), x, (place + 0.5) * step + 4, names - 8);
      });
    };
    side(view.sequences[group.queries].texts, "right", names - 6, row);
    side(view.sequences[group.keys].texts, "left", width - names + 6, -1);
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
      readout.textContent = fill(words, { query: named(view.sequences[group.queries].texts[query]), from: query + 1, key: named(view.sequences[group.keys].texts[key]), to: key + 1, value: contribution ? value.toPrecision(3) : percent(value) });
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

  // ---- the same as a table, and to take away ------------------------------------------------------------------------------

  function tableOf(view) {
    const folded = twin(view.words.as_table);
    folded.addEventListener("toggle", () => folded.open && fillTable(folded, view));
    return folded;
  }

  function fillTable(folded, view) {
    const { words, sequences } = view;
    const shown = shownOf(view);
    const { group } = shown;
    const keys = sequences[group.keys].texts;
    const heads = [[words.col_place, true], [words.col_token], [words.col_most], [words.col_second], [words.col_third]];
    const rows = sequences[group.queries].texts.slice(0, view.limit(group)).map((text, query) => {
      const best = rowOf(shown, query).slice(0, 3).filter(([share]) => share > 0);
      const told = best.map(([share, key]) => fill(words.to_token, { token: named(keys[key]), position: key + 1, share: percent(share) }));
      return [String(query + 1), named(text), told[0] ?? "–", told[1] ?? "–", told[2] ?? "–"];
    });
    while (folded.childElementCount > 1) folded.lastChild.remove();
    folded.append(table(heads, rows, fill(words.table_rows, { title: titleOf(view) })));
  }

  /** The numbers of the large view; of a single head's weights those that the model computed, asked of the server. */
  async function csvOf(view) {
    const { shared, sequences } = view;
    const shown = shownOf(view);
    const { group, layer, head } = shown;
    const rows = Array.from({ length: group.height }, (_, query) => Array.from(shown.values.subarray(query * group.width, (query + 1) * group.width)));
    const plain = shown.combine === "head" && !shown.contribution;
    const exact = plain ? await shared.attempt(() => shared.ask("attention_exact", { ...shared.request(), group: group.name, layer, head })) : null;
    const texts = sequences[group.queries].texts;
    return Downloads.csv([["", ...sequences[group.keys].texts], ...(exact?.rows ?? rows).map((row, query) => [texts[query], ...row])]);
  }

  function svgOf(view) {
    const { sequences } = view;
    const shown = shownOf(view);
    const { group, values, hidden, most } = shown;
    const cell = Math.max(4, Math.min(18, 1_200 / group.width));
    const [left, top] = [100, 118];
    const canvas = document.createElement("canvas");
    const blocked = blockedIn(view, shown);
    AttentionPicture.paint(canvas, values, group.width, group.height, most, (place) => blocked(place) || Boolean(hidden?.(place)), false);
    const every = Math.max(1, Math.ceil(LABEL / cell));
    const names = (texts, make) => texts.flatMap((text, place) => (place % every ? [] : [make(AttentionPicture.short(text), place)]));
    const parts = [
      ["text", { x: 8, y: 16, "font-weight": "bold" }, titleOf(view)],
      ["image", { x: left, y: top, width: cell * group.width, height: cell * group.height, preserveAspectRatio: "none", style: "image-rendering: pixelated", "xlink:href": canvas.toDataURL() }],
      ["rect", { x: left, y: top, width: cell * group.width, height: cell * group.height, fill: "none", stroke: "#868b92" }],
      ...names(sequences[group.queries].texts, (text, place) => ["text", { x: left - 4, y: top + (place + 0.5) * cell + 4, "text-anchor": "end" }, text]),
      ...names(sequences[group.keys].texts, (text, place) => ["text", { transform: `translate(${left + (place + 0.5) * cell + 4} ${top - 4}) rotate(-90)` }, text]),
    ];
    return AttentionPicture.picture(left + cell * group.width + 8, top + cell * group.height + 8, parts);
  }

  return { mount };
})();
