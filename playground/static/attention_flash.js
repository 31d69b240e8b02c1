/* Attention, section "flash": FlashAttention on the real q, k and v of a head, walked tile by tile; below it latent attention's
   cache and absorption (attention_latent.js). Tile sizes, order, precision and steps change in the browser alone. */

const AttentionFlash = (() => {
  const { element, fill } = lineage;
  const { number, counted, label, figure, bars, grid, gridMarkup, colour, mixed, slider } = AttentionPlots;
  const { table } = MaskingParts;

  function mount(panel, server, shared) {
    const words = shared.words.flash;
    const store = AttentionHeads.store(shared);
    const choice = element("div", { class: "weight-choice" });
    const player = element("div", { class: "flash-player" });
    const said = element("p", { class: "obj-sentence flash-said", "aria-live": "polite" });
    const [tilePlace, rowPlace, changePlace] = [element("div"), element("div"), element("div")];
    const rowPanel = element("div", { class: "flash-row" }, rowPlace, changePlace);
    const rest = element("div", { class: "att-panel flash-rest" });
    const view = element("div", { class: "att-panel flash-view" }, said, element("div", { class: "flash-top" }, tilePlace, rowPanel), rest);
    const latent = element("div", { class: "att-panel flash-latent" });
    panel.append(choice, player, view, latent);
    let one = null;
    let asked = ""; // the head that was asked for last
    let problem = null;
    let whole = null; // the plain result and the last state of the tiles, for what is chosen now
    let sliders = null; // made anew for another text or group only, since a slider that is dragged must stay
    let step = 0;
    let width = 0;

    async function take(at) {
      asked = at;
      panel.setAttribute("aria-busy", "true");
      const { version } = shared;
      const found = await store.get(at);
      panel.setAttribute("aria-busy", "false");
      if (version !== shared.version || at !== asked) return true;
      one = found;
      problem = null;
      view.hidden = player.hidden = !one;
      if (one) arrange();
      return Boolean(one);
    }

    const other = (at) => {
      lineage.write("att_head", at);
      take(at);
    };

    const sizes = () => {
      const [rows, keys] = lineage.state.flash_tiles.split(".").map(Number);
      return [Math.min(Math.max(rows, 1), problem.n), Math.min(Math.max(keys, 1), problem.m)];
    };
    const rowOf = () => Math.min(Number(lineage.state.flash_row), problem.n - 1);

    /** Computes anew what no step changes, and lays out the controls. */
    function arrange() {
      if (!panel.clientWidth) return;
      width = panel.clientWidth;
      const precision = lineage.state.flash_as;
      if (problem?.precision !== precision) {
        problem = { ...FlashTiles.problemOf(one, precision), precision };
        problem.plain = FlashTiles.plain(problem);
      }
      const [rows, keys] = sizes();
      const order = lineage.state.flash_order;
      whole = { plain: problem.plain, end: FlashTiles.run(problem, rows, keys, order), tiles: FlashTiles.tiles(problem, rows, keys, order), rows, keys, order };
      showControls(rows, keys, order, precision);
      const made = StepPlayer.controls(whole.end.count + 1, words, (to) => {
        lineage.write("flash_step", to);
        step = to;
        draw();
      });
      player.replaceChildren(made.row);
      made.go(Number(lineage.state.flash_step));
    }

    const put = (name, value) => {
      lineage.write(name, value);
      arrange();
    };

    function showControls(rows, keys, order, precision) {
      const { group, index, head, groups } = one;
      const name = `${shared.version} ${group.name}`;
      if (sliders?.name !== name) {
        sliders = { name, ...makeSliders(group, groups, rows, keys, order, precision) };
        rowPlace.replaceChildren(sliders.row);
      }
      for (const [slider_, value] of [["layer", index], ["head", head], ["rows", rows], ["keys", keys], ["row", rowOf()]]) sliders[slider_].put(value);
    }

    function makeSliders(group, groups, rows, keys, order, precision) {
      const about = shared.words.weight;
      const tokens = tokensOf(group.queries);
      const tile = (rows_, keys_) => put("flash_tiles", `${rows_}.${keys_}`);
      const made = {
        layer: slider("flash-layer", about.layer, { low: 0, high: group.n_layers - 1, value: one.index, shown: counted, change: (value) => other(`${group.name}.${value}.${one.head}`) }),
        head: slider("flash-head", about.head, { low: 0, high: group.n_heads - 1, value: one.head, shown: counted, change: (value) => other(`${group.name}.${one.index}.${value}`) }),
        rows: slider("flash-rows", words.rows, { low: 1, high: Math.min(problem.n, 128), value: rows, change: (value) => tile(value, sizes()[1]) }),
        keys: slider("flash-keys", words.keys, { low: 1, high: Math.min(problem.m, 128), value: keys, change: (value) => tile(sizes()[0], value) }),
        row: slider("flash-row", words.row, { low: 0, high: problem.n - 1, value: rowOf(), shown: (value) => `${counted(value)} ${label(tokens[value])}`, change: lookAt }),
      };
      const between = lineage.choice("flash-group", about.attention, groups.map(({ name }) => [name, about[`group_${name}`]]), group.name, (name) => {
        const next = groups.find((each) => each.name === name);
        other(`${name}.${Math.min(one.index, next.n_layers - 1)}.${Math.min(one.head, next.n_heads - 1)}`);
      });
      choice.replaceChildren(...(groups.length > 1 ? [between] : []),
        element("div", { class: "weight-sliders" }, made.layer, made.head, made.rows, made.keys),
        element("div", { class: "obj-row" },
          lineage.choice("flash-order", words.order, [["flash1", words.flash1], ["flash2", words.flash2]], order, (name) => put("flash_order", name)),
          lineage.choice("flash-as", words.precision, [["float32", "float32"], ["float64", "float64"]], precision, (name) => put("flash_as", name))));
      return made;
    }

    const tokensOf = (name) => shared.reading.sequences[name].texts ?? shared.reading.sequences[name].tokens;

    const lookAt = (place) => {
      lineage.write("flash_row", place);
      draw();
    };

    // ---- one step --------------------------------------------------------------------------------------------------------

    function draw() {
      const { rows, keys, order } = whole;
      const isLast = step >= whole.end.count;
      const state = isLast ? whole.end : FlashTiles.run(problem, rows, keys, order, step);
      const given = { state, row: rowOf(), isLast };
      said.textContent = told(given);
      sliders.row.put(given.row);
      tilePlace.replaceChildren(tileGrid(given));
      changePlace.replaceChildren(changeOf(given));
      const note = one.layer.of_global ? [element("p", { class: "obj-note" }, words.of_global)] : [];
      rest.replaceChildren(...note, running(given), outputs(given), ...FlashCosts.draw({ one, problem, whole, state, words, width }));
    }

    /** Places counted from 1: "5 … 8", or one. */
    const range = ([from, to]) => (to - from > 1 ? `${from + 1} … ${to}` : String(to));

    function told({ state, row, isLast }) {
      const skipped = whole.tiles.length - whole.end.count;
      const values = { step, count: whole.end.count, skipped, all: whole.tiles.length };
      if (!state.tile) return fill(words.said_start, values);
      const { rows, keys, changes } = state.tile;
      const change = changes.find((each) => each.row === row) ?? changes.find((each) => each.before.highest > -Infinity && each.highest > each.before.highest) ?? changes[0];
      Object.assign(values, { rows: range(rows), keys: range(keys), row: change.row + 1, from: number(change.before.highest), to: number(change.highest), kept: number(change.kept), sum: number(change.sum) });
      const kind = change.before.highest === -Infinity ? "first" : change.highest > change.before.highest ? "rises" : "stays";
      return `${fill(words.said_tile, values)} ${fill(words[`said_${kind}`], values)}${isLast ? ` ${words.said_end}` : ""}`;
    }

    /** The scores' grid: computed tiles by exp(score − running maximum), the newest framed, skipped ones hatched. */
    function tileGrid(given) {
      const { state } = given;
      const { n, m } = problem;
      const cell = Math.max(1, Math.min(18, Math.floor(Math.min(width - 16, 400) / Math.max(n, m))));
      const [on, paper, sunk, rule] = [colour("kind-attention"), colour("paper"), colour("paper-sunk"), colour("rule-strong")];
      const [hatch, awaited, faint] = [mixed(sunk, rule, 0.35), mixed(paper, on, 0.05), mixed(paper, on, 0.16)];
      const perRow = Math.ceil(m / whole.keys);
      const states = new Array(Math.ceil(n / whole.rows) * perRow); // of each tile, row by row
      let live = 0;
      for (const tile of whole.tiles) {
        tile.state = tile.live ? ((live += 1) <= state.done ? "is_done" : "is_to_come") : "is_skipped";
        states[(tile.rows[0] / whole.rows) * perRow + tile.keys[0] / whole.keys] = tile.state;
      }
      const tone = (row, key) => {
        const of = states[Math.floor(row / whole.rows) * perRow + Math.floor(key / whole.keys)];
        if (of === "is_skipped") return (row + key) % 2 ? sunk : hatch;
        if (of === "is_to_come") return awaited;
        const value = problem.scores[row][key];
        return value === -Infinity ? sunk : mixed(faint, on, Math.exp(value - state.highest[row]));
      };
      const picture = grid(n, m, { cell, named: fill(words.grid_label, { done: state.done, count: whole.end.count }), tone });
      const context = picture.getContext("2d");
      context.strokeStyle = `rgb(${rule.join(" ")})`;
      for (const { rows, keys } of whole.tiles) context.strokeRect(keys[0] * cell - 0.5, rows[0] * cell - 0.5, (keys[1] - keys[0]) * cell, (rows[1] - rows[0]) * cell);
      if (state.tile) {
        const { rows, keys } = state.tile;
        context.strokeStyle = `rgb(${colour("ink").join(" ")})`;
        context.lineWidth = 3;
        context.strokeRect(keys[0] * cell + 0.5, rows[0] * cell + 0.5, (keys[1] - keys[0]) * cell - 2, (rows[1] - rows[0]) * cell - 2);
      }
      context.strokeStyle = `rgb(${colour("kind-embedding").join(" ")})`;
      context.lineWidth = 2;
      context.strokeRect(1, given.row * cell, m * cell - 2, Math.max(cell - 1, 2));
      picture.addEventListener("click", (event) => {
        const box = picture.getBoundingClientRect();
        lookAt(Math.min(problem.n - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * problem.n))));
      });
      const rows = () => whole.tiles.map((tile, index) => [index + 1, range(tile.rows), range(tile.keys), words[tile.state]]);
      return figure({ title: words.grid, about: fill(words[`grid_${whole.order}`], {}), picture, name: "tiles", words, svg: () => gridMarkup(n, m, { cell, tone, title: words.grid, down: words.queries, across: words.keys_short }),
        numbers: { heads: [[words.tile, true], [words.queries], [words.keys_short], [words.state]], rows, caption: words.grid } });
    }

    /** What the newest tile did to the row that is looked at. */
    function changeOf({ state, row }) {
      const change = state.tile?.changes.find((each) => each.row === row);
      if (!change) return untouched(state, row);
      const list = (values) => [...values].slice(0, 8).map((value) => number(value, 3)).join("  ") + (values.length > 8 ? " …" : "");
      const first = whole.order === "flash1";
      const lines = [
        [words.row_before, `m = ${number(change.before.highest)}   ℓ = ${number(change.before.sum)}`],
        [words.row_scores, list(change.scores)],
        [words.row_tile_max, number(change.tileHighest)],
        [words.row_highest, `m′ = max = ${number(change.highest)}`],
        [first ? words.row_shares_tile : words.row_shares_new, list(change.shares)],
        [words.row_kept, `e^(m − m′) = ${number(change.kept)}`],
        ...(first ? [[words.row_added, number(change.added)]] : []),
        [words.row_sum, `ℓ′ = ${number(change.kept)} · ${number(change.before.sum)} + ${first ? `${number(change.added)} · ` : ""}${number(change.tileSum)} = ${number(change.sum)}`],
        [words[`row_out_${whole.order}`], list(state.out[row])],
      ];
      return table([[words.quantity], [words.value]], lines, fill(words.row_caption, { row: row + 1, token: label(tokensOf(one.group.queries)[row], 20) }));
    }

    /** Says that the tile leaves the row alone, and offers one that it does not. */
    function untouched(state, row) {
      const made = element("div", { class: "obj-row" }, element("p", { class: "obj-note" }, fill(words.row_untouched, { row: row + 1, highest: number(state.highest[row]), sum: number(state.sum[row]) })));
      if (!state.tile) return made;
      const touched = state.tile.rows[0];
      const button = element("button", { type: "button" }, fill(words.look_at_row, { row: touched + 1 }));
      button.addEventListener("click", () => lookAt(touched));
      made.append(button);
      return made;
    }

    function running({ state, row }) {
      const bar = (values, kind) => bars([...values].map((value, at) => ({ value, kind: Number.isFinite(value) && value < 0 ? "negative" : kind, tip: `${at + 1}: ${number(value)}` })), { width, height: 110, named: words.running, at: row, least: 4 });
      const two = element("div", { class: "flash-two" }, element("p", { class: "obj-note" }, words.maxima), bar(state.highest, "positive"), element("p", { class: "obj-note" }, words.sums), bar(state.sum, "weight"));
      const rows = [...state.highest].map((value, at) => [at + 1, value === -Infinity ? "−∞" : value, state.sum[at]]);
      return figure({ title: words.running, about: words.running_about, picture: joined(two.querySelectorAll("svg"), [words.maxima, words.sums]), name: "running-maximum-and-sum", words,
        numbers: { heads: [[words.row, true], ["m", true], ["ℓ", true]], rows, caption: words.running } });
    }

    /** Charts below each other, each with its heading, as one picture. */
    function joined(charts, headings) {
      const widest = Math.max(...[...charts].map((chart) => Number(chart.getAttribute("width"))));
      let y = 0;
      const both = AttentionPlots.frame(widest, 0, words.running, widest > width);
      [...charts].forEach((chart, index) => {
        chart.setAttribute("y", String(y + 22));
        chart.removeAttribute("class");
        both.append(AttentionPlots.text(52, y + 14, headings[index], { class: "heading" }), chart);
        y += Number(chart.getAttribute("height")) + 26;
      });
      both.setAttribute("height", String(y));
      both.setAttribute("viewBox", `0 0 ${widest} ${y}`);
      return both;
    }

    /** The output so far, beside what it will be. */
    function outputs({ state, row }) {
      const { n, dv } = problem;
      const most = Math.max(...whole.plain.out.map((line) => Math.max(...line.map(Math.abs))), 1e-12);
      const [low, zero, high] = [colour("kind-embedding"), colour("paper-sunk"), colour("kind-attention")];
      const gap = 2;
      const wide = Math.max(1, Math.min(8, Math.floor((width - 8) / (2 * dv + gap))));
      const cell = Math.max(1, Math.min(wide, Math.floor(480 / n)));
      const at = (line, column) => (column < dv ? state.out[line][column] : column < dv + gap ? null : whole.plain.out[line][column - dv - gap]);
      const paper = colour("paper");
      const tone = (line, column) => {
        const value = at(line, column);
        return value === null ? paper : mixed(zero, value < 0 ? low : high, Math.min(1, Math.abs(value) / most) ** 0.7);
      };
      const apart = state.out.map((line, index) => line.reduce((far, value, column) => Math.max(far, Math.abs(value - whole.plain.out[index][column])), 0));
      const ready = apart.filter((far) => far <= 1e-6 * most).length;
      const picture = grid(n, 2 * dv + gap, { cell, wide, named: words.outputs, tone });
      return figure({ title: words.outputs, about: words.outputs_about, said: fill(words.said_outputs, { ready, rows: n, row: row + 1, apart: number(apart[row], 3) }), picture, name: "outputs", words, svg: () => gridMarkup(n, 2 * dv + gap, { cell, wide, tone, title: words.outputs, down: words.queries, across: words.outputs_across }),
        numbers: { heads: [[words.row, true], [words.apart, true], ...Array.from({ length: dv }, (_, index) => [String(index + 1), true])], rows: () => state.out.map((line, index) => [index + 1, apart[index], ...line]), caption: words.outputs } });
    }

    new ResizeObserver(() => {
      if (one && panel.clientWidth && Math.abs(panel.clientWidth - width) > 1) arrange();
    }).observe(panel);

    return {
      refresh() {
        AttentionLatent.draw(latent, shared);
        return take(shared.head);
      },
      follow: () => shared.head !== asked && take(shared.head),
    };
  }

  return { mount };
})();
