/* Attention, section "maps": every head of every layer as a small map, marked by what it does, and one of them large.
   One request a text; everything after that happens here. The large view is in attention_head.js. */

const AttentionMaps = (() => {
  const { element, fill } = lineage;
  const { walk, table, twin, percent } = MaskingParts;
  // After Okabe and Ito's colours for colour-blind eyes, dark enough for white letters, which say the same.
  const LABELS = {
    previous: ["P", "#0072B2"], next: ["N", "#2b7aa8"], first: ["1", "#b85000"], self: ["S", "#8B4A9C"], same: ["=", "#a3467c"],
    induction: ["I", "#007a59"], separators: [".", "#8a6d00"], even: ["E", "#6b7178"],
  };
  const PLAIN = new Set(["even", "self"]); // names of heads that bring a token nothing from a place of its choice
  const MOST_DRAWN = 1_200; // small maps of a group; a grid of more could not be told apart

  let current = null;

  function mount(panel, server, shared) {
    const { view, refresh } = viewOf(panel, shared);
    current = view;
    return { refresh, follow: () => view.groups.length && view.settle() };
  }

  function viewOf(panel, shared) {
    const words = shared.words.maps;
    const view = { shared, words, groups: [], LABELS, chosen: chosenIn(() => view), percent };
    const error = element("p", { class: "obj-error", role: "alert", hidden: "" });
    const summary = element("p", { class: "obj-sentence maps-summary", "aria-live": "polite" });
    const overview = element("div", { class: "maps-overview" });
    const large = element("section", { class: "maps-large", "aria-label": words.one_head });
    const head = AttentionHead.mount(large, view);
    panel.append(error, AttentionGenerated.mount(view), summary, head.controls, element("div", { class: "maps-columns" }, overview, preview(view)), large);
    const attempt = Asking.attempter(error);

    view.draw = () => {
      drawOverview(overview, view);
      head.rebuild();
      view.drawSteps();
      view.settle();
    };
    /** The head that is shown: the one under the pointer, or else the chosen one. Draws what depends on it. */
    view.settle = () => {
      view.showPreview();
      head.update();
      markChosen(overview, view);
    };
    view.repaint = () => {
      paintAll(overview, view);
      view.settle();
    };
    new MutationObserver(() => view.groups.length && panel.checkVisibility() && view.repaint()).observe(document.documentElement, { attributeFilter: ["class"] });

    let latest = 0;
    const refresh = async () => {
      const mine = ++latest;
      const { reading } = shared;
      const request = shared.request();
      panel.setAttribute("aria-busy", "true");
      const reply = await attempt(() => shared.ask("attention_maps", request));
      if (mine !== latest) return true;
      panel.removeAttribute("aria-busy");
      if (!reply) return false;
      performance.mark("attention:arrived");
      view.unpack = () => AttentionNumbers.read(reply);
      const groups = await view.unpack();
      if (mine !== latest) return true;
      Object.assign(view, { groups, reading, request, sequences: reading.sequences, seconds: reply.seconds });
      shared.opened = clearest(groups);
      summary.textContent = said(view);
      view.draw();
      performance.mark("attention:drawn");
      performance.measure("attention:first-picture", "attention:arrived", "attention:drawn");
      return true;
    };
    return { view, refresh };
  }

  // ---- what is chosen, kept in the address --------------------------------------------------------------------------

  /** The head that bears its name most clearly, "group.layer.head"; the first where only plain ones have any. */
  function clearest(groups) {
    let best = { score: 0, at: `${groups[0].name}.0.0` };
    for (const group of groups) {
      group.labels.forEach((layer, l) => layer.forEach((names, h) => names.filter((name) => !PLAIN.has(name)).forEach((name) => {
        const score = group.scores[name][l][h];
        if (score > best.score) best = { score, at: `${group.name}.${l}.${h}` };
      })));
    }
    return best.at;
  }

  function chosenIn(view) {
    const whole = (text, most) => Math.max(0, Math.min(Number(text) || 0, most));
    return {
      get group() { return view().groups.find(({ name }) => name === view().shared.head.split(".")[0]) ?? view().groups[0]; },
      get layer() { return whole(view().shared.head.split(".")[1], this.group.layers - 1); },
      get head() { return whole(view().shared.head.split(".")[2], this.group.heads - 1); },
      /** The query that is read as a sentence: the one that was chosen, else the last that is there. */
      get row() {
        const last = view().limit(this.group) - 1;
        const wanted = Number(lineage.state.att_row);
        const row = wanted < 0 || wanted > last ? last : wanted;
        if (this.pairs === "all") return row;
        const { segments, kinds } = view().sequences[this.group.queries];
        const looking = "ab".indexOf(this.pairs[0]);
        if (segments[row] === looking) return row;
        const places = segments.flatMap((segment, place) => (segment === looking && place <= last ? [place] : []));
        return places.findLast((place) => kinds[place] === "t") ?? places.at(-1) ?? row;
      },
      get contribution() { return lineage.state.att_measure === "contribution" && Boolean(this.group.lengths); },
      get combine() { return lineage.state.att_combine; },
      get hide() { return new Set(lineage.state.att_hide.split(",")); },
      get pairs() { return view().segmented(this.group) ? lineage.state.att_pairs : "all"; },
      put(group, layer, head) { lineage.write("att_head", `${group.name}.${layer}.${head}`); },
    };
  }

  // ---- the overview ---------------------------------------------------------------------------------------------------

  function said(view) {
    const { words, groups, reading } = view;
    const counts = {};
    let heads = 0;
    let none = 0;
    for (const group of groups) {
      for (const layer of group.labels) {
        for (const names of layer) {
          heads += 1;
          if (names.length) counts[names[0]] = (counts[names[0]] ?? 0) + 1;
          else none += 1;
        }
      }
    }
    const list = Object.entries(counts).sort((one, other) => other[1] - one[1]).map(([name, count]) => fill(words[`count_${name}`], { count }));
    // Attention to an encoder is part of the decoder's layers.
    const layers = groups.filter(({ queries, keys }) => queries === keys).reduce((sum, group) => sum + group.layers, 0);
    const values = { title: reading.title, heads, layers, tokens: Object.values(view.sequences).map(({ texts }) => texts.length).join(" + "), none };
    return fill(list.length ? words.said_overview : words.said_overview_none, { ...values, list: list.join(words.comma) });
  }

  function drawOverview(host, view) {
    const { words, groups } = view;
    host.replaceChildren(...groups.map((group) => gridOf(group, view)), legend(view), overviewTable(view));
    Downloads.bar(host, { name: "attention-heads", svg: () => overviewSvg(view), csv: () => Downloads.csv(headRows(view)) });
    paintAll(host, view);
  }

  /** One group: a row a layer, a column a head; brackets over the heads that share keys and values. */
  function gridOf(group, view) {
    const { words } = view;
    const layers = Math.min(group.layers, Math.max(1, Math.floor(MOST_DRAWN / group.heads)));
    const buttons = [];
    const grid = element("div", { class: "maps-grid", role: "group", "aria-label": fill(words.grid_label, { group: words[`group_${group.name}`] }) });
    grid.style.setProperty("--heads", String(group.heads));
    grid.append(element("span", { class: "maps-corner" }));
    if (group.kv_heads < group.heads) {
      for (let kv = 0; kv < group.kv_heads; kv += 1) {
        const mine = Array.from({ length: group.heads }, (_, head) => head).filter((head) => group.kvHead(head) === kv);
        const bracket = element("span", { class: "maps-bracket", title: fill(words.bracket_title, { number: kv + 1, count: mine.length }) }, fill(words.bracket, { number: kv + 1 }));
        bracket.style.gridColumn = `span ${mine.length}`;
        grid.append(bracket);
      }
      grid.append(element("span", { class: "maps-corner" }));
    }
    for (let head = 0; head < group.heads; head += 1) grid.append(element("span", { class: "maps-axis", "aria-hidden": "true" }, String(head + 1)));
    for (let layer = 0; layer < layers; layer += 1) {
      grid.append(element("span", { class: "maps-axis maps-layer", "aria-hidden": "true" }, String(layer + 1)));
      for (let head = 0; head < group.heads; head += 1) {
        const button = cell(group, layer, head, view);
        buttons.push(button);
        grid.append(button);
      }
    }
    steer(grid, buttons, group, view);
    const title = `${words[`group_${group.name}`]} · ${fill(words.group_size, { layers: group.layers, heads: group.heads })}`;
    const parts = [element("h3", {}, title), element("div", { class: "maps-scroll" }, grid)];
    if (layers < group.layers) parts.push(element("p", { class: "obj-note" }, fill(words.layers_left, { shown: layers, layers: group.layers })));
    if (group.kv_heads < group.heads) parts.push(element("p", { class: "obj-note" }, fill(words.said_shared, { heads: group.heads, kv: group.kv_heads })));
    return element("div", { class: "maps-group", "data-group": group.name }, ...parts);
  }

  function cell(group, layer, head, view) {
    const names = group.labels[layer][head];
    const button = element("button", { type: "button", class: "bare maps-cell", "data-layer": String(layer), "data-head": String(head), "aria-label": titleOf(view, group, layer, head) });
    const canvas = element("canvas", { "aria-hidden": "true" });
    canvas.style.aspectRatio = `${group.width} / ${group.height}`;
    const marks = element("span", { class: "maps-marks", "aria-hidden": "true" }, ...names.map((name) => {
      const mark = element("i", {}, LABELS[name][0]);
      mark.style.background = LABELS[name][1];
      return mark;
    }));
    button.append(canvas, marks);
    return button;
  }

  const titleOf = (view, group, layer, head) => {
    const names = group.labels[layer][head].map((name) => view.words[`label_${name}`]);
    return fill(view.words.head_title, { group: view.words[`group_${group.name}`], layer: layer + 1, head: head + 1, labels: names.length ? names.join(view.words.comma) : view.words.no_label });
  };

  /** Pointer and keyboard: over a map it is shown large, a click keeps it; the arrows go from map to map. */
  function steer(grid, buttons, group, view) {
    const at = (target) => {
      const button = target.closest?.(".maps-cell");
      return button ? { group, layer: Number(button.dataset.layer), head: Number(button.dataset.head) } : null;
    };
    grid.addEventListener("pointerover", (event) => {
      if (event.pointerType === "touch") return;
      view.hovered = at(event.target);
      view.showPreview();
    });
    grid.addEventListener("pointerleave", () => {
      view.hovered = null;
      view.showPreview();
    });
    const choose = (found) => {
      view.hovered = null;
      view.chosen.put(found.group, found.layer, found.head);
      view.settle();
    };
    grid.addEventListener("click", (event) => {
      const found = at(event.target);
      if (found) choose(found);
    });
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: group.heads, ArrowUp: -group.heads };
    buttons.forEach((button, place) => { button.tabIndex = place ? -1 : 0; });
    let reached = 0;
    const reach = (index) => {
      buttons[reached].tabIndex = -1;
      buttons[index].tabIndex = 0;
      reached = index;
    };
    grid.addEventListener("keydown", (event) => {
      const from = buttons.indexOf(document.activeElement);
      const to = event.key === "Home" ? 0 : event.key === "End" ? buttons.length - 1 : from + (moves[event.key] ?? 0);
      if (from < 0 || to === from || to < 0 || to >= buttons.length) return;
      event.preventDefault();
      reach(to);
      buttons[to].focus();
      choose(at(buttons[to]));
    });
    grid.reach = (layer, head) => reach(Math.min(layer * group.heads + head, buttons.length - 1));
  }

  function paintAll(host, view) {
    for (const group of view.groups) {
      const place = host.querySelector(`[data-group="${group.name}"]`);
      for (const button of place.querySelectorAll(".maps-cell")) paintHead(button.firstChild, view, group, Number(button.dataset.layer), Number(button.dataset.head));
    }
  }

  /** A small map; as it was packed where nothing is left out of it. */
  function paintHead(canvas, view, group, layer, head) {
    const hidden = view.hiddenIn(group, layer, head);
    if (!hidden && !view.chosen.contribution) AttentionPicture.paintSteps(canvas, group.steps(layer, head), group.probabilities.length - 1, group.width, group.height);
    else {
      const values = group.shown(layer, head, view.chosen.contribution);
      AttentionPicture.paint(canvas, values, group.width, group.height, view.chosen.contribution ? view.most(values, hidden) : 1, hidden ?? (() => false));
    }
  }

  function markChosen(host, view) {
    const { group, layer, head } = view.chosen;
    host.querySelector(".maps-cell[aria-current]")?.removeAttribute("aria-current");
    const place = host.querySelector(`[data-group="${group.name}"]`);
    place.querySelector(`.maps-cell[data-layer="${layer}"][data-head="${head}"]`)?.setAttribute("aria-current", "true");
    place.querySelector(".maps-grid").reach(layer, head);
  }

  // ---- beside it: the head under the pointer, enlarged ----------------------------------------------------------------

  function preview(view) {
    const canvas = element("canvas", { class: "maps-preview-map", "aria-hidden": "true" });
    const title = element("h3", {});
    const about = element("p", {});
    const scores = element("dl", { class: "maps-scores" });
    const rows = new Map(Object.keys(LABELS).map((name) => {
      const bar = element("span", { class: "maps-bar", "aria-hidden": "true" });
      bar.style.setProperty("--tone", LABELS[name][1]);
      const figure = element("span", {});
      return [name, { term: element("dt", {}, view.words[`label_${name}`]), value: element("dd", {}, bar, figure), bar, figure }];
    }));
    let kind = null;
    view.showPreview = () => {
      const { group, layer, head } = view.hovered ?? view.chosen;
      paintHead(canvas, view, group, layer, head);
      if (kind !== group) {
        kind = group;
        canvas.style.aspectRatio = `${group.width} / ${group.height}`;
        scores.replaceChildren(...[...rows].filter(([name]) => name in group.scores).flatMap(([, { term, value }]) => [term, value]));
      }
      title.textContent = fill(view.words.head_name, { group: view.words[`group_${group.name}`], layer: layer + 1, head: head + 1 });
      const names = group.labels[layer][head];
      const told = names.length ? names.map((name) => view.words[`about_${name}`]).join(" ") : view.words.about_none;
      if (about.textContent !== told) about.textContent = told;
      for (const name of Object.keys(group.scores)) {
        const { value, bar, figure } = rows.get(name);
        const score = group.scores[name][layer][head];
        bar.style.setProperty("--p", String(score ?? 0));
        figure.textContent = score === null ? "–" : percent(score);
        value.classList.toggle("reached", names.includes(name));
      }
    };
    return element("aside", { class: "maps-preview", "aria-label": view.words.preview }, title, canvas, about, scores);
  }

  /** The names that some head bears. */
  function present(view) {
    const borne = new Set(view.groups.flatMap(({ labels }) => labels.flat(2)));
    return Object.keys(LABELS).filter((name) => borne.has(name));
  }

  function legend(view) {
    const keys = present(view).map((name) => {
      const mark = element("i", { "aria-hidden": "true" }, LABELS[name][0]);
      mark.style.background = LABELS[name][1];
      return element("span", { class: "maps-key" }, mark, view.words[`label_${name}`]);
    });
    return element("p", { class: "maps-legend maps-marks-legend" }, ...keys);
  }

  function headRows(view) {
    const { words } = view;
    const names = Object.keys(LABELS).filter((name) => view.groups.some(({ scores }) => name in scores));
    const head = [words.col_group, words.col_layer, words.col_head, words.col_labels, ...names.map((name) => words[`label_${name}`])];
    const rows = view.groups.flatMap((group) => group.labels.flatMap((layer, l) => layer.map((labels, h) => [
      words[`group_${group.name}`], l + 1, h + 1, labels.map((name) => words[`label_${name}`]).join(words.comma), ...names.map((name) => group.scores[name]?.[l][h] ?? ""),
    ])));
    return [head, ...rows];
  }

  function overviewTable(view) {
    const folded = twin(view.words.as_table);
    folded.addEventListener("toggle", () => {
      if (!folded.open || folded.childElementCount > 1) return;
      const [head, ...rows] = headRows(view);
      folded.append(table(head.map((name, index) => [name, index > 3 || index === 1 || index === 2]), rows.map((row) => row.map(String)), view.words.table_heads));
    });
    return folded;
  }

  function overviewSvg(view) {
    const side = 56;
    const gap = 6;
    const parts = [];
    let top = 8;
    let width = 0;
    for (const group of view.groups) {
      const tall = side * Math.min(2, Math.max(0.5, group.height / group.width));
      parts.push(["text", { x: 8, y: top + 12, "font-weight": "bold" }, view.words[`group_${group.name}`]]);
      top += 32;
      for (let head = 0; head < group.heads; head += 1) parts.push(["text", { x: 24 + head * (side + gap) + side / 2, y: top - 4, "text-anchor": "middle" }, String(head + 1)]);
      for (let layer = 0; layer < group.layers; layer += 1) {
        for (let head = 0; head < group.heads; head += 1) {
          const canvas = document.createElement("canvas");
          const hidden = view.hiddenIn(group, layer, head);
          const values = group.shown(layer, head, view.chosen.contribution);
          AttentionPicture.paint(canvas, values, group.width, group.height, view.chosen.contribution ? view.most(values, hidden) : 1, hidden ?? (() => false), false);
          const x = 24 + head * (side + gap);
          parts.push(["image", { x, y: top, width: side, height: tall, preserveAspectRatio: "none", style: "image-rendering: pixelated", href: canvas.toDataURL() }]);
          parts.push(["rect", { x, y: top, width: side, height: tall, fill: "none", stroke: "#868b92", "stroke-width": "0.5" }]);
          group.labels[layer][head].forEach((name, index) => parts.push(["text", { x: x + 2 + 10 * index, y: top + tall - 3, fill: LABELS[name][1], "font-weight": "bold" }, LABELS[name][0]]));
          width = Math.max(width, x + side + 8);
        }
        parts.push(["text", { x: 4, y: top + tall / 2 + 4 }, String(layer + 1)]);
        top += tall + gap;
      }
      top += 8;
    }
    for (const name of present(view)) {
      parts.push(["text", { x: 8, y: top + 8, fill: LABELS[name][1], "font-weight": "bold" }, LABELS[name][0]], ["text", { x: 24, y: top + 8 }, view.words[`label_${name}`]]);
      top += 16;
    }
    return AttentionSvg.picture(Math.max(width, 240), top + 8, [["g", { "font-size": 11 }, ...parts]]);
  }

  return { mount, shown: () => current };
})();
