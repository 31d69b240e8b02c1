/* Where the tokens of a mixture go: for each layer a column for each expert, now and over time. */

const TrainExperts = (() => {
  const { element, fill } = lineage;
  const DEAD = 0.1; // of an even share
  const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}\u202f%`;

  /** How many experts get less than a tenth of an even share, of how many, and the most that one gets, in even shares. */
  function figures(load) {
    const shares = load[1].flatMap((layer) => layer.map((share) => share * layer.length));
    return { dead: shares.filter((share) => share < DEAD).length, count: shares.length, most: Math.max(...shares) };
  }

  /** The part of a view that shows loads; `draw(loads, layers, words)` renews it. */
  function part(words, balances) {
    const bars = element("div", { class: "train-layers" });
    const select = element("select", { id: `train-layer-${Math.random().toString(36).slice(2, 8)}` });
    const plot = element("div", { class: "train-plot", role: "img", "aria-label": words.load_over_time });
    const table = element("details", {}, element("summary", {}, words.table), element("div", { class: "train-scroll", tabindex: "0", role: "region", "aria-label": words.loads }));
    const choice = element("p", { class: "train-row" }, element("label", { for: select.id }, words.load_over_time), select);
    const box = element("section", { class: "train-loads", hidden: "" }, element("h3", {}, words.loads),
      element("p", { class: "train-note" }, words.loads_about), bars, choice, plot, table);
    let loads = [];
    select.addEventListener("change", () => TrainChart.shares(plot, loads, Number(select.value), words, balances));

    function draw(newest) {
      loads = newest;
      box.hidden = !loads.length;
      if (!loads.length) return;
      const last = loads.at(-1)[1];
      if (select.options.length !== last.length) {
        select.replaceChildren(...last.map((_, index) => element("option", { value: String(index) }, fill(words.layer, { number: index + 1 }))));
        select.value = String(last.length - 1);
      }
      bars.replaceChildren(...last.map((layer, index) => columns(layer, index, words)));
      table.lastChild.replaceChildren(grid(last, words));
      TrainChart.shares(plot, loads, Number(select.value), words, balances);
    }

    return { box, draw };
  }

  function columns(layer, index, words) {
    const most = Math.max(2 / layer.length, ...layer);
    const chart = element("div", { class: "train-bars" });
    chart.style.setProperty("--even", `${100 / layer.length / most}%`);
    layer.forEach((share, expert) => {
      const bar = element("span", { class: share * layer.length < DEAD ? "train-bar dead" : "train-bar" });
      bar.style.setProperty("--share", `${(100 * share) / most}%`);
      bar.title = fill(words.expert_load, { number: expert + 1, share: percent(share) });
      chart.append(bar);
    });
    const told = layer.map((share, expert) => fill(words.expert_load, { number: expert + 1, share: percent(share) })).join("; ");
    const name = fill(words.layer, { number: index + 1 });
    const picture = element("figure", { role: "img", "aria-label": `${name}. ${told}` }, chart, element("figcaption", {}, name));
    return picture;
  }

  function grid(layers, words) {
    const head = element("tr", {}, element("th", { scope: "col" }, ""), ...layers[0].map((_, expert) => element("th", { scope: "col", class: "number" }, fill(words.expert, { number: expert + 1 }))));
    head.firstChild.textContent = words.loads;
    const rows = layers.map((layer, index) => element("tr", {}, element("th", { scope: "row" }, fill(words.layer, { number: index + 1 })),
      ...layer.map((share) => element("td", { class: "number" }, percent(share)))));
    return element("table", { class: "ruled" }, element("thead", {}, head), element("tbody", {}, ...rows));
  }

  return { part, figures };
})();
