/* What the steps of BERT's masking are drawn with: rows of tokens, tables, bars, strips of numbers. */

const MaskingParts = (() => {
  const { element } = lineage;
  const MOVES = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };

  /** A probability as a reader says it. */
  function percent(p) {
    const value = 100 * p;
    if (value >= 99.95) return "100\u202f%";
    if (value >= 9.95) return `${value.toFixed(0)}\u202f%`;
    if (value >= 0.095) return `${value.toFixed(1)}\u202f%`;
    return value >= 0.0005 ? `${value.toFixed(3)}\u202f%` : "<\u202f0.001\u202f%";
  }

  /** The arrows walk through the buttons of a group, of which the keyboard reaches one. */
  function walk(group, buttons, current, also = () => {}) {
    const reach = (index) => buttons.forEach((button, place) => { button.tabIndex = place === index ? 0 : -1; });
    reach(Math.max(0, current));
    group.addEventListener("keydown", (event) => {
      const from = buttons.indexOf(document.activeElement);
      if (!(event.key in MOVES) || from < 0) return;
      event.preventDefault();
      const to = Math.min(Math.max(from + MOVES[event.key], 0), buttons.length - 1);
      reach(to);
      buttons[to].focus();
      also(to);
    });
    buttons.forEach((button, place) => button.addEventListener("click", () => reach(place)));
  }

  /** Tokens in a row. `dress(span, position)` gives one its looks; `pick(position)` makes those buttons that `may` be chosen. */
  function row(tokens, { label, dress = () => {}, pick = null, may = () => true, at = -1 }) {
    const buttons = [];
    const places = [];
    const spans = tokens.map((token, position) => {
      const active = pick && may(position);
      const span = element(active ? "button" : "span", { class: "bare mtok", ...(active ? { type: "button" } : {}), "data-place": String(position) }, token);
      dress(span, position);
      if (active) {
        if (position === at) span.setAttribute("aria-current", "true");
        span.addEventListener("click", () => pick(position));
        buttons.push(span);
        places.push(position);
      }
      return span;
    });
    const made = element("div", { class: "mrow", role: "group", "aria-label": label, dir: "auto" }, ...spans);
    if (buttons.length) walk(made, buttons, places.indexOf(at));
    return made;
  }

  /** A table: heads are [words, is a number]; each row a list of texts or elements, the first of which names it. */
  function table(heads, rows, caption) {
    const head = element("tr", {}, ...heads.map(([words, number]) => element("th", { scope: "col", class: number ? "number" : "" }, words)));
    const body = rows.map((cells) => element("tr", {}, ...cells.map((cell, index) =>
      element(index ? "td" : "th", { ...(index ? {} : { scope: "row" }), class: heads[index][1] ? "number" : "" }, cell))));
    const made = element("table", { class: "ruled" }, element("thead", {}, head), element("tbody", {}, ...body));
    if (caption) made.prepend(element("caption", {}, caption));
    return element("div", { class: "obj-scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
  }

  /** The same numbers as a table, folded. */
  const twin = (words, ...children) => element("details", { class: "mtwin" }, element("summary", {}, words), ...children);

  /** A bar for a probability, with its figure. */
  function bar(p, name, marked = false) {
    const fill = element("span", { class: "mfill" });
    fill.style.inlineSize = `${100 * p}%`;
    return element("div", { class: marked ? "mbar marked" : "mbar" }, element("span", { class: "mname", dir: "auto" }, name),
      element("span", { class: "mtrack", "aria-hidden": "true" }, fill), element("span", { class: "mfigure" }, percent(p)));
  }

  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

  /** A number between −1 and 1 as a colour: blue below zero, orange above, the paper at zero. */
  function tint(value, dark) {
    const [low, zero, high] = dark ? [[86, 180, 233], [30, 33, 37], [240, 140, 60]] : [[0, 92, 170], [250, 248, 244], [200, 80, 0]];
    const end = value < 0 ? low : high;
    const share = Math.min(1, Math.abs(value)) ** 0.6; // most values are small against the largest
    return zero.map((part, index) => Math.round(part + share * (end[index] - part)));
  }

  /** The numbers of a vector, from left to right, each a stripe. */
  function strip(values, label) {
    const canvas = element("canvas", { class: "mstrip", width: String(values.length), height: "1", role: "img", "aria-label": label });
    const context = canvas.getContext("2d");
    const image = context.createImageData(values.length, 1);
    const dark = document.documentElement.classList.contains("dark");
    values.forEach((value, index) => image.data.set([...tint(value / 127, dark), 255], 4 * index));
    context.putImageData(image, 0, 0);
    return canvas;
  }

  const svg = (name, attributes = {}, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  return { percent, walk, row, table, twin, bar, bytes, strip, svg };
})();
