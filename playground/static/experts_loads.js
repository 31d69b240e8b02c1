/* How evenly the experts of each layer are used: experts × layers, the load as it grows, entropy, dead experts, dropped tokens. */

const ExpertLoads = (() => {
  const { fill, grouped } = lineage;
  const { svg, text, tip, canvas, figure, shade } = ExpertPictures;

  /** The pictures of all loads: [{layer, counts, dropped}]. */
  const figures = (loads, shared) => [byLayer(loads, shared), cumulative(shared), health(loads, shared)];

  // ---- experts × layers ------------------------------------------------------------------------------------------------

  function byLayer(loads, shared) {
    const { words, look } = shared;
    const { n_experts: E } = look.moe;
    const shares = loads.map(({ counts }) => {
      const whole = counts.reduce((sum, count) => sum + count, 0);
      return counts.map((count) => (whole ? (count * E) / whole : 0));
    });
    const most = Math.max(2, ...shares.flat());
    const narrow = E <= 32 && ExpertPictures.room() < 132 + 40 * E; // then a layer's name stands above its row
    const LEFT = narrow ? 0 : 128, CELL = E > 32 ? 10 : narrow ? Math.max(20, Math.floor((ExpertPictures.room() - 4) / E)) : 40, ABOVE = narrow ? 20 : 0, ROW = 26 + ABOVE;
    const { picture } = canvas(LEFT + E * CELL + 4, 22 + loads.length * ROW, words.layers_title);
    for (let e = 0; e < E; e += E > 32 ? 8 : 1) picture.append(text(LEFT + (e + 0.5) * CELL, 14, String(e), { "text-anchor": "middle" }));
    shares.forEach((row, place) => {
      const y = 22 + place * ROW + ABOVE;
      const own = place === shared.at;
      picture.append(text(0, y + (narrow ? -5 : 17), `${own ? "▸ " : ""}${shared.layerName(loads[place].layer)}`, { style: "fill: var(--ink)", "font-weight": own ? 600 : 400 }));
      row.forEach((share, e) => {
        const box = svg("rect", { x: LEFT + e * CELL, y, width: CELL - 1, height: 24, style: `fill: ${shade(share / most)}; cursor: pointer` },
          tip(fill(words.layer_cell, { layer: shared.layerName(loads[place].layer), expert: e, times: share.toFixed(2) })));
        box.addEventListener("click", () => shared.pickLayer(place));
        picture.append(box);
        if (CELL >= 20) picture.append(text(LEFT + (e + 0.5) * CELL - 0.5, y + 17, share === 0 ? "✕" : share.toFixed(1), { "text-anchor": "middle", "font-size": CELL < 26 ? 11 : 13, style: "fill: var(--ink); pointer-events: none" }));
      });
    });
    const flat = shares.flatMap((row, place) => row.map((share, e) => ({ share, e, place })));
    const top = flat.reduce((one, other) => (other.share > one.share ? other : one));
    const dead = flat.filter(({ share }) => share === 0);
    return figure({
      name: "layers", words, picture, title: words.layers_title,
      sentence: fill(dead.length ? words.layers_sentence_dead : words.layers_sentence, {
        expert: top.e, layer: shared.layerName(loads[top.place].layer), times: top.share.toFixed(1), dead: dead.length, count: flat.length,
      }),
      heads: [[words.head_layer], ...Array.from({ length: E }, (_, e) => [fill(words.expert, { number: e }), true])],
      rows: shares.map((row, place) => [shared.layerName(loads[place].layer), ...row]),
    });
  }

  // ---- cumulative load -------------------------------------------------------------------------------------------------

  function cumulative(shared) {
    const { words, layer } = shared;
    const { n_experts: E } = shared.look.moe;
    const T = layer.ids.length;
    const running = Array.from({ length: E }, () => [0]);
    layer.ids.forEach((row, t) => {
      for (const line of running) line.push(line[t]);
      row.forEach((e, place) => { if (e >= 0) running[e][t + 1] += shared.usesAll ? layer.weights[t][place] : 1; });
    });
    const most = Math.max(1, ...running.map((line) => line[T]));
    const LEFT = 40, WIDE = Math.min(640, ExpertPictures.room() - LEFT - 56), HIGH = 240, TOP = 8;
    const { picture } = canvas(LEFT + WIDE + 54, TOP + HIGH + 40, words.cumulative_title);
    const x = (t) => LEFT + (WIDE * t) / T, y = (value) => TOP + HIGH - (HIGH * value) / most;
    for (const tick of [0, 0.5, 1]) {
      const value = Math.round(most * tick);
      picture.append(svg("line", { x1: LEFT, x2: LEFT + WIDE, y1: y(value), y2: y(value), style: "stroke: var(--rule)" }), text(LEFT - 6, y(value) + 4, String(value), { "text-anchor": "end" }));
    }
    const even = running.reduce((sum, line) => sum + line[T], 0) / E;
    picture.append(svg("line", { x1: x(0), y1: y(0), x2: x(T), y2: y(even), style: "stroke: var(--ink-soft)", "stroke-width": 2, "stroke-dasharray": "2 5" }));
    const ends = running.map((line, e) => ({ e, at: y(line[T]) })).sort((one, other) => one.at - other.at);
    let free = -Infinity;
    for (const { e, at } of ends) {
      const line = running[e];
      picture.append(svg("polyline", { points: line.map((value, t) => `${x(t).toFixed(1)},${y(value).toFixed(1)}`).join(" "), fill: "none", stroke: ExpertPictures.color(e), "stroke-width": 2, "stroke-dasharray": ["", "8 3", "2 3", "10 3 2 3"][Math.floor(e / 8) % 4] || null },
        tip(fill(words.cumulative_tip, { expert: e, count: line[T].toFixed(shared.usesAll ? 1 : 0) }))));
      if (E <= 32) {
        free = Math.max(at + 4, free + 11);
        picture.append(text(LEFT + WIDE + 8 + 22 * (free > TOP + HIGH + 30), free, String(e), { style: "fill: var(--ink)", "font-size": 11 }));
      }
    }
    picture.append(text(LEFT + WIDE / 2, TOP + HIGH + 32, words.cumulative_axis, { "text-anchor": "middle" }));
    const first = ends[0].e, last = ends.at(-1).e;
    return figure({
      name: "cumulative", words, picture, title: fill(words.cumulative_title_of, { layer: shared.layerName(layer) }),
      sentence: fill(words.cumulative_sentence, { most: first, high: running[first][T].toFixed(0), least: last, low: running[last][T].toFixed(0), even: even.toFixed(1) }),
      heads: [[words.head_place], ...running.map((_, e) => [fill(words.expert, { number: e }), true])],
      rows: Array.from({ length: T + 1 }, (_, t) => t).filter((t) => t % Math.max(1, Math.round(T / 16)) === 0 || t === T).map((t) => [String(t), ...running.map((line) => line[t])]),
    });
  }

  // ---- how even, how sure, who is dead ---------------------------------------------------------------------------------

  function health(loads, shared) {
    const { words, look } = shared;
    const { n_experts: E } = look.moe;
    const full = Math.log2(E);
    const rows = loads.map(({ layer, counts, dropped }) => {
      const mean = layer.weights.reduce((sum, row) => sum + Routers.entropy(row), 0) / layer.weights.length;
      const all = counts.reduce((sum, count) => sum + count, 0);
      const dead = counts.map((count, e) => (count ? -1 : e)).filter((e) => e >= 0);
      return { layer, entropy: Routers.entropy(counts), mean, most: all ? (Math.max(...counts) * E) / all : 0, dead, dropped, all };
    });
    const narrow = ExpertPictures.room() < 580; // then a layer's name stands above its bar
    const ABOVE = narrow ? 18 : 0;
    const LEFT = narrow ? 0 : 128, WIDE = narrow ? ExpertPictures.room() - 78 : 360, ROW = 26 + ABOVE;
    const { picture } = canvas(LEFT + WIDE + 76, rows.length * ROW + 34, words.health_title);
    rows.forEach(({ layer, entropy }, place) => {
      const y = place * ROW;
      picture.append(text(0, y + (narrow ? 15 : 17), shared.layerName(layer), { style: "fill: var(--ink)" }),
        svg("rect", { x: LEFT, y: y + ABOVE + 4, width: WIDE, height: 16, style: "fill: var(--paper-sunk)" }),
        svg("rect", { x: LEFT, y: y + ABOVE + 4, width: (WIDE * entropy) / full, height: 16, style: "fill: var(--kind-expert)" }, tip(entropy.toFixed(3))),
        text(LEFT + WIDE + 6, y + ABOVE + 17, `${entropy.toFixed(2)} bit`));
    });
    picture.append(text(LEFT, rows.length * ROW + 18, "0"), text(LEFT + WIDE, rows.length * ROW + 18, fill(words.health_full, { bits: full.toFixed(2) }), { "text-anchor": "end" }));
    const least = rows.reduce((one, other) => (other.entropy < one.entropy ? other : one));
    const nDead = rows.reduce((sum, { dead }) => sum + dead.length, 0);
    return figure({
      name: "health", words, picture, title: words.health_title,
      sentence: fill(words.health_sentence, { layer: shared.layerName(least.layer), bits: least.entropy.toFixed(2), full: full.toFixed(2), dead: nDead, count: E * rows.length, dropped: grouped(rows.reduce((sum, { dropped }) => sum + dropped, 0)) }),
      heads: [[words.head_layer], [words.head_entropy, true], [words.head_gate, true], [words.head_busiest, true], [words.head_dead], [words.head_dropped, true]],
      rows: rows.map(({ layer, entropy, mean, most, dead, dropped }) => [shared.layerName(layer), entropy, mean, most, dead.length ? dead.slice(0, 16).join(", ") + (dead.length > 16 ? " …" : "") : "–", dropped]),
    });
  }

  return { figures };
})();
