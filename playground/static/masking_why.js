/* Why [MASK] hurts: the same place with and without it, and two places that BERT predicts each for itself. */

const MaskingWhy = (() => {
  const { element, fill, grouped } = lineage;
  const { percent, row, table, twin, svg } = MaskingParts;
  const { said } = MaskingSteps;
  const LOOKS = ["seen", "mask", "random"];
  const WAYS = ["alone", "forward", "backward", "difference"];
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const two = (value) => value.toFixed(2);
  const SMALL = 0.01; // a fall of one percentage point
  const LIKELY = 0.1;
  const points = (value) => Math.abs(100 * value).toFixed(1);
  const signed = (value) => (points(value) === "0.0" ? "0.0" : `${value > 0 ? "+" : "−"}${points(value)}`);

  /** A place for what the server is still to say, which `draw(view, reply)` makes elements of; what it refuses can be asked
      for again. */
  function later(view, question, draw) {
    const place = element("div", { class: "mask-content" });
    const ask = () => {
      place.replaceChildren(element("p", { class: "obj-note" }, view.words.waiting));
      view.more(...question, (reply) => place.replaceChildren(...(reply ? draw(view, reply) : [again])));
    };
    const again = element("button", { type: "button" }, view.words.ask_again);
    again.addEventListener("click", ask);
    ask();
    return place;
  }

  // ---- without [MASK] --------------------------------------------------------------------------------------------------

  function looks(view) {
    return [later(view, ["mask_looks", "", {}], looked)];
  }

  function looked(view, { rows }) {
    const { payload, words } = view;
    const one = rows[MaskingAnswers.looked(payload)];
    const drawn = new Set(rows.map(({ position }) => position));
    const line = row(payload.tokens, { label: words.row_seen, at: one.position, may: (position) => drawn.has(position), pick: (position) => view.choose("mask_at", position),
      dress(span, position) {
        span.classList.add(payload.kinds[position] === "s" ? "mark" : "plain-token");
        if (drawn.has(position)) span.classList.add("drawn");
      } });
    const [masked, random] = one.cosines.map((alike) => alike.at(-1));
    const values = { token: one.true, seen: percent(one.looks[0].p), masked: percent(one.looks[1].p), random: percent(one.looks[2].p), drawn: one.drawn,
      cosine: two(masked), cosine_random: two(random), others: one.others[0].toFixed(3) };
    const heads = [[words.look], [words.p_true, true], [words.rank, true], [words.likeliest], [words.cosine_last, true], [words.cosine_others, true]];
    const body = LOOKS.map((name, index) => [fill(words[`look_${name}`], values), percent(one.looks[index].p), grouped(one.looks[index].rank),
      one.looks[index].top.map(([token, p]) => `${token} ${percent(p)}`).join(" · "), index ? two(one.cosines[index - 1].at(-1)) : "1.00", index ? one.others[index - 1].toFixed(3) : "1.000"]);
    const average = { all: rows.length, seen: percent(mean(rows.map((each) => each.looks[0].p))), masked: percent(mean(rows.map((each) => each.looks[1].p))),
      random: percent(mean(rows.map((each) => each.looks[2].p))), cosine: two(mean(rows.map((each) => each.cosines[0].at(-1)))), cosine_random: two(mean(rows.map((each) => each.cosines[1].at(-1)))) };
    const layers = one.cosines[0].map((value, index) => [index ? fill(words.after_layer, { layer: index }) : words.before_layers, two(value), two(one.cosines[1][index])]);
    return [said(fill(words.said_looks, values)), line, element("p", { class: "obj-note" }, words.drawn_only), table(heads, body, fill(words.table_looks, { position: one.position })), element("p", {}, fill(words.said_looks_all, average)),
      element("h3", {}, words.layers_title), layerChart(one, words),
      twin(words.as_table, table([[words.layer], [words.look_mask_short, true], [words.look_random_short, true]], layers, words.table_layers))];
  }

  /** How alike the vector is to that of the seen token, layer by layer. */
  function layerChart(one, words) {
    const [width, height, left, bottom, top] = [640, 248, 40, 48, 32];
    const last = one.cosines[0].length - 1;
    const lowest = Math.min(0, ...one.cosines.flat());
    const x = (index) => left + (index / last) * (width - left - 120);
    const y = (value) => top + (1 - (value - lowest) / (1 - lowest)) * (height - bottom - top);
    const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "mask-chart", role: "img",
      "aria-label": fill(words.chart_label, { first: two(one.cosines[0][0]), last: two(one.cosines[0].at(-1)) }) });
    const axes = [[words.cosine, { x: 0, y: 13 }], [words.layer, { x: x(last / 2), y: height - 6, "text-anchor": "middle" }]];
    for (const [name, at] of axes) {
      const text = svg("text", at);
      text.textContent = name;
      chart.append(text);
    }
    for (const value of [...new Set([lowest, 0, 0.5, 1])]) {
      const text = svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" });
      text.textContent = two(value);
      chart.append(svg("line", { x1: left, x2: x(last), y1: y(value), y2: y(value), class: "grid" }), text);
    }
    one.cosines[0].forEach((_, index) => {
      const text = svg("text", { x: x(index), y: height - 28, "text-anchor": "middle" });
      text.textContent = String(index);
      chart.append(text);
    });
    const ends = one.cosines.map((values) => y(values.at(-1)));
    const apart = Math.abs(ends[0] - ends[1]) < 16 ? (ends[0] <= ends[1] ? [-8, 8] : [8, -8]) : [0, 0];
    one.cosines.forEach((values, which) => {
      const points = values.map((value, index) => `${x(index)},${y(value)}`).join(" ");
      const name = svg("text", { x: x(last) + 8, y: ends[which] + 4 + apart[which], class: `line-${which}` });
      name.textContent = which ? words.look_random_short : words.look_mask_short;
      chart.append(svg("polyline", { points, class: `line-${which}` }), name);
    });
    return chart;
  }

  // ---- two at once -------------------------------------------------------------------------------------------------------

  function joint(view) {
    const { payload, words } = view;
    if (!payload.two) return [said(words.too_short_for_two)];
    const wanted = lineage.state.mask_two || payload.two.join(",");
    return [later(view, ["mask_joint", wanted, { two: wanted }], together)];
  }

  function together(view, reply) {
    const { payload, words } = view;
    const { places } = reply;
    const line = row(payload.tokens, { label: words.row_two, at: places[0], may: (position) => payload.kinds[position] !== "s",
      pick(position) {
        if (places.includes(position)) return;
        const kept = view.newest && places.includes(view.newest) ? view.newest : places[1];
        view.newest = position;
        view.choose("mask_two", [kept, position].sort((one, other) => one - other).join(","));
      },
      dress(span, position) {
        span.classList.add(payload.kinds[position] === "s" ? "mark" : "plain-token");
        if (places.includes(position)) span.classList.add("drawn", "fate-mask");
        if (span.tagName === "BUTTON") span.setAttribute("aria-pressed", String(places.includes(position)));
      } });
    const way = lineage.state.mask_way;
    const cells = { ...reply, difference: reply.forward.map((values, a) => values.map((value, b) => value - reply.alone[a][b])) };
    const grid = element("div", {});
    const show = (name) => {
      lineage.write("mask_way", name);
      grid.replaceChildren(pairTable(reply, cells[name], name, words));
    };
    const choose = lineage.choice("mask-way", words.ways, WAYS.map((name) => [name, words[`way_${name}`]]), way, show);
    show(way);
    const [a, b] = reply.truth;
    const truth = { first: reply.first[a][0], second: reply.second[b][0] };
    const rows = ["alone", "forward", "backward"].map((name) => [words[`way_${name}`], percent(reply[name][a][b]), two(-Math.log(reply[name][a][b]))]);
    return [...sentences(reply, words).map((text, index) => (index ? element("p", {}, text) : said(text))), element("p", { class: "obj-note" }, words.two_how), line, choose, grid,
      table([[words.way], [words.p_pair, true], [words.loss, true]], rows, fill(words.table_truth, truth))];
  }

  function sentences(reply, words) {
    const best = (values) => {
      let found = [0, 0];
      values.forEach((line, a) => line.forEach((value, b) => { if (value > values[found[0]][found[1]]) found = [a, b]; }));
      return found;
    };
    const [a, b] = best(reply.alone);
    const values = { first: reply.first[a][0], second: reply.second[b][0], p_first: percent(reply.first[a][1]), p_second: percent(reply.second[b][1]), alone: percent(reply.alone[a][b]),
      after: percent(reply.forward[a][b] / reply.first[a][1]), forward: percent(reply.forward[a][b]) };
    const [c, d] = best(reply.forward);
    const found = [fill(words.said_joint, values)];
    const chained = { first: reply.first[c][0], second: reply.second[d][0], forward: percent(reply.forward[c][d]), alone: percent(reply.alone[c][d]) };
    found.push(fill(c === a && d === b ? words.said_chain_same : words.said_chain, chained));
    const [e, g] = best(reply.alone.map((line, one) => line.map((value, other) => value - reply.forward[one][other])));
    found.push(fallOf(reply, e, g, words));
    const apart = Math.max(...reply.forward.flatMap((line, row_) => line.map((value, column) => Math.abs(value - reply.backward[row_][column]))));
    found.push(fill(words.said_orders, { points: points(apart) }));
    return found;
  }

  /** What is true of the pair that falls most. Only a fall that can be seen is one, and only of two tokens that are each
      likely can it be said that they do not go together. */
  function fallOf({ first, second, alone, forward }, a, b, words) {
    const [before, after] = [alone[a][b], forward[a][b]];
    const values = { first: first[a][0], second: second[b][0], alone: percent(before), forward: percent(after), p_first: percent(first[a][1]), p_second: percent(second[b][1]) };
    if (before - after < SMALL) return fill(words.said_no_fall, { points: points(SMALL) });
    const apart = Math.min(first[a][1], second[b][1]) >= LIKELY && after < before / 2;
    return fill(apart ? words.said_apart : words.said_falls, values);
  }

  function pairTable(reply, cells, name, words) {
    const most = Math.max(...cells.flat().map(Math.abs), 1e-12);
    const heads = [[fill(words.pair_corner, { one: reply.places[0], other: reply.places[1] })], ...reply.second.map(([token, p]) => [`${token} ${percent(p)}`, true])];
    const rows = reply.first.map(([token, p], a) => [`${token} ${percent(p)}`, ...cells[a].map((value, b) => {
      const cell = element("span", { class: `mask-cell${value < 0 ? " below" : ""}${a === reply.truth[0] && b === reply.truth[1] ? " truth" : ""}` }, name === "difference" ? signed(value) : percent(value));
      cell.style.setProperty("--p", String(Math.abs(value) / most));
      return cell;
    })]);
    return table(heads, rows, words[`table_${name}`]);
  }

  return { views: { looks, joint } };
})();
