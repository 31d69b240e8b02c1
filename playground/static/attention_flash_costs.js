/* What FlashAttention comes to on one head: equal to the plain result, and how much less is moved, counted and by formula. */

const FlashCosts = (() => {
  const { element, fill, grouped } = lineage;
  const { number, figure, across } = AttentionPlots;
  const { table } = MaskingParts;
  const LONG = [1024, 8192, 65536];
  const BYTES = 2; // of a number in bf16 or fp16, as kernels move them

  /** drawn: { one, problem, whole: the plain result, the tiles and the state after the last, state: after this one, … }. */
  const draw = (drawn) => [equality(drawn), memory(drawn), longer(drawn)];

  const furthest = (lines, others) => lines.reduce((far, line, row) => line.reduce((most, value, index) => Math.max(most, Math.abs(value - others(row)[index])), far), 0);

  function equality({ one, problem, whole, words }) {
    const plainApart = furthest(whole.end.out, (row) => whole.plain.out[row]);
    const passApart = furthest(whole.end.out, (row) => AttentionHeads.outVector(one, row));
    const largest = whole.plain.out.reduce((most, line) => line.reduce((far, value) => Math.max(far, Math.abs(value)), most), 0);
    const share = plainApart / (largest || 1);
    const values = { precision: problem.precision, plain: number(plainApart, 3), pass: number(passApart, 3), largest: number(largest, 3), share: number(share, 3), bound: "10⁻⁶" };
    const made = element("p", { class: "flash-equal" }, fill(words[share <= 1e-6 ? "equal" : "unequal"], values));
    made.dataset.share = String(share);
    made.dataset.pass = String(passApart / (largest || 1));
    return made;
  }

  const bytes = (traffic) => BYTES * (traffic.read + traffic.written);
  const size = (value) => (value < 10_000 ? `${grouped(value)}\u202fB` : value < 1e7 ? `${grouped(Math.round(value / 1024))}\u202fKiB` : `${grouped(Math.round(value / 2 ** 20))}\u202fMiB`);

  function memory({ problem, whole, state, words, width }) {
    const { plain, end } = whole;
    const tileSizes = whole.tiles.filter((tile) => tile.live).map(({ rows, keys }) => [rows[1] - rows[0], keys[1] - keys[0]]);
    const same = (a, b) => a.read === b.read && a.written === b.written;
    const agrees = tileSizes.length && same(end.traffic, FlashTiles.flashTraffic(tileSizes, problem, whole.order)) && same(plain.traffic, FlashTiles.plainTraffic(problem));
    const lines = [[words.plain, plain.traffic], [fill(words.so_far, { done: state.done }), state.traffic], [words[whole.order], end.traffic]];
    const share = bytes(end.traffic) / bytes(plain.traffic);
    const picture = across(lines.map(([name, traffic], index) => ({ value: bytes(traffic), kind: index ? "weight" : "positive", name, told: size(bytes(traffic)) })), { width: Math.min(width, 720), named: words.memory });
    const rows = lines.map(([name, traffic]) => [name, traffic.read, traffic.written, bytes(traffic)]);
    const values = { plain: size(bytes(plain.traffic)), flash: size(bytes(end.traffic)), times: (share > 1 ? share : 1 / share).toFixed(2), n: problem.n, m: problem.m, rows: whole.rows, keys: whole.keys };
    const note = element("p", { class: "obj-note flash-formula" }, agrees ? fill(words[`formula_${whole.order}`], formulaGaps(tileSizes, problem, whole)) : words.formula_differs);
    note.dataset.agrees = String(Boolean(agrees));
    const shown = table([[words.algorithm], [words.read, true], [words.written, true], [words.moved, true]], rows.map(([name, read, written, moved]) => [name, grouped(read), grouped(written), size(moved)]), words.memory);
    return figure({ title: words.memory, about: words.memory_about, said: fill(share > 1 ? words.said_more : words.said_less, values), picture, more: [shown, note], name: "memory-traffic", words,
      isShown: true, numbers: { heads: [[words.algorithm], [words.read, true], [words.written, true], [words.moved, true]], rows, caption: words.memory } });
  }

  function formulaGaps(tileSizes, problem, whole) {
    const { n, m, d, dv } = problem;
    const [sumRows, sumKeys] = [0, 1].map((side) => tileSizes.reduce((sum, each) => sum + each[side], 0));
    const traffic = whole.end.traffic;
    return { n, m, d, dv, rows: sumRows, keys: sumKeys, read: grouped(traffic.read), written: grouped(traffic.written) };
  }

  /** By formula: the same head on long texts, with tiles that kernels take. */
  function longer({ one, problem, whole, words }) {
    const causal = one.group.masks.every((mask) => ["causal", "sliding"].includes(mask)) && one.group.queries === one.group.keys;
    const counts = LONG.map((n) => {
      const lengths = { n, m: n, d: problem.d, dv: problem.dv };
      const flash = FlashTiles.longTraffic({ ...lengths, rows: 128, keys: 128, causal }, whole.order);
      const [before, after] = [bytes(FlashTiles.plainTraffic(lengths)), bytes(flash)];
      return [n, before, after, before / after, 2 * BYTES * n * n];
    });
    const heads = [[words.tokens, true], [words.plain, true], [words[whole.order], true], [words.saving, true], [words.never_held, true]];
    const rows = counts.map(([n, before, after, times, held]) => [grouped(n), size(before), size(after), `${times.toFixed(1)}×`, size(held)]);
    return figure({ title: words.longer, about: words[causal ? "longer_causal" : "longer_about"], more: [table(heads, rows, words.longer_caption)], name: "traffic-longer", words, isShown: true, numbers: { heads, rows: counts } });
  }

  return { draw };
})();
