/* The section "board" of the tab of experts: where the tokens of the pass went, and what each expert gets. */

const ExpertBoard = (() => {
  const { element, fill } = lineage;
  const { svg, text, tip, canvas, figure, legend, percent } = ExpertPictures;
  const RUNNERS_UP = 2;

  /** Fills the panel; `refresh` draws it anew. */
  function mount(panel, shared) {
    const { words } = shared;
    function refresh() {
      shared.followLayer();
      const loads = shared.look.layers.map((layer) => ({ layer, ...shared.loadOf(layer) }));
      panel.replaceChildren(
        element("p", { class: "obj-sentence exp-headline" }, headline(loads, shared)),
        chips(shared), path(shared), byToken(shared), ...ExpertLoads.figures(loads, shared), ExpertHabits.box(shared),
      );
    }

    return { refresh };
  }

  function headline(loads, shared) {
    const { words, look, layer } = shared;
    const { counts, dropped } = loads[shared.at];
    const all = counts.reduce((sum, count) => sum + count, 0);
    if (shared.usesAll) return fill(words.headline_mixed, { experts: look.moe.n_experts, tokens: layer.ids.length });
    const busiest = counts.indexOf(Math.max(...counts));
    const dead = loads.reduce((sum, one) => sum + one.counts.filter((count) => !count).length, 0);
    return fill(words.headline, {
      layer: shared.layerName(layer), tokens: layer.ids.length, chosen: layer.k, experts: look.moe.n_experts, busiest,
      times: ((counts[busiest] * look.moe.n_experts) / Math.max(1, all)).toFixed(1), dead, places: loads.length * look.moe.n_experts, dropped,
    });
  }

  // ---- tokens as chips -------------------------------------------------------------------------------------------------

  const topOf = (layer, token) => {
    const place = layer.weights[token].indexOf(Math.max(...layer.weights[token]));
    return layer.ids[token][place];
  };

  function chips(shared) {
    const { words, layer, sequence } = shared;
    const list = element("div", { class: "exp-chips", role: "listbox", "aria-label": words.chips, dir: "auto" });
    const options = layer.ids.map((_, token) => {
      const expert = topOf(layer, token);
      const label = sequence.labels[token];
      const starts = label.startsWith("␣") && label.length > 1; // the space before a word is room, not a sign
      const number = element("span", { class: "exp-number" }, expert < 0 ? "–" : String(expert));
      const option = element("span", {
        role: "option", class: `exp-chip ${expert < 0 ? "none" : ExpertPictures.pattern(expert)}${starts ? " starts" : ""}`, "aria-selected": String(token === shared.token), tabindex: token === shared.token ? "0" : "-1",
        "aria-label": fill(expert < 0 ? words.chip_none : words.chip, { token: label, expert, weight: percent(Math.max(...layer.weights[token]) / shared.look.rule.weight_scale) }),
      }, element("span", { class: "exp-word" }, starts ? label.slice(1) : label), number);
      if (expert >= 0) option.style.setProperty("--hue", ExpertPictures.color(expert));
      option.addEventListener("click", () => shared.pickToken(token));
      return option;
    });
    list.append(...options);
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      shared.pickToken(Math.min(Math.max(shared.token + step, 0), options.length - 1));
      document.querySelector(".exp-chips [aria-selected=true]").focus();
    });
    return element("section", { "data-figure": "chips" }, element("h3", {}, fill(words.chips_title, { layer: shared.layerName(layer) })),
      element("p", { class: "obj-note" }, words.chips_note), legend(shared.look.moe.n_experts, words), list);
  }

  // ---- one token through all layers ------------------------------------------------------------------------------------

  /** The experts of a token in one layer, the chosen ones first; those behind them with the weight that they would have had. */
  function contenders(layer, token, shared) {
    const { rule, moe } = shared.look;
    const chosen = layer.ids[token].map((expert, place) => ({ expert, weight: layer.weights[token][place], chosen: true })).filter(({ expert }) => expert >= 0);
    if (moe.mixing !== "routed") return chosen.sort((one, other) => other.weight - one.weight).slice(0, 4);
    const made = shared.stepsOf(layer);
    const afterwards = ["topk_softmax", "noisy_topk"].includes(rule.router); // softmax after the choice
    const most = Math.max(...made.noisy[token]);
    const value = (expert) => (afterwards ? Math.exp(made.noisy[token][expert] - most) : made.scores[token][expert]);
    const whole = rule.normalise || afterwards ? made.ids[token].reduce((sum, expert) => sum + value(expert), 0) : 1;
    const taken = new Set(layer.ids[token]);
    const behind = Routers.best(made.limited[token], moe.n_experts).filter((expert) => !taken.has(expert) && made.limited[token][expert] > -Infinity).slice(0, RUNNERS_UP);
    return [...chosen, ...behind.map((expert) => ({ expert, weight: (value(expert) / whole) * rule.weight_scale, chosen: false }))];
  }

  function path(shared) {
    const { words, look, sequence, token } = shared;
    const layers = look.layers.filter((layer) => layer.sequence === shared.layer.sequence && token < layer.ids.length);
    const found = layers.map((layer) => ({ layer, list: contenders(layer, token, shared) }));
    const most = Math.max(...found.flatMap(({ list }) => list.map(({ weight }) => weight)), 1e-9);
    const hasShared = layers.some((layer) => layer.shared);
    // On a narrow page a layer's name stands above its bars, and the shared experts' part below them.
    const wide = ExpertPictures.room();
    const narrow = wide < 680;
    const LINE = 20, ABOVE = narrow ? LINE : 0, BELOW = narrow && hasShared ? LINE : 0;
    const LEFT = narrow ? 28 : 128, BAR = narrow ? wide - LEFT - 60 : 320, RIGHT = narrow ? 56 : hasShared ? 230 : 80;
    const height = found.reduce((sum, { list }) => sum + ABOVE + Math.max(1, list.length) * LINE + BELOW + 14, 26);
    const { picture, fillOf } = canvas(LEFT + BAR + RIGHT, height, words.path_title);
    picture.append(text(narrow ? 0 : LEFT, 14, narrow ? words.path_weight_short : words.path_weight));
    if (hasShared && !narrow) picture.append(text(LEFT + BAR + 60, 14, words.path_shared));
    const rows = [];
    let y = 26;
    for (const { layer, list } of found) {
      picture.append(text(0, y + 14, shared.layerName(layer), { style: "fill: var(--ink)" }));
      y += ABOVE;
      if (!list.length) picture.append(text(LEFT, y + 14, words.path_dropped));
      list.forEach(({ expert, weight, chosen }, place) => {
        const at = y + place * LINE;
        const width = Math.max(1, (BAR * weight) / most);
        picture.append(
          text(LEFT - 6, at + 14, String(expert), { "text-anchor": "end" }),
          svg("rect", { x: LEFT, y: at + 2, width, height: LINE - 5, fill: fillOf(expert, !chosen), stroke: ExpertPictures.color(expert), "stroke-width": chosen ? 0 : 1, class: chosen ? "chosen" : "runner-up" },
            tip(fill(chosen ? words.path_tip : words.path_tip_behind, { expert, weight: weight.toFixed(4) }))),
          text(LEFT + width + 5, at + 14, weight.toFixed(3)),
        );
        rows.push([shared.layerName(layer), expert, chosen ? words.chosen : words.runner_up, weight]);
      });
      if (layer.shared) {
        const share = layer.shared[token];
        const at = narrow ? LEFT : LEFT + BAR + 60;
        const line = narrow ? y + Math.max(1, list.length) * LINE : y;
        picture.append(svg("rect", { x: at, y: line + 2, width: 100, height: LINE - 5, style: "fill: var(--paper-sunk); stroke: var(--rule-strong)" }),
          svg("rect", { x: at, y: line + 2, width: 100 * share, height: LINE - 5, style: "fill: var(--kind-ffn)", class: "shared" }), text(at + 106, line + 14, narrow ? `${percent(share)} ${words.shared}` : percent(share)));
        rows.push([shared.layerName(layer), words.shared, words.share_of_length, share]);
      }
      y += Math.max(1, list.length) * LINE + BELOW + 14;
    }
    const tops = found.filter(({ list }) => list.length).map(({ list }) => list[0]);
    const strongest = tops.length ? Math.max(...tops.map(({ weight }) => weight)) : 0;
    const dropped = found.filter(({ list }) => !list.some(({ chosen }) => chosen)).length;
    return figure({
      more: ruleNotes(shared).map((note) => element("p", { class: "obj-note" }, note)),
      name: "path", words, picture, rows, title: fill(words.path_title_of, { token: sequence.labels[token], place: token + 1 }),
      sentence: fill(words.path_sentence, { token: sequence.labels[token], experts: tops.map(({ expert }) => expert).join(" → "), layers: found.length, weight: strongest.toFixed(2), dropped }),
      heads: [[words.head_layer], [words.head_expert], [words.head_role], [words.head_weight, true]],
    });
  }

  /** Why weights may be above 1, and runners-up above those that were chosen. */
  function ruleNotes({ words, look: { rule }, layer }) {
    const list = [...(layer.bias ? [words.choice_bias] : []), ...(rule.n_groups ? [fill(words.choice_groups, { kept: rule.n_groups_per_token, groups: rule.n_groups })] : [])];
    return [...(rule.weight_scale === 1 ? [] : [fill(words.path_scale, { scale: rule.weight_scale })]), ...(list.length ? [fill(words.path_choice, { list: list.join(words.comma) })] : [])];
  }

  // ---- experts × tokens ------------------------------------------------------------------------------------------------

  function byToken(shared) {
    const { words, layer, sequence, token } = shared;
    const { n_experts: E } = shared.look.moe;
    const T = layer.ids.length;
    const LEFT = 32, PAST = 24; // the last number stands past its column
    const CELL = Math.max(5, Math.min(16, Math.floor((Math.min(960, ExpertPictures.room()) - LEFT - PAST) / T))), ROW = E > 32 ? 8 : 16;
    const { picture, fillOf } = canvas(LEFT + T * CELL + PAST, E * ROW + 34, words.tokens_title);
    const most = Math.max(...layer.weights.flat(), 1e-9);
    picture.append(svg("rect", { x: LEFT, y: 0, width: T * CELL, height: E * ROW, style: "fill: var(--paper-sunk)" }));
    for (let e = 0; e < E; e += E > 32 ? 8 : 1) picture.append(text(LEFT - 6, e * ROW + (ROW > 12 ? 13 : 8), String(e), { "text-anchor": "end", "font-size": 11 }));
    layer.ids.forEach((row, t) => row.forEach((expert, place) => {
      const weight = layer.weights[t][place];
      if (expert < 0 || weight < 0.002 * most) return;
      picture.append(svg("rect", { x: LEFT + t * CELL, y: expert * ROW + 1, width: CELL - 1, height: ROW - 2, fill: fillOf(expert), opacity: (0.25 + 0.75 * (weight / most)).toFixed(3), "data-token": t },
        tip(fill(words.cell, { token: sequence.labels[t], expert, weight: weight.toFixed(3) }))));
    }));
    layer.ids.forEach((row, t) => {
      if (row.includes(-1)) picture.append(text(LEFT + (t + 0.5) * CELL, E * ROW + 12, "×", { "text-anchor": "middle", "font-size": 11 }));
    });
    picture.append(svg("rect", { x: LEFT + token * CELL - 1, y: 0, width: CELL + 1, height: E * ROW, fill: "none", style: "stroke: var(--ink)", "stroke-width": 1.5 }));
    for (let t = 0; t < T; t += Math.max(1, Math.round(T / 12))) picture.append(text(LEFT + t * CELL, E * ROW + 28, String(t + 1), { "font-size": 11 }));
    picture.addEventListener("click", (event) => {
      const { left, width } = picture.getBoundingClientRect();
      const t = Math.floor((((event.clientX - left) / width) * (LEFT + T * CELL + PAST) - LEFT) / CELL);
      if (t >= 0 && t < T) shared.pickToken(t);
    });
    const same = layer.ids.filter((row, t) => t > 0 && topOf(layer, t) === topOf(layer, t - 1)).length;
    const even = expectedRepeats(layer, E);
    return figure({
      name: "tokens", words, picture, title: fill(words.tokens_title_of, { layer: shared.layerName(layer) }),
      sentence: fill(words.tokens_sentence, { same: percent(same / Math.max(1, T - 1)), even: percent(even) }),
      heads: [[words.head_token], [words.head_place, true], [words.head_experts], [words.head_weights]],
      rows: layer.ids.map((row, t) => [sequence.labels[t], t + 1, row.map((e) => (e < 0 ? "×" : e)).join(" "), layer.weights[t].map((w) => w.toFixed(4)).join(" ")]),
    });
  }

  /** How often two tokens at random share their top expert, given how many go where. */
  function expectedRepeats(layer, E) {
    const counts = new Array(E + 1).fill(0);
    layer.ids.forEach((_, t) => { counts[topOf(layer, t) + 1] += 1; });
    const T = layer.ids.length;
    return T < 2 ? 0 : counts.reduce((sum, count) => sum + count * (count - 1), 0) / (T * (T - 1));
  }

  return { mount };
})();
