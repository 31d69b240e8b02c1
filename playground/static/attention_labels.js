/* Attention, section "maps": the names that heads bear by what they do, each with a letter and a colour. */

const AttentionLabels = (() => {
  const { element } = lineage;
  // After Okabe and Ito's colours for colour-blind eyes, dark enough for white letters, which say the same.
  const LABELS = {
    previous: ["P", "#0072B2"], next: ["N", "#2b7aa8"], first: ["1", "#b85000"], self: ["S", "#8B4A9C"], same: ["=", "#a3467c"],
    induction: ["I", "#007a59"], separators: [".", "#8a6d00"], even: ["E", "#6b7178"],
  };
  const NAMES = Object.keys(LABELS);
  const PLAIN = new Set(["even", "self"]); // names of heads that bring a token nothing from a place of its choice

  const letter = (name) => LABELS[name][0];
  const colour = (name) => LABELS[name][1];

  function mark(name, attributes = {}) {
    const made = element("i", attributes, letter(name));
    made.style.background = colour(name);
    return made;
  }

  /** The names that some head bears. */
  function borne(groups) {
    const found = new Set(groups.flatMap(({ labels }) => labels.flat(2)));
    return NAMES.filter((name) => found.has(name));
  }

  /** The head that bears its name most clearly, "group.layer.head"; the first where only plain ones have any. */
  function clearest(groups) {
    let best = { score: 0, at: `${groups[0].name}.0.0` };
    for (const group of groups) {
      group.labels.forEach((layer, l) => layer.forEach((names, h) => names.filter((name) => !PLAIN.has(name)).forEach((name) => {
        const score = group.scores[name][l][h];
        if (score > best.score) best = { score, at: `${group.name}.${l}.${h}` };
      })));
    }
    return best.at;
  }

  const listed = (words, names) => names.map((name) => words[`label_${name}`]).join(words.comma);

  function legend(words, groups) {
    const keys = borne(groups).map((name) => element("span", { class: "maps-key" }, mark(name, { "aria-hidden": "true" }), words[`label_${name}`]));
    return element("p", { class: "maps-legend maps-marks-legend" }, ...keys);
  }

  return { NAMES, letter, colour, mark, borne, clearest, listed, legend };
})();
