/* The catalogue of masks: each as a picture for any number of tokens, with the pairs that it allows and their share of n².

   The patterns are those of models/parts/masks.py and sparse_masks.py once more, so that a slider needs no server; a test
   compares every pair. Masks that choose by content come from the core as pictures. */

const Sights = (() => {
  const ORDER = ["causal", "bidirectional", "prefix", "sliding", "band", "dilated", "global", "longformer", "etc", "star", "random", "block_local", "bigbird", "lsh", "kmeans"];
  const BOTH_WAYS = ["band", "global", "dilated", "random", "block_local", "lsh", "kmeans"]; // a decoder cuts them at the query
  const BY_CONTENT = ["lsh", "kmeans"];
  const USES = { // the numbers that a mask is drawn with
    prefix: ["p"], sliding: ["w"], band: ["w"], dilated: ["w", "d"], global: ["g"], longformer: ["w", "g"], etc: ["w", "g"], star: ["w", "g"], random: ["r"], block_local: ["b", "o"], bigbird: ["b", "r"],
  };
  const near = (s, q, k) => Math.abs(q - k) <= s.w >> 1;
  const global = (s, q, k) => q < s.g || k < s.g;
  const block = (s, place) => Math.floor(place / s.b);

  const PATTERNS = {
    causal: () => true,
    bidirectional: () => true,
    prefix: (s, q, k) => k <= q || k < s.p,
    sliding: (s, q, k) => k > q - s.w,
    band: near,
    dilated: (s, q, k) => Math.abs(q - k) <= (s.w >> 1) * s.d && Math.abs(q - k) % s.d === 0,
    global: (s, q, k) => q === k || global(s, q, k),
    longformer: (s, q, k) => near(s, q, k) || global(s, q, k),
    etc: (s, q, k) => near(s, q, k) || global(s, q, k),
    star: (s, q, k) => global(s, q, k) || Math.min(Math.abs(q - k), s.n - s.g - Math.abs(q - k)) <= s.w >> 1,
    random: (s, q, k) => q === k || drawn(s, q, s.n, (key) => (s.causal ? key < q : key !== q)).has(k),
    block_local: (s, q, k) => block(s, q) - block(s, k) >= 0 && block(s, q) - block(s, k) <= s.o,
    bigbird(s, q, k) {
      const last = block(s, s.n - 1);
      const [a, b] = [block(s, q), block(s, k)];
      if ([0, last].includes(a) || [0, last].includes(b) || Math.abs(a - b) <= 1) return true;
      return drawn(s, a, last + 1, (key) => Math.abs(a - key) > 1 && key > 0 && key < last).has(b);
    },
  };

  // ---- lots, in whole numbers that wrap around at 2⁶⁴, as the core's do -------------------------------------------------

  const MASK = (1n << 64n) - 1n;
  const FACTORS = [-4658895280553007687n, -7723592293110705685n];
  const known = new Map(); // a lot depends on its pair alone
  function lot(query, key) {
    const name = query * 4096 + key;
    if (!known.has(name)) {
      let x = BigInt.asIntN(64, BigInt(query) * -7046029254386353131n + BigInt(key) * -4417276706812531889n);
      for (const factor of FACTORS) x = BigInt.asIntN(64, (x ^ (x >> 31n)) * factor);
      known.set(name, (x ^ (x >> 31n)) & (MASK >> 1n));
    }
    return known.get(name);
  }

  /** The `s.r` candidates of a query with the lowest lots. */
  function drawn(s, query, count, isCandidate) {
    s.draws ??= new Map();
    if (!s.draws.has(query)) {
      const keys = Array.from({ length: count }, (_, key) => key).filter(isCandidate);
      keys.sort((a, b) => (lot(query, a) < lot(query, b) ? -1 : 1));
      s.draws.set(query, new Set(keys.slice(0, s.r)));
    }
    return s.draws.get(query);
  }

  /** Who may look at whom: one byte a pair. sizes: { n, causal, w, d, g, b, o, r, p }; chosen: the core's answer by content. */
  function picture(mask, sizes, chosen = null) {
    const s = { ...sizes };
    s.causal = sizes.causal && BOTH_WAYS.includes(mask);
    const looksBack = s.causal || ["causal", "sliding"].includes(mask);
    if (BY_CONTENT.includes(mask)) return AttentionHeads.bits(chosen[mask][`${s.n}${s.causal ? "c" : ""}`], s.n * s.n);
    const seen = new Uint8Array(s.n * s.n);
    for (let q = 0; q < s.n; q += 1) {
      for (let k = 0; k < (looksBack ? q + 1 : s.n); k += 1) seen[q * s.n + k] = PATTERNS[mask](s, q, k) ? 1 : 0;
    }
    return seen;
  }

  const pairs = (seen) => seen.reduce((sum, one) => sum + one, 0);

  return { ORDER, BOTH_WAYS, BY_CONTENT, USES, picture, pairs };
})();

const AttentionSights = (() => {
  const { element, fill, grouped } = lineage;
  const { percent, figure, grid, gridMarkup, colour, mixed, slider } = AttentionPlots;
  const WITH_SQUARE = ["causal", "bidirectional", "prefix", "lsh", "kmeans"]; // their cost grows with n²
  const STOPS = [8, 16, 32, 64, 128];
  const USUAL = { n: 32, c: 0, w: 8, d: 2, g: 1, b: 4, o: 1, r: 2, p: 8 };
  const MOST = { w: 64, d: 8, g: 8, b: 32, o: 8, r: 16, p: 64 };
  const LEAST = { w: 1, d: 1, g: 0, b: 1, o: 0, r: 0, p: 0 };

  function mount(place, shared) {
    const words = shared.words.weight;
    const sizes = read();
    let chosen = null;
    const cards = element("div", { class: "sight-cards", role: "group", "aria-label": words.catalogue });
    const large = element("div", { class: "sight-large" });
    const settings = element("div", { class: "weight-sliders" });
    place.replaceChildren(element("h3", {}, words.catalogue), element("p", { class: "obj-about" }, words.catalogue_about), settings, cards, large);

    function read() {
      const found = { ...USUAL };
      for (const part of lineage.state.weight_sizes.split("-").filter(Boolean)) {
        const [name, value] = [part[0], Number(part.slice(1))];
        if (name === "n") found.n = STOPS.includes(value) ? value : USUAL.n;
        else if (name === "c") found.c = value ? 1 : 0;
        else if (name in MOST) found[name] = Math.min(Math.max(value, LEAST[name]), MOST[name]);
      }
      return found;
    }

    function put(name, value) {
      sizes[name] = value;
      const changed = Object.keys(USUAL).filter((each) => sizes[each] !== USUAL[each]);
      lineage.write("weight_sizes", changed.map((each) => `${each}${sizes[each]}`).join("-"));
      draw();
    }

    const current = () => (Sights.ORDER.includes(lineage.state.weight_mask) ? lineage.state.weight_mask : "sliding");
    const seenBy = (mask, n = sizes.n) => Sights.picture(mask, { ...sizes, n, causal: Boolean(sizes.c) }, chosen);

    function controls() {
      const causal = element("input", { id: "sight-causal", type: "checkbox" });
      causal.checked = Boolean(sizes.c);
      causal.addEventListener("change", () => put("c", causal.checked ? 1 : 0));
      const range = (name) => slider(`sight-${name}`, words[`size_${name}`], { low: LEAST[name], high: MOST[name], value: sizes[name], change: (value) => put(name, value) });
      settings.replaceChildren(
        slider("sight-n", words.size_n, { low: 0, high: STOPS.length - 1, value: STOPS.indexOf(sizes.n), shown: (index) => String(STOPS[index]), change: (index) => put("n", STOPS[index]) }),
        ...(Sights.USES[current()] ?? []).map(range),
        ...(Sights.BOTH_WAYS.includes(current()) ? [element("div", { class: "obj-row" }, causal, element("label", { for: "sight-causal" }, words.size_c))] : []));
    }

    const tones = () => {
      const on = colour("kind-attention");
      return [mixed(colour("paper-sunk"), on, 0.06), on];
    };

    const nameOf = (mask) => words[`mask_${mask}`];
    const costs = (mask, seen) => {
      const count = Sights.pairs(seen);
      return { mask: nameOf(mask), pairs: grouped(count), all: grouped(sizes.n ** 2), share: percent(count / sizes.n ** 2), n: sizes.n, count };
    };

    function draw() {
      const [off, on] = tones();
      cards.replaceChildren(...Sights.ORDER.filter((mask) => chosen || !Sights.BY_CONTENT.includes(mask)).map((mask) => {
        const seen = seenBy(mask);
        const cost = costs(mask, seen);
        const canvas = grid(sizes.n, sizes.n, { cell: 1, named: "", tone: (row, column) => (seen[row * sizes.n + column] ? on : off) });
        canvas.setAttribute("aria-hidden", "true");
        canvas.style.width = "";
        const card = element("button", { type: "button", class: "sight-card", value: mask, "aria-pressed": String(mask === current()) }, canvas, element("span", { class: "sight-name" }, nameOf(mask)), element("small", {}, cost.share));
        card.addEventListener("click", () => {
          lineage.write("weight_mask", mask);
          controls();
          draw();
          cards.querySelector(`[value="${mask}"]`).focus();
        });
        return card;
      }));
      MaskingParts.walk(cards, [...cards.children], [...cards.children].findIndex(({ value }) => value === current()));
      large.replaceChildren(enlarged(off, on));
    }

    function enlarged(off, on) {
      const mask = current();
      if (!chosen && Sights.BY_CONTENT.includes(mask)) return element("p", { class: "obj-note" }, words.waiting);
      const seen = seenBy(mask);
      const cost = costs(mask, seen);
      const cell = Math.max(2, Math.floor(Math.min(place.clientWidth || 320, 384) / sizes.n));
      const tone = (row, column) => (seen[row * sizes.n + column] ? on : off);
      const said = [fill(words.said_sight, cost), words[`cost_${mask}`]];
      if (Sights.BY_CONTENT.includes(mask)) said.push(words.said_content);
      if (!WITH_SQUARE.includes(mask) && cost.count > 0.5 * sizes.n ** 2) said.push(fill(words.said_filled, cost));
      const rows = () => Sights.ORDER.filter((each) => chosen || !Sights.BY_CONTENT.includes(each)).map((each) => [nameOf(each), ...growth(each)]);
      const heads = [[words.mask_name], ...STOPS.flatMap((n) => [[fill(words.pairs_at, { n }), true], [fill(words.share_at, { n }), true]])];
      return figure({ title: nameOf(mask), said: said.join(" "), picture: grid(sizes.n, sizes.n, { cell, named: fill(words.sight_label, cost), tone }), name: `mask-${mask}`, words,
        svg: () => gridMarkup(sizes.n, sizes.n, { cell, tone, title: fill(words.sight_label, cost), down: words.query, across: words.key }), numbers: { heads, rows, caption: words.growth } });
    }

    /** Allowed pairs and their share at each number of tokens: what is linear in n falls, what is not stays. */
    const growth = (mask) => STOPS.flatMap((n) => {
      const count = Sights.pairs(seenBy(mask, n));
      return [count, percent(count / n ** 2)];
    });

    controls();
    draw();
    shared.attempt(() => shared.ask("weight_sights")).then((reply) => {
      chosen = reply;
      if (chosen) draw();
    });
    return { draw };
  }

  return { mount };
})();
