/* One example of an objective, drawn: tokens with their targets and positions, and the masks under which they are read. */

const SideTokens = (() => {
  const { element, fill } = lineage;
  const SVG = "http://www.w3.org/2000/svg";
  const CELL = 10;
  const FINEST = 64; // places up to which lines between them can be told apart

  const svg = (name, attributes, ...children) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  /** Stretches [start, end) as a reader writes them: "0–6, 9". */
  const ranges = (stretches) => stretches.map(([start, end]) => (end - start === 1 ? String(start) : `${start}–${end - 1}`)).join(", ");

  /** The rows that tokens have in a side: what is read, and for a decoder what it reads and should say. */
  function rowsOf(side) {
    const places = (count) => Array.from({ length: count }, (_, place) => place);
    const [inText, inSpan] = Array.isArray(side.positions?.[0]) ? side.positions : [side.positions ?? places(side.inputs.length), null];
    const read = { kind: side.decoder_inputs ? "encoder" : "self", ids: side.inputs, positions: inText, inSpan, segments: side.segments, prefix: side.prefix, isNext: side.is_next };
    if (!side.decoder_inputs) return [{ ...read, targets: side.targets }];
    return [{ ...read, targets: null }, { kind: "decoder", ids: side.decoder_inputs, targets: side.targets, positions: places(side.decoder_inputs.length) }];
  }

  /** What a place should say, spelled; null where it pays no loss. [CLS], the first of a pair, answers about the pair. */
  function targetOf(row, place, payload, words) {
    if (place === 0 && typeof row.isNext === "boolean") return row.isNext ? words.answer_next : words.answer_random;
    const target = row.targets?.[place] ?? null;
    return target === null ? null : payload.spellings[target];
  }

  /** Tokens in a row that wraps; under each its target, and where it is. */
  function tokens(row, payload, words) {
    const special = new Set(payload.special);
    const list = element("ol", { class: "side-row" });
    row.ids.forEach((id, place) => {
      const target = targetOf(row, place, payload, words);
      const classes = ["side-cell", target === null ? "" : "paid", special.has(id) ? "mark" : "", place < (row.prefix ?? 0) ? "in-prefix" : ""];
      const cell = element("li", { class: classes.filter(Boolean).join(" ") }, element("span", { class: "piece" }, payload.spellings[id]));
      if (row.targets) cell.append(element("span", { class: "target" }, target ?? "·"));
      cell.append(element("small", {}, String(row.positions[place])));
      if (row.inSpan) cell.append(element("small", {}, String(row.inSpan[place])));
      if (row.segments) cell.append(element("small", {}, row.segments[place] ? "B" : "A"));
      list.append(cell);
    });
    return element("div", {}, element("p", { class: "side-row-title" }, titleOfRow(row, words)), list);
  }

  function titleOfRow(row, words) {
    const below = [row.targets ? words.row_target : "", row.inSpan ? words.row_two_positions : words.row_position, row.segments ? words.row_segment : ""];
    return fill(words[`row_${row.kind}`], { below: below.filter(Boolean).join(words.row_join) });
  }

  /** A mask as a picture: a row for each query, filled where it may look. A row is told by pointer and by arrow keys. */
  function mask(one, side, payload, words) {
    const [height, width] = [one.rows.length * CELL, one.columns * CELL];
    const seen = one.rows.flatMap((row, query) => row.map(([start, end]) => `M${start * CELL} ${query * CELL}h${(end - start) * CELL}v${CELL}h${(start - end) * CELL}z`)).join("");
    const lines = (count, draw) => (count > FINEST ? "" : Array.from({ length: count - 1 }, (_, place) => draw((place + 1) * CELL)).join(""));
    const lattice = lines(one.rows.length, (y) => `M0 ${y}h${width}`) + lines(one.columns, (x) => `M${x} 0v${height}`);
    const here = svg("rect", { class: "here", x: 0, width, height: CELL, visibility: "hidden" });
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "side-mask", "aria-hidden": "true" },
      svg("rect", { class: "unseen", width, height }), svg("path", { class: "seen", d: seen }), svg("path", { class: "lattice", d: lattice }), here);
    const share = one.rows.flat().reduce((sum, [start, end]) => sum + end - start, 0) / (one.rows.length * one.columns);
    const name = words[`mask_${one.kind}`];
    const caption = element("figcaption", {}, fill(words.mask_caption, { name, rows: one.rows.length, columns: one.columns, share: Math.round(100 * share) }));
    const told = element("output", { class: "side-told" }, words.mask_hint);
    const figure = element("figure", { class: "side-figure", tabindex: "0", "aria-label": `${name}. ${words.mask_keys}` }, picture, caption, told);
    const queries = one.kind === "decoder" || one.kind === "cross" ? side.decoder_inputs : side.inputs;
    let row = -1;
    const show = (wanted) => {
      row = Math.min(Math.max(wanted, 0), one.rows.length - 1);
      here.setAttribute("y", row * CELL);
      here.setAttribute("visibility", "visible");
      told.textContent = fill(words.mask_row, { place: row, token: payload.spellings[queries[row]], sees: ranges(one.rows[row]) });
    };
    picture.addEventListener("pointermove", (event) => {
      const box = picture.getBoundingClientRect();
      show(Math.floor(((event.clientY - box.top) / box.height) * one.rows.length));
    });
    figure.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      show(row + by);
    });
    return figure;
  }

  /** The same example as a table: place by place what is read, what should be said, where it is, and what it sees. */
  function table(side, payload, words) {
    const masks = Object.fromEntries(side.masks.map((one) => [one.kind, one.rows]));
    return rowsOf(side).map((row) => {
      const heads = [["place", true], ["reads"], ...(row.targets ? [["says"]] : []), ["position", true], ...(row.inSpan ? [["in_span", true]] : []),
        ...(row.segments ? [["segment"]] : []), ["sees"], ...(row.kind === "decoder" ? [["sees_encoder"]] : [])];
      const head = element("tr", {}, ...heads.map(([name, number]) => element("th", { scope: "col", class: number ? "number" : "" }, words[`head_${name}`])));
      const body = row.ids.map((id, place) => {
        const cells = [[payload.spellings[id]], ...(row.targets ? [[targetOf(row, place, payload, words) ?? "–"]] : []), [row.positions[place], true],
          ...(row.inSpan ? [[row.inSpan[place], true]] : []), ...(row.segments ? [[row.segments[place] ? "B" : "A"]] : []),
          [ranges(masks[row.kind][place])], ...(row.kind === "decoder" ? [[ranges(masks.cross[place])]] : [])];
        return element("tr", {}, element("th", { scope: "row", class: "number" }, String(place)),
          ...cells.map(([text, number]) => element("td", { class: number ? "number" : "" }, String(text))));
      });
      const title = words[`table_${row.kind}`];
      return element("div", { class: "obj-scroll side-table", tabindex: "0", role: "region", "aria-label": title },
        element("table", { class: "ruled" }, element("caption", {}, title), element("thead", {}, head), element("tbody", {}, ...body)));
    });
  }

  return { rowsOf, tokens, mask, table };
})();
