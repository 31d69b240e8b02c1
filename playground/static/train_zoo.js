/* The scores of the shipped models: a table for each group of models that can be compared; their chart is Gradio's. */

const TrainZoo = (() => {
  const { element } = lineage;

  function draw(place, groups, words) {
    const parts = groups.map(({ title, sentence, heads, rows }) => {
      const head = element("tr", {}, ...heads.map((name, index) => element("th", { scope: "col", class: index ? "number" : "" }, name)));
      const body = rows.map(([name, ...cells]) => element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", { class: "number" }, cell))));
      const table = element("table", { class: "ruled" }, element("thead", {}, head), element("tbody", {}, ...body));
      return element("section", { class: "train-group" }, element("h3", {}, title), element("p", { class: "train-headline" }, sentence),
        element("div", { class: "train-scroll", tabindex: "0", role: "region", "aria-label": title }, table));
    });
    place.replaceChildren(element("p", { class: "train-about" }, words.about_zoo), ...parts);
  }

  return { draw };
})();
