/* FlashAttention on the numbers of one head, tile by tile: models/inspection/flash.py once more, so that no step and no slider
   needs the server; a test compares the two. Every number that crosses from slow memory to fast is counted where it does.

   Dao et al. 2022, arXiv:2205.14135, algorithms 0 and 1; Dao 2023, arXiv:2307.08691, algorithm 1. Nothing here draws. */

const FlashTiles = (() => {
  /** Rounds each result as the precision asks: to 24 bits, or not at all. */
  const ROUND = { float32: Math.fround, float64: (value) => value };

  /** One head's problem: T queries, S keys, their vectors as functions, in one precision. */
  function problemOf(one, precision) {
    const { layer } = one;
    const round = ROUND[precision];
    const p = {
      n: layer.n_queries, m: layer.n_keys, d: layer.d_head, dv: layer.d_value, round, scale: round(layer.scale),
      q: (row) => AttentionHeads.queryVector(one, row), k: (row, key) => AttentionHeads.keyVector(one, row, key), v: (row, key) => AttentionHeads.valueVector(one, row, key),
      allowed: (row, key) => AttentionHeads.isAllowed(one, row, key),
      added: (row, key) => round(AttentionHeads.biasAt(one, key - row) + Math.log(AttentionHeads.countOf(one, row, key))),
    };
    // A score is the same in whichever tile it is computed: kept, so that a slider need not wait.
    p.scores = Array.from({ length: p.n }, (_, row) => Float64Array.from({ length: p.m }, (_unused, key) => score(p, row, key)));
    return p;
  }

  function score(p, row, key) {
    if (!p.allowed(row, key)) return -Infinity;
    const [q, k] = [p.q(row), p.k(row, key)];
    let sum = 0;
    for (let index = 0; index < p.d; index += 1) sum = p.round(sum + p.round(q[index] * k[index]));
    return p.round(p.round(sum * p.scale) + p.added(row, key));
  }

  /** exp, where the difference of two that are both −∞, a row without any key so far, counts as −∞. */
  const power = (p, difference) => (Number.isNaN(difference) ? 0 : p.round(Math.exp(difference)));

  function counter() {
    const count = { read: 0, written: 0 };
    return { count, load: (numbers) => { count.read += numbers; }, store: (numbers) => { count.written += numbers; } };
  }

  /** Algorithm 0: all scores are written and read again, all probabilities too. */
  function plain(p) {
    const memory = counter();
    memory.load(p.n * p.d + p.m * p.d);
    memory.store(p.n * p.m);
    memory.load(p.n * p.m);
    const probs = p.scores.map((line) => {
      const highest = line.reduce((most, value) => Math.max(most, value), -Infinity);
      const powers = line.map((value) => power(p, p.round(value - highest)));
      const sum = powers.reduce((total, value) => p.round(total + value), 0);
      return powers.map((value) => (sum ? p.round(value / sum) : 0));
    });
    memory.store(p.n * p.m);
    memory.load(p.n * p.m + p.m * p.dv);
    const out = probs.map((line, row) => {
      const read = new Float64Array(p.dv);
      line.forEach((share, key) => {
        const v = p.v(row, key);
        for (let index = 0; index < p.dv; index += 1) read[index] = p.round(read[index] + p.round(share * v[index]));
      });
      return read;
    });
    memory.store(p.n * p.dv);
    return { out, traffic: memory.count };
  }

  const cut = (length, size) => Array.from({ length: Math.ceil(length / size) }, (_, index) => [index * size, Math.min((index + 1) * size, length)]);

  /** Every tile in the algorithm's order, hidden ones too: { rows, keys, live }. */
  function tiles(p, rows, keys, order) {
    const made = [];
    const [rowTiles, keyTiles] = [cut(p.n, rows), cut(p.m, keys)];
    const add = (i, j) => made.push({ rows: i, keys: j, live: isLive(p, i, j) });
    if (order === "flash1") keyTiles.forEach((j) => rowTiles.forEach((i) => add(i, j)));
    else rowTiles.forEach((i) => keyTiles.forEach((j) => add(i, j)));
    return made;
  }

  function isLive(p, [from, to], [first, end]) {
    for (let row = from; row < to; row += 1) for (let key = first; key < end; key += 1) if (p.allowed(row, key)) return true;
    return false;
  }

  /** The state after `steps` of the live tiles. `tile` tells what the last one did to each of its rows. */
  function run(p, rows, keys, order, steps = Infinity) {
    const live = tiles(p, rows, keys, order).filter((tile) => tile.live);
    const memory = counter();
    const state = { highest: new Float64Array(p.n).fill(-Infinity), sum: new Float64Array(p.n), out: Array.from({ length: p.n }, () => new Float64Array(p.dv)), tile: null, count: live.length, done: Math.min(steps, live.length) };
    const first = order === "flash1";
    if (first) memory.store(p.n * (p.dv + 2));
    let held = null; // the tile of keys (FlashAttention) or queries (FlashAttention-2) in fast memory
    live.slice(0, state.done).forEach((tile, number) => {
      const [outer, inner] = first ? [tile.keys, tile.rows] : [tile.rows, tile.keys];
      const [outerSize, innerSize] = [outer[1] - outer[0], inner[1] - inner[0]];
      if (held !== outer[0]) memory.load(outerSize * (first ? p.d + p.dv : p.d));
      held = outer[0];
      memory.load(innerSize * (first ? p.d + p.dv + 2 : p.d + p.dv));
      state.tile = { ...tile, changes: [] };
      for (let row = tile.rows[0]; row < tile.rows[1]; row += 1) state.tile.changes.push(update(p, state, row, tile.keys, first));
      if (first) memory.store(innerSize * (p.dv + 2));
      else if (live[number + 1]?.rows[0] !== tile.rows[0]) memory.store(outerSize * (p.dv + 1));
    });
    if (!first) state.out = state.out.map((line, row) => line.map((value) => (state.sum[row] ? p.round(value / state.sum[row]) : 0)));
    return { ...state, traffic: memory.count };
  }

  /** One row meets the keys of one tile: its maximum, its sum, and what it has read, rescaled. */
  function update(p, state, row, [from, to], dividesAtOnce) {
    const before = { highest: state.highest[row], sum: state.sum[row] };
    const scores = p.scores[row].slice(from, to);
    const tileHighest = scores.reduce((most, value) => Math.max(most, value), -Infinity);
    const highest = Math.max(before.highest, tileHighest);
    // FlashAttention takes the tile's own maximum first, FlashAttention-2 the new one at once.
    const base = dividesAtOnce ? tileHighest : highest;
    const shares = scores.map((value) => power(p, p.round(value - base)));
    const [kept, added] = [power(p, p.round(before.highest - highest)), dividesAtOnce ? power(p, p.round(tileHighest - highest)) : 1];
    const tileSum = shares.reduce((total, value) => p.round(total + value), 0);
    const sum = p.round(p.round(kept * before.sum) + p.round(added * tileSum));
    const out = state.out[row];
    const read = new Float64Array(p.dv); // the tile's shares times its values
    shares.forEach((share, at) => {
      const v = p.v(row, from + at);
      for (let index = 0; index < p.dv; index += 1) read[index] = p.round(read[index] + p.round(share * v[index]));
    });
    const old = p.round(before.sum * kept);
    for (let index = 0; index < p.dv; index += 1) {
      if (dividesAtOnce) out[index] = sum ? p.round(p.round(p.round(old * out[index]) + p.round(added * read[index])) / sum) : 0;
      else out[index] = p.round(p.round(kept * out[index]) + read[index]);
    }
    state.highest[row] = highest;
    state.sum[row] = sum;
    return { row, before, scores, shares, tileHighest, tileSum, highest, sum, kept, added };
  }

  // ---- by formula --------------------------------------------------------------------------------------------------------

  const plainTraffic = ({ n, m, d, dv }) => ({ read: n * d + m * (d + dv) + 2 * n * m, written: 2 * n * m + n * dv });

  /** For live tiles of so many [queries, keys]. */
  function flashTraffic(sizes, { n, m, d, dv }, order) {
    const rows = sizes.reduce((sum, [queries]) => sum + queries, 0);
    if (order === "flash1") return { read: m * (d + dv) + rows * (d + dv + 2), written: (n + rows) * (dv + 2) };
    const keys = sizes.reduce((sum, [, count]) => sum + count, 0);
    return { read: n * d + keys * (d + dv), written: n * (dv + 1) };
  }

  /** The same for long texts without listing tiles: nothing hidden, or the future. */
  function longTraffic({ n, d, dv, rows, keys, causal }, order) {
    let [sumRows, sumKeys] = [0, 0];
    for (const [from, to] of cut(n, rows)) {
      const seen = causal ? Math.ceil(to / keys) : Math.ceil(n / keys);
      sumRows += seen * (to - from);
      sumKeys += Math.min(seen * keys, n);
    }
    if (order === "flash1") return { read: n * (d + dv) + sumRows * (d + dv + 2), written: (n + sumRows) * (dv + 2) };
    return { read: n * d + sumKeys * (d + dv), written: n * (dv + 1) };
  }

  return { problemOf, plain, tiles, run, plainTraffic, flashTraffic, longTraffic };
})();
