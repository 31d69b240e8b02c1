/* The scores of the shipped models: a table for each group of models that can be compared; their chart is Gradio's. */

const TrainZoo = (() => {
  const { element } = lineage;

  function draw(place, groups, words) {
    const parts = groups.map(({ title, sentence, heads, rows, curves }) => element("section", { class: "train-group" },
      element("h3", {}, title), element("p", { class: "train-headline" }, sentence), scrolled(title, table(heads, rows)),
      element("details", {}, element("summary", {}, words.zoo_curves), scrolled(`${title}. ${words.zoo_curves}`, table(curves.heads, curves.rows)))));
    place.replaceChildren(element("p", { class: "train-about" }, words.about_zoo), ...parts);
  }

  const scrolled = (name, content) => element("div", { class: "train-scroll", tabindex: "0", role: "region", "aria-label": name }, content);

  function table(heads, rows) {
    const head = element("tr", {}, ...heads.map((name, index) => element("th", { scope: "col", class: index ? "number" : "" }, name)));
    const body = rows.map(([name, ...cells]) => element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", { class: "number" }, cell))));
    return element("table", { class: "ruled" }, element("thead", {}, head), element("tbody", {}, ...body));
  }

  return { draw };
})();
