/* What the sections "weight" and "flash" are drawn with: figures with a sentence, a table twin and downloads; bars, lines,
   grids of cells. */

const AttentionPlots = (() => {
  const { element, fill } = lineage;
  const { svg, table, twin } = MaskingParts;
  const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  const opened = new Set(); // figures whose table a reader has opened: it stays open while steps are walked
  const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-family", "font-weight", "text-anchor"];

  /** A number for reading: four digits, a real minus, powers of ten where it is far from one. */
  function number(value, digits = 4) {
    if (value === 0) return "0";
    if (value === -Infinity) return "−∞";
    const size = Math.abs(value);
    if ((Number.isInteger(value) || size >= 10 ** digits) && size < 1e9) return `${value < 0 ? "−" : ""}${lineage.grouped(Math.round(size))}`;
    if (size >= 1e-3 && size < 1e5) return signed(value.toPrecision(digits));
    const [mantissa, power] = value.toExponential(digits - 2).split("e");
    return signed(`${mantissa}·10${[...String(Number(power))].map((digit) => SUPERSCRIPT[digit]).join("")}`);
  }
  const signed = (text) => text.replace(/^-/, "−");

  /** A percentage that never hides a number by rounding it to 0 or 100. */
  const percent = (share) => MaskingParts.percent(share);

  const label = (text, most = 12) => AttentionPicture.short(text, most);

  /** Layers, heads, places and rows count from 1 on the page, as in the other sections; in numbers and addresses from 0. */
  const counted = (index) => String(index + 1);

  /** A figure: heading, sentence, picture, downloads, and its numbers as a table.
   *
   * numbers: { heads: [[words, is a number]], rows: lists of texts or numbers, or a function that gives them, caption }, which
   * `more` may show already (`isShown`); picture: an SVG or canvas element.
   */
  function figure({ title, about, said, picture, name, numbers, words, svg: asSvg, more = [], isShown = false }) {
    const made = element("figure", { class: "afig" });
    if (title) made.append(element("h3", {}, title));
    if (about) made.append(element("p", { class: "obj-about" }, about));
    if (said) made.append(element("p", { class: "afig-said" }, said));
    if (picture) made.append(element("div", { class: "obj-scroll afig-picture", ...(picture.dataset?.wide ? { tabindex: "0", role: "region", "aria-label": title ?? said } : {}) }, picture));
    made.append(...more);
    if (!numbers) return made;
    const rowsOf = () => (typeof numbers.rows === "function" ? numbers.rows() : numbers.rows);
    const offers = { name, csv: () => Downloads.csv([numbers.heads.map(([head]) => head), ...rowsOf()]) };
    if (asSvg) offers.svg = asSvg;
    else if (picture) offers.svg = () => standalone(picture);
    const row = element("div", { class: "afig-foot" });
    Downloads.bar(row, offers);
    made.append(row);
    if (isShown) return made;
    const details = twin(words.as_table);
    // Tables are long: they are made when somebody opens them.
    details.addEventListener("toggle", () => {
      opened[details.open ? "add" : "delete"](name);
      if (details.open && details.childElementCount === 1) details.append(table(numbers.heads, rowsOf().map((cells) => cells.map(shown)), numbers.caption));
    });
    details.open = opened.has(name);
    row.append(details);
    return made;
  }

  const shown = (cell) => (typeof cell === "number" ? (Number.isInteger(cell) ? signed(String(cell)) : number(cell, 6)) : cell);

  /** An SVG as a file of its own: the looks that the page gives it are written into it. */
  function standalone(picture) {
    const copy = picture.cloneNode(true);
    const [originals, copies] = [picture, copy].map((root) => [root, ...root.querySelectorAll("*")]);
    originals.forEach((node, index) => {
      const looks = getComputedStyle(node);
      for (const name of STYLES) copies[index].setAttribute(name, looks.getPropertyValue(name));
    });
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("fill", "none");
    const paper = getComputedStyle(document.body).getPropertyValue("--paper").trim() || "#fff";
    copy.prepend(svg("rect", { width: "100%", height: "100%", fill: paper }));
    return copy.outerHTML;
  }

  const text = (x, y, words, attributes = {}) => {
    const made = svg("text", { x, y, ...attributes });
    made.textContent = words;
    return made;
  };
  const hint = (node, words) => {
    const title = svg("title");
    title.textContent = words;
    node.append(title);
    return node;
  };
  const frame = (width, height, named, wide = false) => {
    const made = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "aplot", role: "img", "aria-label": named });
    if (wide) made.dataset.wide = "true";
    return made;
  };

  /** The number beside a rule: no more digits than it needs. */
  const ruled = (value) => number(Number(value.toPrecision(3)), 3).replace(/^(−?\d+)\.0+$|^(−?\d+\.\d*?[1-9])0+$/, "$1$2");

  /** Round values between two ends, three to six of them. */
  function ticks(low, high) {
    const rough = (high - low) / 4 || 1;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough);
    const found = [];
    for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(Math.abs(value) < step * 1e-9 ? 0 : value);
    return found;
  }

  /** Bars from zero. bars: [{ value, kind, tip, name }]; at: the index that is marked; pick(index) makes them clickable. */
  function bars(list, { width, height = 160, named, at = -1, pick = null, least = 3, bottom = 8, right = 8 }) {
    const left = 52;
    const each = Math.max((width - left - right) / list.length, least);
    const whole = Math.max(width, left + right + each * list.length);
    const values = list.map(({ value }) => value).filter(Number.isFinite);
    const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
    const span = high - low || 1;
    const y = (value) => 8 + ((high - value) / span) * (height - 16);
    const chart = frame(whole, height + bottom, named, whole > width);
    for (const value of ticks(low, high)) {
      chart.append(svg("line", { class: "rule", x1: left, x2: whole - right, y1: y(value), y2: y(value) }), text(left - 6, y(value) + 4, ruled(value), { class: "end" }));
    }
    list.forEach(({ value, kind, tip, name }, index) => {
      const x = left + index * each;
      const gap = each > 6 ? 2 : 0;
      if (!Number.isFinite(value)) chart.append(svg("rect", { class: "hidden-key", x, y: 8, width: each - gap, height: height - 16 }));
      else chart.append(svg("rect", { class: `bar ${kind}`, x, y: Math.min(y(value), y(0)), width: Math.max(each - gap, 0.5), height: Math.max(Math.abs(y(value) - y(0)), 0.75) }));
      if (index === at) chart.append(svg("rect", { class: "marked", x: x - 1, y: 3, width: each - gap + 2, height: height - 6 }));
      if (name !== undefined) chart.append(text(0, 0, name, { class: "tilted", transform: `translate(${x + each / 2 + 3} ${height + 6}) rotate(55)` }));
      const cover = hint(svg("rect", { class: "cover", x, y: 0, width: each, height: height + bottom }), tip);
      if (pick) cover.addEventListener("click", () => pick(index));
      chart.append(cover);
    });
    return chart;
  }

  /** How long a name is, in pixels, as charts write it. */
  const pen = document.createElement("canvas").getContext("2d");
  function lengthOf(name) {
    pen.font = `13px ${getComputedStyle(document.querySelector(".atts") ?? document.body).fontFamily}`;
    return Math.ceil(pen.measureText(name).width);
  }

  /** Bars of a few named amounts, below each other: [{ value, kind, name, told }]. */
  function across(list, { width, named }) {
    const narrow = width < 520;
    const [side, each] = [narrow ? 0 : Math.max(...list.map(({ name }) => lengthOf(name))) + 16, narrow ? 44 : 28];
    const room = width - side - 96;
    const most = Math.max(...list.map(({ value }) => value), 1);
    const chart = frame(width, list.length * each + 4, named);
    list.forEach(({ value, kind, name, told }, index) => {
      const y = index * each + (narrow ? 20 : 4);
      const long = Math.max((value / most) * room, 1);
      chart.append(narrow ? text(0, y - 5, name, { class: "name" }) : text(side - 8, y + 15, name, { class: "name end" }),
        hint(svg("rect", { class: `bar ${kind}`, x: side, y, width: long, height: 18 }), `${name}: ${told}`), text(side + long + 6, y + 14, told, { class: "name" }));
    });
    return chart;
  }

  /** Lines over whole numbers. lines: [{ values, kind, name }], the last on top; marks: [{ x, y, words }]. */
  function lines(list, { first = 0, width, height = 240, named, axis, marks = [], level = null }) {
    const [left, bottom, right] = [52, 40, 16];
    const count = list[0].values.length;
    const every = list.flatMap(({ values }) => [...values]).concat(marks.map((mark) => mark.y), level === null ? [] : [level.y]).filter(Number.isFinite);
    const [low, high] = [Math.min(...every), Math.max(...every)];
    const span = high - low || 1;
    const x = (value) => left + ((value - first) / Math.max(count - 1, 1)) * (width - left - right);
    const y = (value) => 12 + ((high - value) / span) * (height - bottom - 12);
    const chart = frame(width, height, named);
    for (const value of ticks(low, high)) chart.append(svg("line", { class: "rule", x1: left, x2: width - right, y1: y(value), y2: y(value) }), text(left - 6, y(value) + 4, ruled(value), { class: "end" }));
    for (const value of ticks(first, first + count - 1).filter(Number.isInteger)) chart.append(text(x(value), height - bottom + 18, signed(String(value)), { class: "middle" }));
    chart.append(text((left + width - right) / 2, height - 4, axis, { class: "middle" }));
    if (level) chart.append(hint(svg("line", { class: "level", x1: left, x2: width - right, y1: y(level.y), y2: y(level.y) }), level.words));
    for (const { values, kind, name } of list) {
      const points = [...values].map((value, index) => (Number.isFinite(value) ? `${x(first + index).toFixed(1)},${y(value).toFixed(1)}` : "")).filter(Boolean).join(" ");
      chart.append(hint(svg("polyline", { class: `line ${kind}`, points }), name));
    }
    for (const mark of marks) {
      const side = x(mark.x) > width * 0.6 ? "end" : "";
      chart.append(hint(svg("circle", { class: "mark", cx: x(mark.x), cy: y(mark.y), r: 5 }), mark.words), text(x(mark.x) + (side ? -10 : 10), Math.max(y(mark.y) - 8, 12), mark.words, { class: `note ${side}` }));
    }
    return chart;
  }

  /** A grid of cells on a canvas. tone(row, column) gives [r, g, b]; cell: pixels; wide: those across, if they differ. */
  function grid(rows, columns, { cell, wide = cell, named, tone }) {
    const canvas = element("canvas", { width: String(columns * wide), height: String(rows * cell), role: "img", "aria-label": named, class: "agrid" });
    canvas.style.width = `${columns * wide}px`;
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns * wide, rows * cell);
    const pixels = new Uint32Array(image.data.buffer);
    const gap = cell > 5 ? 1 : 0; // between larger cells
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        const [red, green, blue] = tone(row, column);
        const value = (255 << 24) | (blue << 16) | (green << 8) | red;
        for (let line = 0; line < cell - gap; line += 1) {
          const start = ((row * cell + line) * columns + column) * wide;
          pixels.fill(value, start, start + wide - gap);
        }
      }
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  /** The same grid as the markup of an SVG, with what it shows and what its rows (`down`) and columns (`across`) are: one
      rectangle for each run of like cells. */
  function gridMarkup(rows, columns, { cell, wide = cell, tone, title, down, across: along }) {
    const [left, top] = [28, 52];
    const [paper, ink] = ["paper", "ink"].map((name) => `rgb(${colour(name).join(",")})`);
    const write = (x, y, words, more = "") => `<text x="${x}" y="${y}" fill="${ink}" font-family="sans-serif" font-size="13"${more}>${words.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)}</text>`;
    const parts = [`<rect width="100%" height="100%" fill="${paper}"/>`, write(8, 20, title, ' font-weight="bold"'), write(left, 44, `${along} →`), write(0, 0, `${down} →`, ` transform="translate(18 ${top}) rotate(90)"`)];
    for (let row = 0; row < rows; row += 1) {
      let start = 0;
      for (let column = 1; column <= columns; column += 1) {
        if (column < columns && String(tone(row, column)) === String(tone(row, start))) continue;
        parts.push(`<rect x="${left + start * wide}" y="${top + row * cell}" width="${(column - start) * wide}" height="${cell}" fill="rgb(${tone(row, start).join(",")})"/>`);
        start = column;
      }
    }
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.max(left + columns * wide + 8, lengthOf(title) + 48)}" height="${top + Math.max(rows * cell, lengthOf(down) + 16) + 8}" shape-rendering="crispEdges">${parts.join("")}</svg>`;
  }

  /** A colour of the page as [r, g, b]. */
  function colour(name) {
    const probe = element("span", { style: `color: var(--${name})` });
    document.querySelector(".atts").append(probe);
    const found = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map((part) => Math.round(Number(part)));
    probe.remove();
    return found;
  }
  const mixed = (from, to, share) => from.map((part, index) => Math.round(part + share * (to[index] - part)));

  /** A slider with its label and value; `put(value)` shows another value while nobody drags it. */
  function slider(id, words, { low, high, value, step = 1, shown: say = String, change }) {
    const input = element("input", { id, type: "range", min: String(low), max: String(high), step: String(step) });
    const told = element("output", { for: id });
    const tell = () => {
      told.textContent = say(Number(input.value));
      input.setAttribute("aria-valuetext", told.textContent);
    };
    input.value = String(value);
    tell();
    input.addEventListener("input", () => {
      tell();
      change(Number(input.value));
    });
    const made = element("div", { class: "obj-field aslider" }, element("label", { for: id }, words), element("div", { class: "obj-row" }, input, told));
    made.put = (now) => {
      if (document.activeElement !== input) input.value = String(now);
      tell();
    };
    return made;
  }

  return { number, counted, percent, label, figure, text, hint, frame, bars, across, lines, grid, gridMarkup, colour, mixed, slider, fill };
})();
