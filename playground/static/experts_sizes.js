/* The section "sizes" of the tab of experts: what the published mixtures hold, and what a token meets of it. */

const ExpertSizes = (() => {
  const { element, fill, grouped } = lineage;
  const { svg, text, tip, canvas, figure } = ExpertPictures;
  const { short } = ExpertCompare;
  const FORMATS = ["bf16", "int8", "fp32"];
  const ACCELERATOR = 80e9; // bytes of memory of one that is common in data centres

  function mount(panel, shared) {
    let rows = null;
    let context = 0;

    async function refresh() {
      if (!rows) {
        const reply = await shared.attempt(() => shared.ask("experts_sizes"));
        if (!reply) return;
        ({ rows, context } = reply);
      }
      const choice = lineage.choice("exp-format", shared.words.format, FORMATS.map((name) => [name, name]), lineage.state.exp_format, (name) => {
        lineage.write("exp_format", name);
        refresh();
        document.querySelector(`#exp-format button[value=${name}]`).focus();
      });
      panel.replaceChildren(element("p", { class: "obj-about" }, fill(shared.words.sizes_about, { context: grouped(context) })), element("div", { class: "obj-row" }, element("span", {}, shared.words.format), choice), chart(rows, shared));
    }

    return { refresh };
  }

  function chart(rows, shared) {
    const { words } = shared;
    const format = lineage.state.exp_format;
    const LEFT = 190, WIDE = 480, ROW = 24, TOP = 30;
    const low = Math.log10(1e8), high = Math.log10(4e12);
    const x = (value) => LEFT + (WIDE * (Math.log10(value) - low)) / (high - low);
    const { picture } = canvas(LEFT + WIDE + 150, TOP + rows.length * ROW + 8, words.sizes_title);
    for (const power of [8, 9, 10, 11, 12]) {
      picture.append(svg("line", { x1: x(10 ** power), x2: x(10 ** power), y1: TOP - 6, y2: TOP + rows.length * ROW, style: "stroke: var(--rule)" }), text(x(10 ** power), 18, count(10 ** power), { "text-anchor": "middle" }));
    }
    rows.forEach((row, place) => {
      const y = TOP + place * ROW + 12;
      picture.append(text(0, y + 4, row.title, { style: "fill: var(--ink)" }),
        svg("line", { x1: x(row.active), x2: x(row.params), y1: y, y2: y, style: "stroke: var(--kind-expert)", "stroke-width": 3 }),
        svg("circle", { cx: x(row.active), cy: y, r: 5.5, style: "fill: var(--kind-expert)" }, tip(`${words.head_active}: ${grouped(row.active)}`)),
        svg("rect", { x: x(row.params) - 5.5, y: y - 5.5, width: 11, height: 11, style: "fill: var(--paper); stroke: var(--kind-expert)", "stroke-width": 2 }, tip(`${words.head_params}: ${grouped(row.params)}`)),
        text(x(row.params) + 12, y + 4, row.moe ? fill(words.of_share, { active: count(row.active), params: count(row.params) }) : count(row.params)));
    });
    const sparse = rows.filter(({ moe }) => moe);
    const thin = sparse.reduce((one, other) => (other.active / other.params < one.active / one.params ? other : one));
    const big = sparse.find(({ name }) => name === "deepseek-v3") ?? sparse.at(-1);
    const like = rows.filter(({ moe }) => !moe).reduce((one, other) => (Math.abs(Math.log(other.flops / big.flops)) < Math.abs(Math.log(one.flops / big.flops)) ? other : one));
    return figure({
      name: "sizes", words, picture, title: words.sizes_title,
      sentence: fill(words.sizes_sentence, {
        big: big.title, memory: bytes(big.memory[format]), format, devices: devices(big), flops: short(big.flops), products: short(2 * big.active), active: count(big.active), context: grouped(big.context), like: like.title, times: (big.flops / like.flops).toFixed(1),
        thin: thin.title, share: `${((100 * thin.active) / thin.params).toFixed(2)}\u202f%`,
      }),
      open: true,
      more: [element("p", { class: "exp-legend" }, element("span", { class: "exp-key used" }, words.head_active), element("span", { class: "exp-key held" }, words.head_params))],
      heads: [[words.head_model], [words.head_year, true], [words.head_params, true], [words.head_active, true], [words.head_structure], [words.head_sparse], [words.head_memory, true], [words.head_devices, true], [words.head_decode, true], [words.head_cache, true]],
      rows: rows.map((row) => [row.title, String(row.year), count(row.params), count(row.active),
        row.moe ? fill(row.moe[2] ? words.structure_shared : words.structure, { experts: grouped(row.moe[0]), chosen: row.moe[1], shared: row.moe[2], wide: grouped(row.moe[3]) }) : words.dense_model,
        `${row.n_sparse}/${row.n_layers}`, bytes(row.memory[format]), devices(row), `${short(row.flops)}FLOP`, bytes(row.kv)]),
      numbers: numbersOf(rows, words, format),
    });
  }

  /** The same as numbers that a spreadsheet can sort. */
  function numbersOf(rows, words, format) {
    const inBytes = (what) => fill(words.head_bytes, { what });
    const heads = [words.head_model, words.head_year, words.head_params, words.head_active, words.head_structure, "k", words.shared, words.head_sparse, words.head_layer, `${inBytes(words.head_memory)} (${format})`, words.head_devices, words.head_flops, inBytes(words.head_cache)];
    return { heads: heads.map((head) => [head]), rows: rows.map((row) => [row.title, row.year, row.params, row.active, ...(row.moe ? row.moe.slice(0, 3) : [0, 0, 0]), row.n_sparse, row.n_layers, row.memory[format], devices(row), row.flops, row.kv]) };
  }

  const devices = (row) => Math.ceil(row.memory[lineage.state.exp_format] / ACCELERATOR);
  const count = (value) => short(value).replace("G", "B");
  function bytes(value) {
    const [size, unit] = [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]].find(([one]) => value >= one) ?? [1, "B"];
    return `${(value / size).toFixed(value / size >= 99.5 ? 0 : 1)}\u202f${unit}`;
  }

  return { mount };
})();
