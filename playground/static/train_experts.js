/* Where the tokens of a mixture go: for each layer a column for each expert, now and over time. */

const TrainExperts = (() => {
  const { element, fill, grouped } = lineage;
  const DEAD = 0.1; // of an even share
  const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}\u202f%`;

  /** How many experts get less than a tenth of an even share, of how many, and the most that one gets, in even shares. */
  function figures(load) {
    const shares = load[1].flatMap((layer) => layer.map((share) => share * layer.length));
    return { dead: shares.filter((share) => share < DEAD).length, count: shares.length, most: Math.max(...shares) };
  }

  /** What a layer is called that the model has under `path`: the numbers are the model's, in which dense layers count too. */
  function layerName(path, words) {
    const [, stack, kind, index] = path.match(/(encoder\.|decoder\.)?(layers|mtp)\.(\d+)/);
    const names = { "encoder.": words.encoder_layer, "decoder.": words.decoder_layer };
    return fill(kind === "mtp" ? words.further_layer : names[stack] ?? words.layer, { number: Number(index) + 1 });
  }

  /** The part of a view that shows loads; `draw(loads, layers, title)` renews it: `layers` are the paths of those with experts,
      `title` names the design where there are several. */
  function part(words, balances) {
    const bars = element("div", { class: "train-layers" });
    const select = element("select", { id: `train-layer-${Math.random().toString(36).slice(2, 8)}` });
    const plot = element("div", { class: "train-plot", role: "img", "aria-label": words.load_over_time });
    const counted = element("p", { class: "train-note" });
    const now = twin(words.loads_table, words.loads);
    const overTime = twin(words.load_over_time_table, words.load_over_time);
    const ways = Object.fromEntries(balances);
    const choice = element("p", { class: "train-row" }, element("label", { for: select.id }, words.load_over_time), select);
    const heading = element("h3", {}, words.loads);
    const box = element("section", { class: "train-loads", hidden: "" }, heading,
      element("p", { class: "train-note" }, words.loads_about), counted, bars, now, choice, plot, overTime);
    let loads = [];
    select.addEventListener("change", drawLayer);

    /** The shares of one layer over time, as a chart and as a table. */
    function drawLayer() {
      const layer = Number(select.value);
      TrainChart.shares(plot, loads, layer, words, balances);
      const rows = loads.map(([tokens, layers, way]) => [grouped(tokens), ...layers[layer].map(percent), ways[way] ?? "–"]);
      overTime.lastChild.replaceChildren(grid([words.axis_tokens, ...experts(loads[0][1][layer], words), words.balance], rows));
    }

    function draw(newest, layers, title) {
      loads = newest;
      box.hidden = !loads.length;
      if (!loads.length) return;
      heading.textContent = title ? fill(words.loads_of, { name: title }) : words.loads;
      const last = loads.at(-1)[1];
      const names = layers.map((path) => layerName(path, words));
      if ([...select.options].map(({ text }) => text).join() !== names.join()) {
        select.replaceChildren(...names.map((name, index) => element("option", { value: String(index) }, name)));
        select.value = String(last.length - 1);
      }
      const most = Math.max(2 / last[0].length, ...last.flat()); // one scale for all layers
      const tokens = loads.at(-1)[0] - (loads.at(-2)?.[0] ?? 0);
      counted.textContent = fill(words.loads_counted, { tokens: grouped(tokens), share: percent(most) });
      bars.replaceChildren(...last.map((layer, index) => columns(layer, most, names[index], words)));
      now.lastChild.replaceChildren(grid([words.loads, ...experts(last[0], words)], last.map((layer, index) => [names[index], ...layer.map(percent)])));
      drawLayer();
    }

    return { box, draw };
  }

  /** A picture's table twin, empty. */
  const twin = (title, name) => element("details", {}, element("summary", {}, title),
    element("div", { class: "train-scroll", tabindex: "0", role: "region", "aria-label": name }));

  const experts = (layer, words) => layer.map((_, expert) => fill(words.expert, { number: expert + 1 }));

  function columns(layer, most, name, words) {
    const range = { name, least: percent(Math.min(...layer)), most: percent(Math.max(...layer)) };
    const chart = element("div", { class: "train-bars" });
    chart.style.setProperty("--even", `${100 / layer.length / most}%`);
    layer.forEach((share, expert) => {
      const bar = element("span", { class: share * layer.length < DEAD ? "train-bar dead" : "train-bar" });
      bar.style.setProperty("--share", `${(100 * share) / most}%`);
      bar.title = fill(words.expert_load, { number: expert + 1, share: percent(share) });
      chart.append(bar);
    });
    const told = layer.map((share, expert) => fill(words.expert_load, { number: expert + 1, share: percent(share) })).join("; ");
    return element("figure", { role: "img", "aria-label": `${name}. ${told}` }, chart, element("figcaption", {}, fill(words.load_range, range)));
  }

  function grid(heads, rows) {
    const head = element("tr", {}, ...heads.map((name, index) => element("th", { scope: "col", class: index ? "number" : "" }, name)));
    const body = rows.map(([name, ...cells]) => element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", { class: "number" }, cell))));
    return element("table", { class: "ruled" }, element("thead", {}, head), element("tbody", {}, ...body));
  }

  return { part, figures };
})();
