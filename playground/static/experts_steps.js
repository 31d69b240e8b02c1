/* The section "steps" of the tab of experts: one router's choice stage by stage, from the logits of the pass, made anew in the
   browser when a slider moves. */

const ExpertSteps = (() => {
  const { element, fill } = lineage;
  const { svg, text, tip, canvas, figure, mark, percent, minus } = ExpertPictures;
  const RATE = 0.02; // of balance by a bias, where the model has none
  const MANY = 50; // steps at once

  function mount(panel, shared) {
    const { words } = shared;
    const result = element("div", { class: "exp-result" });
    let controls = null;
    let history = []; // the busiest expert's load over the mean, step by step of the bias

    function refresh() {
      shared.followLayer();
      if (shared.look.moe.mixing !== "routed") {
        panel.replaceChildren(element("p", { class: "obj-about" }, words.steps_mixed));
        return;
      }
      controls = build();
      panel.replaceChildren(element("p", { class: "obj-about" }, words.steps_about), tokenPick(shared), controls.box, result);
      redraw();
    }

    /** Draws what the settings lead to; asks the server for nothing. */
    function redraw() {
      const { layer, token } = shared;
      const settings = shared.settings();
      const made = shared.reroute(layer, settings);
      const isRun = Experts.settingsKey(settings) === Experts.settingsKey(shared.look.ran);
      result.replaceChildren(
        element("p", { class: "obj-sentence", "aria-live": "polite" }, sentence(made, shared, isRun)), check(made, shared, isRun),
        stages(made, shared, token), ...loadFigure(made, shared), balanceBox(made),
      );
      controls.again.disabled = isRun;
      controls.frozen.hidden = isRun;
    }

    function build() {
      const { moe, rule } = shared.look;
      const slider = (name, label, { min, max, step = 1, say, scale = 1 }) => {
        const id = `exp-${name}`;
        const input = element("input", { id, type: "range", min, max, step });
        input.value = String(Number(lineage.state[`exp_${name}`]) / scale);
        const told = element("output", { for: id }, say(Number(input.value)));
        input.addEventListener("input", () => {
          lineage.write(`exp_${name}`, Number(input.value) * scale);
          told.textContent = say(Number(input.value));
          redraw();
        });
        return element("div", { class: "exp-slider" }, element("label", { for: id }, label), input, told);
      };
      const own = rule.chosen;
      const k = slider("chosen", words.slider_k, { min: 0, max: moe.n_experts, say: (value) => (value ? String(value) : fill(words.as_model, { value: own })) });
      const most = shared.layer.ids.length;
      const capacity = slider("capacity", words.slider_capacity, { min: 0, max: Math.min(256, most), say: (value) => (value ? fill(words.tokens_number, { value }) : rule.capacity ? fill(words.as_model, { value: rule.capacity }) : words.no_limit) });
      const noise = slider("noise", words.slider_noise, { min: 0, max: 400, step: 10, say: (value) => fill(shared.layer.noise ? words.noise_trained : words.noise_spread, { value: (value / 100).toFixed(1) }) });
      const another = element("button", { type: "button" }, words.another_noise);
      another.addEventListener("click", () => {
        lineage.write("exp_seed", (Number(lineage.state.exp_seed) % 9_999) + 1);
        redraw();
      });
      const again = element("button", { type: "button", class: "primary" }, words.run_again);
      again.addEventListener("click", () => {
        again.disabled = true;
        shared.read(true);
      });
      const reset = element("button", { type: "button" }, words.reset);
      reset.addEventListener("click", () => {
        for (const [name, value] of [["exp_chosen", 0], ["exp_capacity", 0], ["exp_noise", 0], ["exp_bias", ""]]) lineage.write(name, value);
        history = [];
        shared.read(false);
      });
      const frozen = element("p", { class: "mask-note", hidden: "" }, element("span", {}, words.frozen));
      const box = element("div", { class: "exp-settings" }, k, capacity, noise, biasControl(), element("div", { class: "obj-row" }, another, again, reset), frozen);
      return { box, again, frozen };
    }

    /** One expert's bias at a time. */
    function biasControl() {
      const { moe, rule } = shared.look;
      const most = ["topk_softmax", "noisy_topk"].includes(rule.router) ? 3 : 1;
      const pick = element("select", { id: "exp-biased", "aria-label": words.bias_of }, ...Array.from({ length: moe.n_experts }, (_, e) => element("option", { value: String(e) }, fill(words.expert, { number: e }))));
      const input = element("input", { id: "exp-bias", type: "range", min: -most, max: most, step: 0.01, "aria-label": words.slider_bias });
      const told = element("output", { for: "exp-bias" });
      const show = () => {
        const value = shared.settings().bias[pick.value] ?? 0;
        input.value = String(value);
        told.textContent = `${value > 0 ? "+" : ""}${minus(value.toFixed(2))}`;
      };
      pick.addEventListener("change", show);
      input.addEventListener("input", () => {
        const bias = { ...shared.settings().bias, [pick.value]: Number(input.value) };
        lineage.write("exp_bias", Experts.biasText(bias));
        show();
        redraw();
      });
      show();
      return element("div", { class: "exp-slider exp-bias" }, element("label", { for: "exp-bias" }, words.slider_bias), pick, input, told);
    }

    /** Balance by a bias: each step lowers that of busy experts; the choice is made anew at once. */
    function balanceBox(made) {
      const { moe } = shared.look;
      const rate = moe.rate ?? RATE;
      const step = (times) => {
        let bias = new Array(moe.n_experts).fill(0).map((_, e) => shared.settings().bias[e] ?? 0);
        for (let i = 0; i < times; i += 1) {
          const now = shared.reroute(shared.layer, { ...shared.settings(), bias });
          const { counts } = Routers.load(now.takenIds, moe.n_experts);
          history.push(busiest(counts));
          bias = Routers.biasStep(bias, counts, rate);
        }
        lineage.write("exp_bias", Experts.biasText({ ...bias }));
        refresh();
      };
      const { counts } = Routers.load(made.takenIds, moe.n_experts);
      const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
      const own = shared.layer.bias;
      const edits = shared.settings().bias;
      const total = counts.map((_, e) => (own ? own[e] : 0) + (edits[e] ?? 0));
      const sign = (count) => (count > mean ? "−" : count < mean ? "+" : "0");
      const rows = counts.map((count, e) => [mark(e), count, mean.toFixed(1), sign(count), minus(total[e].toFixed(4))]);
      const heads = [[words.head_expert], [words.head_tokens, true], [words.head_mean, true], [words.head_sign, true], [words.head_bias, true]];
      const one = element("button", { type: "button" }, words.bias_step);
      const many = element("button", { type: "button" }, fill(words.bias_steps, { count: MANY }));
      one.addEventListener("click", () => step(1));
      many.addEventListener("click", () => step(MANY));
      const told = history.length ? fill(history.length === 1 ? words.bias_told_one : words.bias_told, { steps: history.length, before: history[0].toFixed(2), now: busiest(counts).toFixed(2) }) : fill(words.bias_now, { now: busiest(counts).toFixed(2) });
      const box = element("section", { class: "exp-balance", "data-figure": "bias" }, element("h3", {}, words.bias_title), element("p", { class: "obj-note" }, fill(moe.rate ? words.bias_about_own : words.bias_about, { rate })),
        element("div", { class: "obj-row" }, one, many), element("p", { class: "obj-sentence", "aria-live": "polite" }, told),
        MaskingParts.twin(words.table, MaskingParts.table(heads, rows, words.bias_title)));
      ExpertPictures.offer(box, "bias", heads, counts.map((count, e) => [e, count, mean, -Math.sign(count - mean), total[e]]));
      return box;
    }

    const busiest = (counts) => (Math.max(...counts) * counts.length) / Math.max(1, counts.reduce((sum, count) => sum + count, 0));

    return { refresh };
  }

  // ---- words -----------------------------------------------------------------------------------------------------------

  function sentence(made, shared, isRun) {
    const { words, layer, token, sequence } = shared;
    const told = made.ids[token].map((e, place) => `${e} (${made.takenIds[token][place] < 0 ? "×" : made.takenWeights[token][place].toFixed(3)})`).join(words.comma);
    const strongest = (ids, weights) => ids[weights.indexOf(Math.max(...weights))];
    const moved = layer.ids.filter((row, t) => strongest(row, layer.weights[t]) !== strongest(made.takenIds[t], made.takenWeights[t])).length;
    const dropped = Routers.load(made.takenIds, shared.look.moe.n_experts).dropped;
    return fill(isRun ? words.steps_sentence : words.steps_sentence_moved, { token: sequence.labels[token], layer: shared.layerName(layer), experts: told, moved, tokens: layer.ids.length, dropped });
  }

  /** How far the last stage is from what the pass itself used. */
  function check(made, shared, isRun) {
    const { words, layer } = shared;
    if (!isRun) return element("p", { class: "obj-note exp-check" }, words.check_moved);
    let worst = 0;
    let others = 0;
    layer.ids.forEach((row, t) => row.forEach((e, place) => {
      if (e !== made.takenIds[t][place]) others += 1;
      else worst = Math.max(worst, Math.abs(layer.weights[t][place] - made.takenWeights[t][place]));
    }));
    const note = element("p", { class: "obj-note exp-check" }, fill(words.check, { worst: ExpertPictures.tiny(worst), others, count: layer.ids.length * layer.k }));
    note.dataset.worst = String(worst);
    note.dataset.others = String(others);
    return note;
  }

  /** The token whose choice is shown. */
  function tokenPick(shared) {
    const { words, sequence, token, layer } = shared;
    const pick = element("select", { id: "exp-token" }, ...layer.ids.map((_, t) => element("option", { value: String(t) }, `${t + 1}  ${sequence.labels[t]}`)));
    pick.value = String(token);
    pick.addEventListener("change", () => shared.pickToken(Number(pick.value)));
    const before = element("button", { type: "button", "aria-label": words.token_before }, "‹");
    const after = element("button", { type: "button", "aria-label": words.token_after }, "›");
    before.addEventListener("click", () => shared.pickToken(Math.max(0, token - 1)));
    after.addEventListener("click", () => shared.pickToken(Math.min(layer.ids.length - 1, token + 1)));
    return element("div", { class: "obj-row exp-token" }, element("label", { for: "exp-token" }, words.token), pick, before, after);
  }

  // ---- the stages of one token -----------------------------------------------------------------------------------------

  /** The rows of the picture: a name, a number for each expert (null: none), and which experts count in it. */
  function rowsOf(made, shared, t) {
    const { words, look, layer } = shared;
    const { rule } = look;
    const settings = shared.settings();
    const E = rule.n_experts;
    const all = () => true;
    const chosen = (e) => made.ids[t].includes(e);
    const ofChosen = (row) => Array.from({ length: E }, (_, e) => (chosen(e) ? row[made.ids[t].indexOf(e)] : null));
    const rows = [{ name: words.stage_logits, values: layer.logits[t], counts: all }];
    if (settings.noise) rows.push({ name: words.stage_noise, values: made.noisy[t], counts: all });
    rows.push({ name: rule.router === "sigmoid" ? words.stage_sigmoid : words.stage_softmax, values: made.scores[t], counts: all });
    if (layer.bias || Object.keys(settings.bias).length) rows.push({ name: words.stage_bias, values: made.preference[t], counts: all });
    if (made.groups) rows.push({ name: fill(words.stage_groups, { kept: rule.n_groups_per_token, groups: rule.n_groups }), values: made.limited[t].map((value) => (value === -Infinity ? null : value)), counts: all });
    rows.push({ name: fill(words.stage_topk, { k: made.ids[t].length }), values: made.limited[t].map((value, e) => (chosen(e) ? value : null)), counts: chosen });
    const after = ["topk_softmax", "noisy_topk"].includes(rule.router);
    rows.push({ name: after ? words.stage_softmax_after : words.stage_raw, values: ofChosen(made.raw[t]), counts: chosen });
    if (rule.normalise) {
      const sum = made.raw[t].reduce((total, value) => total + value, 0) + 1e-20;
      rows.push({ name: words.stage_normalise, values: ofChosen(made.raw[t].map((value) => value / sum)), counts: chosen });
    }
    if (rule.weight_scale !== 1) rows.push({ name: fill(words.stage_scale, { scale: rule.weight_scale }), values: ofChosen(made.weights[t]), counts: chosen });
    const capacity = settings.capacity || rule.capacity;
    if (capacity) rows.push({ name: fill(words.stage_capacity, { capacity }), values: queue(made, t, E), counts: chosen, whole: true, full: (e) => !made.takenIds[t].includes(e) });
    rows.push({ name: words.stage_weights, values: ofChosen(made.takenWeights[t]), counts: chosen, last: true });
    return rows;
  }

  /** The place of a token in the queue of each expert that it chose. */
  function queue(made, token, E) {
    const places = new Array(E).fill(0);
    const own = new Array(E).fill(null);
    made.ids.slice(0, token + 1).forEach((row, t) => row.forEach((e) => {
      places[e] += 1;
      if (t === token) own[e] = places[e];
    }));
    return own;
  }

  function stages(made, shared, t) {
    const { words, look, sequence } = shared;
    const E = look.moe.n_experts;
    const rows = rowsOf(made, shared, t);
    const HIGH = 22; // of the tallest bar
    const wide = ExpertPictures.room();
    const narrow = E <= 24 && wide < 188 + 46 * E; // then a stage's name stands above its bars
    const LEFT = narrow ? 0 : 184, ABOVE = narrow ? 18 : 0, ROW = 40 + ABOVE;
    const CELL = E > 24 ? 14 : narrow ? Math.max(20, Math.floor((wide - 4) / E)) : Math.max(46, Math.min(72, Math.floor(664 / E)));
    const { picture, fillOf } = canvas(LEFT + E * CELL + 4, 26 + rows.length * ROW, words.stages_title);
    for (let e = 0; e < E; e += CELL < 20 ? 8 : 1) picture.append(text(LEFT + (e + 0.5) * CELL, 16, String(e), { "text-anchor": "middle", "font-weight": 600, style: "fill: var(--ink)" }));
    if (made.groups) for (let g = 1; g < look.rule.n_groups; g += 1) picture.append(svg("line", { x1: LEFT + (g * E * CELL) / look.rule.n_groups, x2: LEFT + (g * E * CELL) / look.rule.n_groups, y1: 4, y2: 26 + rows.length * ROW, style: "stroke: var(--rule-strong)", "stroke-dasharray": "3 3" }));
    rows.forEach(({ name, values, counts, whole, full, last }, place) => {
      const y = 26 + place * ROW + ABOVE;
      picture.append(text(0, y + (narrow ? -4 : 25), name, { style: "fill: var(--ink)", "font-weight": last ? 600 : 400 }), svg("line", { x1: 0, x2: LEFT + E * CELL, y1: y - ABOVE, y2: y - ABOVE, style: "stroke: var(--rule)" }));
      const real = values.filter((value) => value !== null);
      const low = Math.min(0, ...real), high = Math.max(...real, 1e-9);
      values.forEach((value, e) => {
        const x = LEFT + e * CELL;
        if (value === null) {
          picture.append(text(x + CELL / 2, y + 25, "·", { "text-anchor": "middle" }));
          return;
        }
        const height = Math.max(1, (Math.abs(value) / (high - low || 1)) * HIGH);
        const base = y + 38 - ((0 - low) / (high - low || 1)) * HIGH;
        picture.append(svg("rect", { x: x + 2, y: value < 0 ? base : base - height, width: CELL - 4, height, fill: fillOf(e, !counts(e) || full?.(e)), stroke: ExpertPictures.color(e), "stroke-width": 0.8 }, tip(`${name}: ${e}: ${value}`)));
        if (CELL > 25) picture.append(text(x + CELL / 2, y + 12, whole ? `${full(e) ? "✕ " : ""}${value}` : minus(value.toFixed(Math.abs(value) >= 10 ? 1 : CELL < 40 ? 2 : 3)), { "text-anchor": "middle", "font-size": CELL < 40 ? 10 : 11, style: "fill: var(--ink)" }));
      });
    });
    const winner = made.ids[t].reduce((one, other) => (made.preference[t][other] > made.preference[t][one] ? other : one));
    const margin = made.ids[t].length < E ? Math.min(...made.ids[t].map((e) => made.limited[t][e])) - Math.max(...made.limited[t].map((value, e) => (made.ids[t].includes(e) ? -Infinity : value))) : null;
    return figure({
      name: "stages", words, picture, title: fill(words.stages_title_of, { token: sequence.labels[t], layer: shared.layerName(shared.layer) }),
      sentence: fill(margin === null || !Number.isFinite(margin) ? words.stages_sentence_all : words.stages_sentence, { expert: winner, score: minus(made.preference[t][winner].toFixed(3)), margin: margin?.toFixed(4), k: made.ids[t].length }),
      heads: [[words.head_stage], ...Array.from({ length: E }, (_, e) => [fill(words.expert, { number: e }), true])],
      rows: rows.map(({ name, values }) => [name, ...values.map((value) => (value === null ? "–" : value))]),
    });
  }

  // ---- the load before and after ---------------------------------------------------------------------------------------

  function loadFigure(made, shared) {
    const { words, look, layer } = shared;
    const E = look.moe.n_experts;
    const before = Routers.load(layer.ids, E);
    const after = Routers.load(made.takenIds, E);
    const LEFT = 40, wide = Math.min(850, ExpertPictures.room()), CELL = E > 24 ? 14 : Math.max(16, Math.min(64, Math.floor((wide - 150) / E))), HIGH = 150;
    const most = Math.max(1, ...before.counts, ...after.counts);
    const all = after.counts.reduce((sum, count) => sum + count, 0);
    const even = all / E;
    const half = 1.96 * Math.sqrt((all / E) * (1 - made.ids[0].length / E));
    const { picture, fillOf } = canvas(LEFT + E * CELL + 110, HIGH + 34, words.load_title);
    const y = (count) => 8 + HIGH - 8 - ((HIGH - 24) * count) / most;
    picture.append(svg("rect", { x: LEFT, y: y(even + half), width: E * CELL, height: Math.max(0, y(Math.max(0, even - half)) - y(even + half)), style: "fill: var(--rule)", opacity: 0.6 }, tip(words.band)),
      svg("line", { x1: LEFT, x2: LEFT + E * CELL, y1: y(even), y2: y(even), style: "stroke: var(--ink-soft)", "stroke-dasharray": "4 4" }),
      text(LEFT + E * CELL + 6, y(even) + 4, fill(words.even_load, { even: even.toFixed(1) })));
    after.counts.forEach((count, e) => {
      const x = LEFT + e * CELL;
      picture.append(svg("rect", { x: x + 3, y: y(count), width: CELL - 6, height: y(0) - y(count), fill: fillOf(e) }, tip(fill(words.load_tip, { expert: e, count, before: before.counts[e] }))),
        svg("line", { x1: x + 1, x2: x + CELL - 1, y1: y(before.counts[e]), y2: y(before.counts[e]), style: "stroke: var(--ink)", "stroke-width": 2 }));
      if (CELL > 15) picture.append(text(x + CELL / 2, y(count) - 4, String(count), { "text-anchor": "middle", "font-size": 11, style: "fill: var(--ink)" }));
      if (CELL > 15 || e % 8 === 0) picture.append(text(x + CELL / 2, HIGH + 18, String(e), { "text-anchor": "middle", style: "fill: var(--ink)" }));
    });
    const outside = after.counts.filter((count) => Math.abs(count - even) > half).length;
    return [figure({
      name: "load", words, picture, title: fill(words.load_title_of, { layer: shared.layerName(layer) }),
      sentence: fill(words.load_sentence, { outside, experts: E, dropped: after.dropped, share: percent(after.dropped / Math.max(1, all + after.dropped)), entropy: Routers.entropy(after.counts).toFixed(2), before: Routers.entropy(before.counts).toFixed(2) }),
      heads: [[words.head_expert], [words.head_now, true], [words.head_in_pass, true]],
      rows: after.counts.map((count, e) => [fill(words.expert, { number: e }), count, before.counts[e]]),
    })];
  }

  return { mount };
})();
