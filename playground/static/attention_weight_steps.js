/* How a weight comes about, drawn: the ladder of numbers, q·k component by component, what positions add, the softmax over the
   row, and the layer's mask. Everything is computed from the vectors of the pass that are in the browser already. */

const AttentionWeightSteps = (() => {
  const { fill, grouped } = lineage;
  const { number, percent, label, figure, bars, grid, gridMarkup, colour, mixed } = AttentionPlots;
  const { table } = MaskingParts;

  /** The sentence and all figures of one pair. drawn: { one, query, key, queries, keys, words, width, pick }. */
  function draw(drawn) {
    const row = AttentionHeads.row(drawn.one, drawn.query);
    const given = { ...drawn, row, parts: partsOf(drawn, row) };
    return { sentence: headline(given), figures: [ladder(given), components(given), ...AttentionPositions.draw(given), softmax(given), mask(given)] };
  }

  const named = ({ queries, keys, query, key }) => ({ query: label(queries[query], 24), key: label(keys[key], 24), q: query + 1, k: key + 1 });

  // ---- the numbers -----------------------------------------------------------------------------------------------------

  function partsOf({ one, query, key }, row) {
    const { layer } = one;
    const [q, k] = [AttentionHeads.queryVector(one, query), AttentionHeads.keyVector(one, query, key)];
    const product = row.products[key];
    const still = AttentionHeads.turns(one) ? AttentionHeads.dot(AttentionHeads.turnedBack(one, q, query), AttentionHeads.turnedBack(one, k, key)) : product;
    return {
      q, k, product, still,
      content: AttentionHeads.dot(q, k, 0, layer.d_nope),
      rope: AttentionHeads.dot(q, k, layer.d_nope, layer.d_head),
      bias: AttentionHeads.biasAt(one, key - query),
      count: AttentionHeads.countOf(one, query, key),
      allowed: AttentionHeads.isAllowed(one, query, key),
      tapped: AttentionHeads.tapped(one, query, key),
    };
  }

  function headline(given) {
    const { one, row, parts, key, words } = given;
    const values = { ...named(given), layer: one.index + 1, head: one.head + 1, product: number(parts.product), scale: number(one.layer.scale), score: number(row.scores[key]),
      weight: percent(row.weights[key]), bias: number(Math.abs(parts.bias)) };
    if (!parts.allowed) return fill(words.said_hidden, values);
    if (parts.bias) return fill(parts.bias < 0 ? words.said_less : words.said_more, values);
    return fill(words.said, values);
  }

  function ladder(given) {
    const { one, row, parts, key, words } = given;
    const { layer, position } = one;
    const lines = [];
    const step = (name, value, gaps = {}) => lines.push([words[`step_${name}`], value, fill(words[`why_${name}`], gaps)]);
    if (layer.d_nope) {
      step("content", number(parts.content, 6), { n: layer.d_nope });
      step("rope", number(parts.rope, 6), { n: layer.d_head - layer.d_nope });
    }
    if (AttentionHeads.turns(one)) {
      step("still", number(parts.still, 6));
      step("turned", number(parts.product - parts.still, 6), { distance: number(AttentionHeads.distances(one, given.query, key)[0]) });
    }
    step("product", number(parts.product, 6), { n: layer.d_head });
    step(layer.scale === 1 ? "unscaled" : "scale", number(parts.product * layer.scale, 6), { scale: number(layer.scale, 6), d: layer.d_head });
    if (position.kind === "alibi") step("alibi", number(parts.bias, 6), { slope: number(position.slopes[one.head]), distance: Math.abs(given.query - key) });
    if (position.kind === "relative") step("bucket", number(parts.bias, 6), { bucket: position.buckets[key - given.query - position.start], where: AttentionPositions.where(key - given.query, words) });
    if (parts.count !== 1) step("count", number(Math.log(parts.count), 6), { count: parts.count });
    step(parts.allowed ? "shown" : "hidden", number(row.scores[key], 6));
    step("power", number(row.powers[key], 6), { highest: number(row.highest, 6) });
    const seen = row.scores.filter((score) => score !== -Infinity).length;
    step(seen === 1 ? "sum_one" : "sum", number(row.sum, 6), { keys: seen });
    step("weight", number(row.weights[key], 8));
    step("tapped", number(parts.tapped, 8));
    const off = Math.abs(row.weights[key] - parts.tapped);
    step("off", number(off, 4), { most: number(AttentionHeads.apart(one), 4) });
    const made = table([[words.step], [words.value, true], [words.meaning]], lines, fill(words.ladder, named(given)));
    made.classList.add("weight-ladder");
    made.querySelector("tbody tr:last-child").dataset.most = String(AttentionHeads.apart(one));
    return made;
  }

  // ---- component by component --------------------------------------------------------------------------------------------

  function components(given) {
    const { one, parts, words, width } = given;
    const { layer } = one;
    const list = Array.from(parts.q, (value, index) => ({ q: value, k: parts.k[index], value: value * parts.k[index] }));
    const order = list.map((_, index) => index).sort((a, b) => Math.abs(list[b].value) - Math.abs(list[a].value));
    const half = list.reduce((sum, { value }) => sum + Math.abs(value), 0) / 2;
    let covered = 0;
    let few = 0;
    while (few < list.length && covered < half) covered += Math.abs(list[order[few++]].value);
    const turning = (index) => one.position.first && (one.position.first.includes(index) || one.position.second.includes(index));
    const kind = ({ value }, index) => `${value < 0 ? "negative" : "positive"}${layer.d_nope && turning(index) ? " rope" : ""}`;
    let running = 0;
    const rows = list.map(({ q, k, value }, index) => [index, q, k, value, (running += value)]);
    const picture = bars(list.map((item, index) => ({ value: item.value, kind: kind(item, index), tip: fill(words.component_tip, { i: index, q: number(item.q), k: number(item.k), value: number(item.value) }) })),
      { width, height: 180, named: fill(words.components_label, named(given)) });
    const negative = list.reduce((sum, { value }) => sum + Math.min(value, 0), 0);
    const values = { positive: number(parts.product - negative), negative: number(Math.abs(negative)), product: number(parts.product), few, all: list.length, largest: order[0] };
    return figure({ title: words.components, about: layer.d_nope ? words.components_latent : words.components_about, said: fill(words.said_components, values), picture, name: "q-times-k", words,
      numbers: { heads: [[words.component, true], ["q", true], ["k", true], ["q·k", true], [words.running, true]], rows, caption: fill(words.components_label, named(given)) } });
  }

  // ---- softmax over the row ------------------------------------------------------------------------------------------------

  function softmax(given) {
    const { row, words, width, keys, key, pick, query } = given;
    const names = keys.map((token) => label(token, 10));
    const tip = (at) => fill(words.row_tip, { k: at + 1, key: names[at], score: number(row.scores[at]), weight: percent(row.weights[at]) });
    const each = { width, least: 16, at: key, pick, right: 48 };
    const scores = bars([...row.scores].map((value, at) => ({ value, kind: value < 0 ? "negative" : "positive", tip: tip(at) })), { ...each, height: 130, named: words.row_scores });
    const weights = bars([...row.weights].map((value, at) => ({ value, kind: "weight", tip: tip(at), name: names[at] })), { ...each, height: 130, bottom: 74, named: words.row_weights });
    const both = AttentionPlots.frame(Number(scores.getAttribute("width")), 130 + 30 + 8 + 204 + 24, fill(words.row_label, named(given)), Number(scores.getAttribute("width")) > width);
    for (const [chart, from, heading] of [[scores, 22, words.row_scores], [weights, 188, words.row_weights]]) {
      chart.setAttribute("y", String(from));
      chart.removeAttribute("class");
      both.append(AttentionPlots.text(52, from - 6, heading, { class: "heading" }), chart);
    }
    const seen = [...row.weights].filter((_, at) => row.scores[at] !== -Infinity);
    const order = [...row.weights.keys()].sort((a, b) => row.weights[b] - row.weights[a]);
    const entropy = -seen.reduce((sum, weight) => sum + (weight ? weight * Math.log2(weight) : 0), 0);
    const values = { ...named(given), seen: seen.length, hidden: keys.length - seen.length, first: names[order[0]], p_first: percent(row.weights[order[0]]),
      second: names[order[1]] ?? "", p_second: percent(row.weights[order[1]] ?? 0), entropy: entropy.toFixed(2), most: Math.log2(seen.length || 1).toFixed(2), rank: order.indexOf(key) + 1 };
    const rows = [...row.weights].map((weight, at) => [at + 1, keys[at], row.scores[at] === -Infinity ? "−∞" : row.scores[at], row.powers[at], weight, AttentionHeads.tapped(given.one, query, at)]);
    return figure({ title: words.row, about: words.row_about, said: fill(seen.length > 1 ? words.said_row : words.said_row_one, values), picture: both, name: "softmax-row", words,
      numbers: { heads: [[words.place, true], [words.key], [words.score, true], ["exp", true], [words.weight, true], [words.in_pass, true]], rows, caption: fill(words.row_label, values) } });
  }

  // ---- the layer's mask ----------------------------------------------------------------------------------------------------

  function mask(given) {
    const { one, words, query, key, queries, keys } = given;
    const { n_queries: n, n_keys: m } = one.layer;
    const cell = Math.max(1, Math.min(16, Math.floor(Math.min(given.width, 400) / Math.max(n, m))));
    const [on, off, at] = [colour("kind-attention"), mixed(colour("paper-sunk"), colour("kind-attention"), 0.06), colour("ink")];
    const marked = mixed(on, at, 0.35);
    const tone = (row, column) => (row === query && column === key ? at : AttentionHeads.isAllowed(one, row, column) ? (row === query || column === key ? marked : on) : off);
    let count = 0;
    for (let row = 0; row < n; row += 1) for (let column = 0; column < m; column += 1) count += AttentionHeads.isAllowed(one, row, column);
    const name = one.group.masks[one.index] ?? one.group.masks[0];
    const own = n === m && count === (n * (n + 1)) / 2;
    const values = { mask: words[`mask_${name}`], pairs: grouped(count), all: grouped(n * m), share: percent(count / (n * m)), layer: one.index + 1, window: one.group.windows[one.index] ?? "" };
    const sentences = [fill(words.said_mask, values)];
    if (own && name !== "causal" && name !== "bidirectional") sentences.push(fill(words.said_mask_short, values));
    const differing = new Set(one.group.masks);
    if (differing.size > 1) sentences.push(fill(words.said_masks, { list: one.group.masks.map((each, index) => `${index + 1}: ${words[`mask_${each}`]}`).join(", ") }));
    if (!one.layer.same_mask) sentences.push(words.said_mask_heads);
    const rows = () => queries.map((token, row) => [row + 1, token, [...keys.keys()].filter((column) => AttentionHeads.isAllowed(one, row, column)).length]);
    const picture = grid(n, m, { cell, named: fill(words.mask_label, values), tone });
    return figure({ title: words.mask, about: words.mask_about, said: sentences.join(" "), picture, name: "mask", words, svg: () => gridMarkup(n, m, { cell, tone, title: fill(words.mask_label, values), down: words.query, across: words.key }),
      numbers: { heads: [[words.place, true], [words.query], [words.keys_seen, true]], rows, caption: fill(words.mask_label, values) } });
  }

  return { draw };
})();
