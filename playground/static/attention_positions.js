/* What the position part adds to a score, over distance: the rotation's pairs and the product at every distance, ALiBi's slope,
   T5's buckets, and how alike the vectors are that others add to the embedding. */

const AttentionPositions = (() => {
  const { fill } = lineage;
  const { svg } = MaskingParts;
  const { number, figure, lines, hint, frame, text } = AttentionPlots;
  const DIALS = 16; // pairs that are drawn; the table has all
  const EMBEDDED = ["learned", "learned_2d", "sinusoidal", "axial"];

  function draw(given) {
    const { kind } = given.one.position;
    if (AttentionHeads.turns(given.one)) return [dials(given), turned(given)];
    if (kind === "alibi") return [alibi(given)];
    if (kind === "relative") return [buckets(given)];
    if (EMBEDDED.includes(kind)) return [embedded(given)];
    return [figure({ title: given.words.position, said: given.words[kind === "cross" ? "said_cross" : "said_no_position"], words: given.words })];
  }

  // ---- rotation --------------------------------------------------------------------------------------------------------

  /** Each pair of dimensions: q and k as arrows, before (faint) and after turning. */
  function dials(given) {
    const { one, query, key, parts, words, width } = given;
    const { first, second, frequencies } = one.position;
    const [q, k] = [AttentionHeads.turnedBack(one, parts.q, query), AttentionHeads.turnedBack(one, parts.k, key)];
    const pairs = first.map((a, pair) => {
      const b = second[pair];
      return { pair, a, b, still: q[a] * k[a] + q[b] * k[b], now: parts.q[a] * parts.k[a] + parts.q[b] * parts.k[b],
        q: [q[a], q[b]], k: [k[a], k[b]], q_now: [parts.q[a], parts.q[b]], k_now: [parts.k[a], parts.k[b]], at_q: AttentionHeads.angle(one, pair, query), at_k: AttentionHeads.angle(one, pair, key) };
    });
    const chosen = [...pairs].sort((one_, other) => Math.abs(other.now - other.still) - Math.abs(one_.now - one_.still)).slice(0, DIALS).sort((one_, other) => one_.pair - other.pair);
    const size = 112;
    const across = Math.max(2, Math.min(chosen.length, Math.floor(width / size)));
    const high = Math.ceil(chosen.length / across) * (size + 36);
    const picture = frame(across * size, high + 56, fill(words.dials_label, { count: chosen.length }));
    chosen.forEach((pair, index) => picture.append(dial(pair, (index % across) * size, Math.floor(index / across) * (size + 36), size, words, frequencies)));
    const most = pairs.reduce((best, pair) => (Math.abs(pair.now - pair.still) > Math.abs(best.now - best.still) ? pair : best));
    const degrees = (angle) => (((angle * 180) / Math.PI) % 360).toFixed(1);
    const values = { pairs: pairs.length, distance: number(AttentionHeads.distances(one, query, key)[0]), pair: most.pair, change: number(most.now - most.still), fast: degrees(frequencies[0]), slow: number((frequencies.at(-1) * 180) / Math.PI, 2),
      still: number(parts.still), product: number(parts.product), theta: one.position.theta, shown: chosen.length };
    const table = pairs.map(({ pair, a, b, at_q, at_k, still, now }) => [pair, `${a}, ${b}`, frequencies[pair], frequencies[pair] ? (2 * Math.PI) / frequencies[pair] : "∞", degrees(at_q), degrees(at_k), still, now]);
    [["q", words.arrow_q], ["k", words.arrow_k], ["k before", words.arrow_before]].forEach(([kind, name], index) => { // it goes with the file
      picture.append(svg("line", { class: `arrow ${kind}`, x1: 8, x2: 32, y1: high + 10 + 18 * index, y2: high + 10 + 18 * index }), text(40, high + 14 + 18 * index, name));
    });
    return figure({ title: words.rotation, about: one.layer.d_nope ? words.rotation_latent : words.rotation_about, said: fill(words.said_rotation, values), picture, name: "rotation-pairs", words,
      numbers: { heads: [[words.pair, true], [words.dimensions], [words.per_place, true], [words.wavelength, true], [words.angle_q, true], [words.angle_k, true], [words.before_turning, true], [words.after_turning, true]], rows: table, caption: words.rotation } });
  }

  function dial(pair, x, y, size, words, frequencies) {
    const middle = size / 2;
    const radius = middle - 12;
    const longest = Math.max(Math.hypot(...pair.q_now), Math.hypot(...pair.k_now), 1e-12);
    const made = svg("g", { transform: `translate(${x} ${y})` }, svg("circle", { class: "rim", cx: middle, cy: middle, r: radius }));
    const arrow = ([a, b], kind) => {
      const [tipX, tipY] = [middle + (a / longest) * radius, middle - (b / longest) * radius];
      made.append(svg("line", { class: `arrow ${kind}`, x1: middle, y1: middle, x2: tipX, y2: tipY }), svg("circle", { class: `tip ${kind}`, cx: tipX, cy: tipY, r: 3 }));
    };
    arrow(pair.q, "q before");
    arrow(pair.k, "k before");
    arrow(pair.q_now, "q");
    arrow(pair.k_now, "k");
    made.append(text(middle, size + 6, fill(words.pair_number, { pair: pair.pair }), { class: "middle small" }), text(middle, size + 21, `${number(pair.still, 2)} → ${number(pair.now, 2)}`, { class: "middle small" }));
    return hint(made, fill(words.dial_tip, { pair: pair.pair, a: pair.a, b: pair.b, turn: number(frequencies[pair.pair], 3), still: number(pair.still), now: number(pair.now) }));
  }

  /** The scaled product of this query and key at every distance. */
  function turned(given) {
    const { one, query, key, parts, words, width } = given;
    const { scale } = one.layer;
    const [q, k] = [AttentionHeads.turnedBack(one, parts.q, query), AttentionHeads.turnedBack(one, parts.k, key)];
    const reach = Math.max(64, one.layer.n_keys);
    const [distance, inBlock] = AttentionHeads.distances(one, query, key);
    const first = given.one.group.masks.some((mask) => mask === "bidirectional") || distance < 0 ? -reach : 0;
    const values = Array.from({ length: reach - first + 1 }, (_, index) => scale * AttentionHeads.productAt(one, q, k, [first + index, inBlock]));
    const here = scale * parts.product;
    const picture = lines([{ values, kind: "position", name: words.at_distance }], { first, width, named: words.turned_label, axis: words.distance,
      marks: [{ x: distance, y: here, words: fill(words.mark_here, { distance: number(distance), value: number(here) }) }], level: { y: scale * parts.still, words: fill(words.level_still, { value: number(scale * parts.still) }) } });
    const best = values.indexOf(Math.max(...values)) + first;
    return figure({ title: words.turned, about: words.turned_about, said: fill(words.said_turned, { distance: number(distance), here: number(here), still: number(scale * parts.still), best: number(best), highest: number(Math.max(...values)) }), picture, name: "rotation-over-distance", words,
      numbers: { heads: [[words.distance, true], [words.scaled, true]], rows: values.map((value, index) => [first + index, value]), caption: words.turned_label } });
  }

  /** Where a key lies, seen from its query. */
  const where = (ahead, words) => fill(words[ahead < 0 ? "lies_before" : ahead > 0 ? "lies_after" : "lies_here"], { places: Math.abs(ahead) });

  // ---- biases ------------------------------------------------------------------------------------------------------------

  function alibi(given) {
    const { one, query, key, words, width, parts } = given;
    const { slopes } = one.position;
    const reach = Math.max(16, one.layer.n_keys);
    const of = (slope) => Array.from({ length: reach }, (_, distance) => -slope * distance);
    const order = [...slopes.keys()].filter((head) => head !== one.head).concat(one.head);
    const distance = Math.abs(query - key);
    const picture = lines(order.map((head) => ({ values: of(slopes[head]), kind: head === one.head ? "position" : "other", name: fill(words.slope_of, { head: head + 1, slope: number(slopes[head]) }) })),
      { width, named: words.alibi_label, axis: words.distance_back, marks: [{ x: distance, y: parts.bias, words: fill(words.mark_here, { distance, value: number(parts.bias) }) }] });
    const values = { slope: number(slopes[one.head]), distance, bias: number(parts.bias), head: one.head + 1, factor: number(Math.exp(parts.bias)), half: (Math.log(2) / slopes[one.head]).toFixed(1) };
    return figure({ title: words.alibi, about: words.alibi_about, said: fill(words.said_alibi, values), picture, name: "alibi", words,
      numbers: { heads: [[words.distance_back, true], ...slopes.map((_, head) => [fill(words.head_number, { head: head + 1 }), true])], rows: Array.from({ length: reach }, (_, at) => [at, ...slopes.map((slope) => -slope * at)]), caption: words.alibi_label } });
  }

  function buckets(given) {
    const { one, query, key, words, width, parts } = given;
    const { values, buckets: ids, start: first, max_distance: most } = one.position;
    const distance = key - query;
    const order = [...values.keys()].filter((head) => head !== one.head).concat(one.head);
    const picture = lines(order.map((head) => ({ values: ids.map((bucket) => values[head][bucket]), kind: head === one.head ? "position" : "other", name: fill(words.head_number, { head: head + 1 }) })),
      { first, width, named: words.buckets_label, axis: words.distance_ahead, marks: [{ x: distance, y: parts.bias, words: fill(words.mark_here, { distance: number(distance), value: number(parts.bias) }) }] });
    const bucket = ids[distance - first];
    const members = ids.flatMap((id, index) => (id === bucket ? [first + index] : []));
    const span = (each) => (each.length > 1 ? `${number(each[0])} … ${number(each.at(-1))}` : number(each[0]));
    const spans = new Map();
    ids.forEach((id, index) => spans.set(id, [...(spans.get(id) ?? []), first + index]));
    const rows = [...spans].sort(([a], [b]) => a - b).map(([id, each]) => [id, span(each), values[one.head][id]]);
    return figure({ title: words.buckets, about: words.buckets_about, said: fill(words.said_buckets, { where: where(distance, words), bucket, range: span(members), bias: number(parts.bias), most, count: spans.size, factor: number(Math.exp(parts.bias)) }), picture, name: "t5-buckets", words,
      numbers: { heads: [[words.bucket, true], [words.distances], [words.bias, true]], rows, caption: words.buckets_label } });
  }

  // ---- positions that the embedding carries --------------------------------------------------------------------------------

  function embedded(given) {
    const { one, query, key, words, width } = given;
    const n = one.layer.n_keys;
    one.position.cosines ??= AttentionHeads.floats(one.position.alike);
    const at = (a, b) => one.position.cosines[a * n + b];
    const values = Array.from({ length: n }, (_, place) => at(query, place));
    const named = fill(words.alike_with, { query: query + 1 });
    const picture = lines([{ values, kind: "position", name: named }], { first: 1, width, named, axis: words.place,
      marks: [{ x: key + 1, y: at(query, key), words: fill(words.mark_key, { key: key + 1, value: number(at(query, key), 3) }) }] });
    const means = Array.from({ length: n }, (_, distance) => {
      let sum = 0;
      for (let place = distance; place < n; place += 1) sum += at(place, place - distance);
      return sum / (n - distance);
    });
    return figure({ title: words[`embedded_${one.position.kind}`], about: words.embedded_about, said: fill(words.said_embedded, { query: query + 1, key: key + 1, cosine: number(at(query, key), 3), near: number(means[1] ?? 1, 3), far: number(means.at(-1), 3), last: n - 1 }), picture, name: "position-vectors", words,
      numbers: { heads: [[words.place, true], [words.cosine, true], [words.distance, true], [words.cosine_mean, true]], rows: values.map((value, place) => [place + 1, value, place, means[place]]), caption: named } });
  }

  return { draw, where };
})();
