/* Attention, section "maps": beside the small maps, the head under the pointer, or else the chosen one: enlarged, and how far it
   does what each of the names says. */

const AttentionPreview = (() => {
  const { element, fill } = lineage;
  const { percent } = MaskingParts;

  /** What stands beside the maps; from now on `view.showPreview()` draws it. */
  function mount(view) {
    const { words } = view;
    const canvas = element("canvas", { class: "maps-preview-map", "aria-hidden": "true" });
    const title = element("h3", {});
    const about = element("p", {});
    const scores = element("dl", { class: "maps-scores" });
    const rows = new Map(AttentionLabels.NAMES.map((name) => [name, rowOf(name, words)]));
    let kind = null;
    view.showPreview = () => {
      const { group, layer, head } = view.hovered ?? view.chosen;
      AttentionOverview.paintHead(canvas, view, group, layer, head);
      if (kind !== group) {
        kind = group;
        canvas.style.aspectRatio = `${group.width} / ${group.height}`;
        scores.replaceChildren(...[...rows].filter(([name]) => name in group.scores).flatMap(([, { term, value }]) => [term, value]));
      }
      title.textContent = fill(words.head_name, { group: words[`group_${group.name}`], layer: layer + 1, head: head + 1 });
      const names = group.labels[layer][head];
      const told = names.length ? names.map((name) => words[`about_${name}`]).join(" ") : words.about_none;
      if (about.textContent !== told) about.textContent = told;
      for (const name of Object.keys(group.scores)) {
        const { value, bar, figure } = rows.get(name);
        const score = group.scores[name][layer][head];
        bar.style.setProperty("--p", String(score ?? 0));
        figure.textContent = score === null ? "–" : percent(score);
        value.classList.toggle("reached", names.includes(name));
      }
    };
    return element("aside", { class: "maps-preview", "aria-label": words.preview }, title, canvas, about, scores);
  }

  function rowOf(name, words) {
    const bar = element("span", { class: "maps-bar", "aria-hidden": "true" });
    bar.style.setProperty("--tone", AttentionLabels.colour(name));
    const figure = element("span", {});
    return { term: element("dt", {}, words[`label_${name}`]), value: element("dd", {}, bar, figure), bar, figure };
  }

  return { mount };
})();
