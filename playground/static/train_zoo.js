/* The scores of the shipped models: a table for each group of models that can be compared; their chart is Gradio's. */

const TrainZoo = (() => {
  const { element, fill } = lineage;

  function draw(place, groups, words) {
    const parts = groups.map(({ title, sentence, heads, rows, columns, curves }) => element("section", { class: "train-group" },
      element("h3", {}, title), element("p", { class: "train-headline" }, sentence), scrolled(title, table(heads, rows)),
      element("details", {}, element("summary", {}, words.zoo_columns),
        element("dl", {}, ...columns.flatMap(([name, meaning]) => [element("dt", {}, name), element("dd", {}, meaning)]))),
      element("details", {}, element("summary", {}, words.zoo_curves), scrolled(`${title}. ${words.zoo_curves}`, table(curves.heads, curves.rows)))));
    place.replaceChildren(element("p", { class: "train-about" }, words.about_zoo), ...parts,
      element("h3", {}, fill(words.zoo_chart, { title: groups[0].title })), // Gradio's chart stands below
      ...(groups.length > 1 ? [element("p", { class: "train-note" }, words.zoo_others)] : []));
  }

  const scrolled = (name, content) => element("div", { class: "train-scroll", tabindex: "0", role: "region", "aria-label": name }, content);

  function table(heads, rows) {
    const head = element("tr", {}, ...heads.map((name, index) => element("th", { scope: "col", class: index ? "number" : "" }, name)));
    const body = rows.map(([name, ...cells]) => element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", { class: "number" }, cell))));
    return element("table", { class: "ruled" }, element("thead", {}, head), element("tbody", {}, ...body));
  }

  return { draw };
})();
