/* What the pictures of the experts are drawn with: the look of an expert, SVG elements, the frame of a picture. */

const ExpertPictures = (() => {
  const { element } = lineage;
  const SVG = "http://www.w3.org/2000/svg";
  // Okabe and Ito's colours for colour-blind eyes; the ninth expert has the first colour and another pattern.
  const COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#B8A800", "#8c8c8c"];
  const PATTERNS = ["plain", "dotted", "crossed", "barred"]; // hatched is who was not chosen
  let defined = 0;
  const unfolded = new Set(); // names of the pictures whose tables are open

  const color = (expert) => COLORS[expert % COLORS.length];
  const pattern = (expert) => PATTERNS[Math.floor(expert / COLORS.length) % PATTERNS.length];

  /** An SVG element; attributes whose value is null are left out. */
  function svg(name, attributes = {}, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  const text = (x, y, words, more = {}) => svg("text", { x, y, "font-size": 13, style: "fill: var(--ink-soft)", ...more }, words);

  /** A title, which a pointer shows. */
  const tip = (words) => svg("title", {}, words);

  /** An empty picture, as wide and high as it says, and `fillOf(expert, hatched)`: what fills a shape of that expert. */
  function canvas(width, height, label) {
    const id = `ex${(defined += 1)}`;
    const patterns = svg("defs");
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label, class: "exp-svg" }, patterns);
    const made = new Set();
    function fillOf(expert, hatched = false) {
      const kind = hatched ? "hatched" : pattern(expert);
      if (kind === "plain") return color(expert);
      const key = `${id}-${expert % COLORS.length}-${kind}`;
      if (!made.has(key)) {
        made.add(key);
        patterns.append(tile(key, color(expert), kind));
      }
      return `url(#${key})`;
    }
    return { picture, fillOf };
  }

  function tile(id, hue, kind) {
    const back = { hatched: "none" }[kind] ?? hue;
    const ink = kind === "hatched" ? hue : "#ffffff";
    const marks = {
      hatched: [svg("path", { d: "M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2", stroke: ink, "stroke-width": 1.6 })],
      dotted: [svg("circle", { cx: 3, cy: 3, r: 1.4, fill: ink })],
      crossed: [svg("path", { d: "M3,0 V6 M0,3 H6", stroke: ink, "stroke-width": 1.2 })],
      barred: [svg("path", { d: "M0,3 H6", stroke: ink, "stroke-width": 2 })],
    }[kind];
    return svg("pattern", { id, width: 6, height: 6, patternUnits: "userSpaceOnUse" },
      svg("rect", { width: 6, height: 6, fill: back }), ...marks);
  }

  /** The markup of a picture on its own: page colours become those that are shown, and a ground is put behind it. */
  function markup(picture) {
    const copy = picture.cloneNode(true);
    const ground = svg("rect", { width: "100%", height: "100%", style: "fill: var(--paper)" });
    copy.setAttribute("xmlns", SVG);
    copy.setAttribute("font-family", "system-ui, sans-serif");
    copy.prepend(ground);
    const looks = getComputedStyle(document.querySelector(".exps"));
    return new XMLSerializer().serializeToString(copy).replace(/var\((--[\w-]+)\)/g, (_, name) => looks.getPropertyValue(name).trim());
  }

  /** A picture with all that belongs to it: heading, a sentence, the picture itself, its numbers as a table, downloads.
   *
   * heads: [words, is a number] a column; rows: lists of texts or numbers, the first of which names the row; numbers: {heads,
   * rows} of the CSV where they are not those of the table.
   */
  function figure({ name, title, sentence, picture, heads, rows, words, legend = null, more = [], open = false, numbers = { heads, rows } }) {
    const scroll = element("div", { class: "obj-scroll exp-picture", tabindex: "0", role: "region", "aria-label": title }, picture);
    const twin = MaskingParts.twin(words.table);
    const unfold = () => { // a picture is drawn anew at each move of a slider; its table only once somebody looks
      if (twin.open && twin.childElementCount === 1) twin.append(MaskingParts.table(heads, rows.map((row) => row.map((cell) => (typeof cell === "number" ? plain(cell) : cell))), title));
    };
    twin.open = open || unfolded.has(name);
    unfold();
    twin.addEventListener("toggle", () => {
      unfolded[twin.open ? "add" : "delete"](name);
      unfold();
    });
    const made = element("section", { class: "exp-figure", "data-figure": name },
      element("h3", {}, title), element("p", { class: "obj-sentence" }, sentence), ...more, ...(legend ? [legend] : []), scroll, twin);
    Downloads.bar(made, { name: `experts-${name}`, svg: () => markup(picture), csv: () => Downloads.csv([numbers.heads.map(([head]) => head), ...numbers.rows]) });
    return made;
  }

  /** The numbers of a table to take away. */
  const offer = (place, name, heads, rows) => Downloads.bar(place, { name: `experts-${name}`, csv: () => Downloads.csv([heads.map(([head]) => head), ...rows]) });

  /** A number as a table shows it. */
  function plain(value) {
    if (Number.isInteger(value)) return lineage.grouped(value);
    const size = Math.abs(value);
    return size >= 100 ? minus(value.toFixed(1)) : size >= 0.001 || size === 0 ? minus(value.toFixed(4)) : powers(value, 2);
  }

  /** A number’s text with a true minus. */
  const minus = (written) => written.replaceAll("-", "\u2212");

  /** A tiny number, whose minus no line breaks at. */
  const tiny = (value) => (value ? powers(value, 0) : "0");

  /** A number far from one, as a power of ten: "3·10⁻⁵". */
  const powers = (value, digits) => {
    const [mantissa, power] = value.toExponential(digits).split("e");
    return `${minus(mantissa)}·10${[...String(Number(power))].map((sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]).join("")}`;
  };

  /** A square in an expert's looks with its number, for legends and tables. */
  function mark(expert, more = "") {
    const made = element("span", { class: `exp-mark ${pattern(expert)} ${more}` }, String(expert));
    made.style.setProperty("--hue", color(expert));
    return made;
  }

  /** The experts by number, each with its look. */
  const legend = (count, words) => element("p", { class: "exp-legend" }, element("span", {}, words.legend), ...Array.from({ length: Math.min(count, 32) }, (_, expert) => mark(expert)));

  /** A shade of the experts' colour for a value from 0 to 1, on which the page's ink can be read. */
  const shade = (value) => `color-mix(in srgb, var(--kind-expert) ${Math.round(50 * Math.min(1, Math.max(0, value)))}%, var(--paper))`;

  /** How wide a picture may be, so that nothing of it hides on a narrow page. */
  const room = () => document.querySelector(".exps .exp-panel:not([hidden])")?.clientWidth || 960;

  const percent = (share) => (share === 0 ? "0\u202f%" : MaskingParts.percent(share));

  return { svg, text, tip, canvas, figure, offer, mark, legend, markup, color, pattern, shade, percent, plain, tiny, minus, room };
})();
