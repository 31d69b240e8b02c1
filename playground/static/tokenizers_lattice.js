/* Unigram's lattice: every piece of the vocabulary that fits somewhere in the word, as an arc over its letters; the likeliest
   way through is drawn strong. */

const TokenLattice = (() => {
  const { element } = lineage;
  const NAMESPACE = "http://www.w3.org/2000/svg";
  const LEVEL = 46; // pixels between arcs
  const BASE = 40;
  const WIDEST = 96;
  const NARROWEST = 44;

  function svg(name, attributes, text) {
    const made = document.createElementNS(NAMESPACE, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  /** A level for each edge: the best path lowest, then short before long, none across another. */
  function levels(edges, best) {
    const taken = [];
    const level = new Array(edges.length);
    const order = edges.map((_, index) => index).sort((one, other) =>
      best.includes(other) - best.includes(one) || (edges[one][1] - edges[one][0]) - (edges[other][1] - edges[other][0]));
    for (const index of order) {
      const [start, end] = edges[index];
      let row = 0;
      while (taken[row]?.some(([from, to]) => from < end && to > start)) row += 1;
      (taken[row] ??= []).push([start, end]);
      level[index] = row;
    }
    return level;
  }

  /** The drawing. `path` holds the edges that are strong. */
  function draw(lattice, path, words) {
    const letters = Array.from(lattice.text);
    const unit = Math.min(WIDEST, Math.max(NARROWEST, 640 / Math.max(letters.length, 1)));
    const level = levels(lattice.edges, lattice.best);
    const height = (Math.max(...level, 0) + 1) * LEVEL + BASE + 24;
    const width = letters.length * unit + 32;
    const x = (place) => 16 + place * unit;
    const floor = height - BASE;
    const pieces = path.map((edge) => lattice.edges[edge][2]).join(" + ");
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", class: "lattice",
      "aria-label": lineage.fill(words.lattice_label, { edges: lattice.edges.length, pieces }) });
    const drawEdge = (index) => {
      const [start, end, piece, logProb] = lattice.edges[index];
      const top = floor - 12 - level[index] * LEVEL;
      const group = svg("g", { class: path.includes(index) ? "edge best" : "edge" });
      const [from, to] = [x(start) + 3, x(end) - 3];
      group.append(svg("path", { d: `M ${from} ${floor} V ${top} H ${to} V ${floor}` }));
      group.append(svg("text", { x: (from + to) / 2, y: top - 5, "text-anchor": "middle", class: "piece" }, piece));
      group.append(svg("text", { x: (from + to) / 2, y: top + 13, "text-anchor": "middle", class: "prob" }, logProb.toFixed(1)));
      picture.append(group);
    };
    lattice.edges.forEach((_, index) => path.includes(index) || drawEdge(index));
    path.forEach(drawEdge);
    letters.forEach((letter, place) => {
      picture.append(svg("text", { x: x(place + 0.5), y: floor + 22, "text-anchor": "middle", class: "letter" }, letter === " " ? "␣" : letter));
    });
    for (let place = 0; place <= letters.length; place += 1) {
      picture.append(svg("circle", { cx: x(place), cy: floor, r: 3 }));
    }
    return element("div", { class: "toks-scroll", tabindex: "0", role: "region", "aria-label": words.lattice }, picture);
  }

  return { draw };
})();
