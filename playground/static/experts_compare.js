/* The section "compare" of the tab of experts: other ways to route the same tokens, from the same logits, with what each costs. */

const ExpertCompare = (() => {
  const { element, fill, grouped } = lineage;
  const { svg, text, tip, canvas, figure, mark, percent } = ExpertPictures;

  function mount(panel, shared) {
    let latest = 0;

    async function refresh() {
      shared.followLayer();
      const mine = (latest += 1);
      const reply = shared.look.costs ?? await shared.attempt(async () => (await shared.ask("experts_costs", shared.request(shared.look.ran))).costs);
      if (!reply || mine !== latest) return;
      shared.look.costs = reply;
      draw(reply);
    }

    function draw(costs) {
      const ways = costs.map((cost) => routed(cost, shared));
      panel.replaceChildren(element("p", { class: "obj-about" }, fill(shared.words.compare_about, { layer: shared.layerName(shared.layer) }) + (shared.layer.n_scores > shared.look.moe.n_experts ? shared.words.compare_slots : "")), strips(ways, shared), numbers(ways, shared), costFigure(ways, shared),
        follow(ways, shared, () => draw(costs)));
    }

    return { refresh };
  }

  /** One way on the logits of the layer: what it gives each token, and the numbers of it. */
  function routed(cost, shared) {
    const { layer, look } = shared;
    const logits = perExpert(layer, look.moe.n_experts);
    const T = logits.length;
    const rule = cost.rule;
    if (cost.name === "own" && cost.mixing !== "routed") {
      return { ...cost, weights: layer.weights, dropped: 0, losses: null, uses: layer.k }; // as the model mixed them
    }
    if (cost.mixing === "merged") {
      const shares = Routers.merged(logits);
      return { ...cost, weights: logits.map(() => shares), dropped: 0, losses: null, uses: shares.length };
    }
    if (cost.mixing === "slots") {
      const { combine } = Routers.slots(logits);
      return { ...cost, weights: combine, dropped: 0, losses: null, uses: logits[0].length };
    }
    const own = cost.name === "own" || cost.name === "deepseek_v3" ? layer.bias : null;
    const noisy = cost.name === "noisy_topk" ? Routers.noise(logits, { amount: 1, seed: Number(lineage.state.exp_seed), layer: layer.place, size: layer.noise }) : null;
    const made = Routers.steps(logits, rule, own, noisy);
    const weights = made.takenIds.map((row, t) => {
      const line = new Array(look.moe.n_experts).fill(0);
      row.forEach((e, place) => { if (e >= 0) line[e] = made.takenWeights[t][place]; });
      return line;
    });
    const { dropped } = Routers.load(made.takenIds, rule.n_experts);
    return { ...cost, made, weights, dropped, uses: rule.chosen, losses: { balance: Routers.balance(made, rule), z: Routers.zLoss(made.noisy) } , tokens: T };
  }

  /** A score for each expert: where it has several slots, the mean of theirs. */
  function perExpert(layer, nExperts) {
    const size = layer.n_scores / nExperts;
    if (size === 1) return layer.logits;
    return layer.logits.map((row) => Array.from({ length: nExperts }, (_, e) => row.slice(e * size, (e + 1) * size).reduce((sum, value) => sum + value, 0) / size));
  }

  const nameOf = (way, words) => words[`way_${way.name}`];
  const topOf = (row) => { const most = Math.max(...row); return most > 0 ? row.indexOf(most) : -1; };

  /** How unequal the experts' sums of weights are. */
  function sums(way) {
    return way.weights.reduce((total, row) => total.map((value, e) => value + row[e]), new Array(way.weights[0].length).fill(0));
  }

  // ---- the same tokens, a line for each way ------------------------------------------------------------------------------

  function strips(ways, shared) {
    const { words, sequence, token } = shared;
    const T = ways[0].weights.length;
    const LEFT = 190, CELL = Math.max(4, Math.min(16, Math.floor(720 / T))), ROW = 26;
    const { picture, fillOf } = canvas(LEFT + T * CELL + 24, ways.length * ROW + 24, words.strips_title);
    ways.forEach((way, place) => {
      const y = place * ROW;
      picture.append(text(0, y + 17, nameOf(way, words), { style: "fill: var(--ink)" }));
      way.weights.forEach((row, t) => {
        const top = topOf(row);
        if (top < 0) {
          picture.append(text(LEFT + (t + 0.5) * CELL, y + 17, "×", { "text-anchor": "middle", "font-size": 10 }));
          return;
        }
        const whole = row.reduce((sum, value) => sum + value, 0);
        picture.append(svg("rect", { x: LEFT + t * CELL, y: y + 2, width: CELL - 1, height: ROW - 6, fill: fillOf(top), opacity: (0.2 + 0.8 * (row[top] / whole)).toFixed(3) }, tip(fill(words.cell, { token: sequence.labels[t], expert: top, weight: row[top].toFixed(3) }))));
        if (CELL >= 12 && top < 10) picture.append(text(LEFT + (t + 0.5) * CELL - 0.5, y + 17, String(top), { "text-anchor": "middle", "font-size": 10, style: "fill: var(--ink)", "pointer-events": "none" }));
      });
    });
    picture.append(svg("rect", { x: LEFT + token * CELL - 1, y: 0, width: CELL + 1, height: ways.length * ROW, fill: "none", style: "stroke: var(--ink)", "stroke-width": 1.5 }));
    for (let t = 0; t < T; t += Math.max(1, Math.round(T / 12))) picture.append(text(LEFT + t * CELL, ways.length * ROW + 18, String(t + 1), { "font-size": 11 }));
    const own = ways[0].weights.map(topOf);
    const agreeing = ways.slice(1).map((way) => ({ way, same: way.weights.filter((row, t) => topOf(row) === own[t]).length / T }));
    const least = agreeing.reduce((one, other) => (other.same < one.same ? other : one));
    const full = agreeing.filter(({ same }) => same === 1).length;
    return figure({
      name: "routers", words, picture, title: words.strips_title, legend: ExpertPictures.legend(shared.look.moe.n_experts, words),
      sentence: fill(words.strips_sentence, { full, ways: agreeing.length, least: nameOf(least.way, words), share: percent(least.same) }),
      heads: [[words.head_token], ...ways.map((way) => [nameOf(way, words)])],
      rows: ways[0].weights.map((_, t) => [sequence.labels[t], ...ways.map((way) => { const top = topOf(way.weights[t]); return top < 0 ? "×" : `${top} (${way.weights[t][top].toFixed(3)})`; })]),
    });
  }

  // ---- the numbers -------------------------------------------------------------------------------------------------------

  function rowsOf(ways, words) {
    return ways.map((way) => {
      const totals = sums(way);
      const all = totals.reduce((sum, value) => sum + value, 0);
      return [nameOf(way, words), way.mixing === "routed" ? way.uses : words.all_experts, Routers.entropy(totals), (Math.max(...totals) * totals.length) / Math.max(1e-12, all), way.dropped,
        way.losses ? way.losses.balance.value : "–", way.losses ? way.losses.balance.even : "–", way.losses ? way.losses.z : "–"];
    });
  }

  function numbers(ways, shared) {
    const { words } = shared;
    const counts = rowsOf(ways, words);
    const rows = counts.map((row) => row.map((cell) => (typeof cell === "number" ? ExpertPictures.plain(cell) : cell)));
    const heads = [[words.head_way], [words.head_uses, true], [words.head_entropy, true], [words.head_busiest, true], [words.head_dropped, true], [words.head_aux, true], [words.head_aux_even, true], [words.head_z, true]];
    const made = element("section", { "data-figure": "numbers" }, element("h3", {}, words.numbers_title), element("p", { class: "obj-note" }, words.numbers_note), MaskingParts.table(heads, rows, words.numbers_title));
    ExpertPictures.offer(made, "routers-numbers", heads, counts);
    return made;
  }

  // ---- what each way costs -----------------------------------------------------------------------------------------------

  function costFigure(ways, shared) {
    const { words } = shared;
    const LEFT = 184, WIDE = 180, GAP = 130, ROW = 34;
    const mostParams = Math.max(...ways.map(({ params }) => params)), mostFlops = Math.max(...ways.map(({ flops }) => flops));
    const { picture } = canvas(LEFT + 2 * WIDE + GAP + 80, ways.length * ROW + 28, words.costs_title);
    picture.append(text(LEFT, 16, words.costs_params), text(LEFT + WIDE + GAP, 16, words.costs_flops));
    ways.forEach((way, place) => {
      const y = 28 + place * ROW;
      const right = LEFT + WIDE + GAP;
      picture.append(text(0, y + 17, nameOf(way, words), { style: "fill: var(--ink)" }),
        svg("rect", { x: LEFT, y: y + 3, width: (WIDE * way.params) / mostParams, height: 20, style: "fill: var(--paper-sunk); stroke: var(--kind-expert)" }, tip(grouped(way.params))),
        svg("rect", { x: LEFT, y: y + 3, width: (WIDE * way.active) / mostParams, height: 20, style: "fill: var(--kind-expert)" }, tip(grouped(way.active))),
        text(LEFT + (WIDE * way.params) / mostParams + 5, y + 17, `${short(way.active)} / ${short(way.params)}`, { "font-size": 12 }),
        svg("rect", { x: right, y: y + 3, width: Math.max(1, (WIDE * way.flops) / mostFlops), height: 20, style: "fill: var(--kind-ffn)" }, tip(grouped(Math.round(way.flops)))),
        text(right + (WIDE * way.flops) / mostFlops + 5, y + 17, short(way.flops), { "font-size": 12 }));
    });
    const own = ways[0];
    const dense = ways.find(({ name }) => name === "dense");
    const least = ways.reduce((one, other) => (other.flops < one.flops ? other : one));
    return figure({
      name: "costs", words, picture, title: words.costs_title,
      sentence: fill(words.costs_sentence, { own: nameOf(own, words), times: (dense.flops / own.flops).toFixed(1), least: nameOf(least, words), share: percent(least.flops / own.flops) }),
      more: [element("p", { class: "obj-note" }, words.costs_note)],
      heads: [[words.head_way], [words.head_params, true], [words.head_active, true], [words.head_flops, true]],
      rows: ways.map((way) => [nameOf(way, words), way.params, way.active, Math.round(way.flops)]),
    });
  }

  const UNITS = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  function short(value) {
    const [size, unit] = UNITS.find(([one]) => value >= 0.9995 * one) ?? [1, ""];
    const number = value / size;
    return `${number >= 99.95 ? number.toFixed(0) : number.toFixed(number >= 9.995 ? 1 : 2)}${unit ? `\u202f${unit}` : ""}`;
  }

  // ---- losses that can be followed ---------------------------------------------------------------------------------------

  function follow(ways, shared, redraw) {
    const { words, layer, look, token, sequence } = shared;
    const able = ways.filter(({ losses }) => losses);
    const way = able.find(({ name }) => name === lineage.state.exp_way) ?? able[0];
    if (!way) return element("p", { class: "obj-note" }, words.follow_none);
    const pick = element("select", { id: "exp-follow" }, ...able.map((one) => element("option", { value: one.name }, nameOf(one, words))));
    pick.value = way.name;
    pick.addEventListener("change", () => {
      lineage.write("exp_way", pick.value);
      redraw();
      document.getElementById("exp-follow").focus();
    });
    const { kind, value, first, second } = way.losses.balance;
    const E = first.length;
    const of = ExpertPictures.plain(Math.round(first.reduce((total, f) => total + f, 0)));
    const shares = (name) => [fill(words[name], { sum: of }), words.head_p_mean, words.head_product];
    const names = { product: shares("head_f_product"), sequence: shares("head_f_sequence"), variation: [words.head_importance, words.head_load, ""] }[kind];
    const counts = first.map((f, e) => [e, f, second ? second[e] : "–", ...(kind === "variation" ? [] : [f * second[e]])]);
    const rows = counts.map(([e, ...values]) => [mark(e), ...values.map((value) => (typeof value === "number" ? value.toFixed(4) : value))]);
    const sum = kind === "variation" ? 0 : first.reduce((total, f, e) => total + f * second[e], 0);
    const told = kind === "variation"
      ? fill(words.follow_variation, { first: Routers.squaredVariation(first).toFixed(4), second: second ? Routers.squaredVariation(second).toFixed(4) : "0", value: value.toFixed(4) })
      : fill(kind === "product" ? words.follow_product : words.follow_sequence, { experts: E, sum: sum.toFixed(4), value: value.toFixed(4) });
    const own = way.name === "own" && !Object.keys(look.ran.bias).length && !look.ran.noise && !look.ran.chosen && !look.ran.capacity && layer.balance !== null;
    const logits = way.made.noisy[token];
    const most = Math.max(...logits);
    const lse = most + Math.log(logits.reduce((total, one) => total + Math.exp(one - most), 0));
    const coefficients = look.moe.aux_loss_coef || look.moe.z_loss_coef ? fill(words.follow_coefficients, { aux: look.moe.aux_loss_coef, z: look.moe.z_loss_coef, total: ExpertPictures.plain(look.moe.aux_loss_coef * value + look.moe.z_loss_coef * way.losses.z) }) : words.follow_no_coefficients;
    const checked = element("p", { class: "obj-note exp-same" }, own ? fill(words.follow_same, { balance: layer.balance.toFixed(5), z: layer.z.toFixed(5), off: ExpertPictures.tiny(Math.max(Math.abs(layer.balance - value), Math.abs(layer.z - way.losses.z))) }) : "");
    if (own) checked.dataset.off = String(Math.max(Math.abs(layer.balance - value), Math.abs(layer.z - way.losses.z)));
    const counted = kind === "sequence" && (layer.bias || way.rule.n_groups) ? [element("p", { class: "obj-note" }, fill(words.follow_counted, { k: way.uses }))] : [];
    const bias = look.rule.router === "sigmoid" || way.name === "deepseek_v3" ? element("p", { class: "obj-note" }, words.follow_bias) : "";
    const heads = [[words.head_expert], ...names.filter(Boolean).map((head) => [head, true])];
    const made = element("section", { "data-figure": "losses" }, element("h3", {}, words.follow_title), element("div", { class: "obj-row exp-token" }, element("label", { for: "exp-follow" }, words.follow_which), pick),
      element("p", { class: "obj-sentence" }, told), ...counted, element("p", {}, fill(words.follow_z, { token: sequence.labels[token], lse: ExpertPictures.minus(lse.toFixed(4)), square: (lse * lse).toFixed(4), value: way.losses.z.toFixed(4) })),
      element("p", {}, coefficients), checked, bias,
      MaskingParts.table(heads, rows, words.follow_table));
    ExpertPictures.offer(made, `losses-${way.name}`, heads, counts);
    return made;
  }

  return { mount, short };
})();
