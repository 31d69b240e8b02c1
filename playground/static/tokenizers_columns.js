/* One text, cut by several tokenizers: a column for each.
 *
 * Every character that a reader sees (a grapheme) is drawn once in each column, by the token that holds its first byte; a
 * token of the rest of it is drawn as a narrow part that names its bytes. Text that no token stands for is drawn bare.
 */

const TokenColumns = (() => {
  const { element } = lineage;
  const KINDS = { b: "byte", u: "unknown", s: "special" };
  const PLACES = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

  /** The graphemes of a text with their places in UTF-8, and for each byte its character's place. */
  function measured(text) {
    const encoder = new TextEncoder();
    const bytes = encoder.encode(text);
    const graphemes = [];
    const characterAt = new Int32Array(bytes.length + 1);
    let at = 0;
    let index = 0;
    for (const character of text) {
      const length = utf8Length(character.codePointAt(0));
      characterAt.fill(index, at, at + length);
      at += length;
      index += 1;
    }
    characterAt[bytes.length] = index;
    let start = 0;
    for (const piece of segments(text)) {
      let end = start;
      for (const character of piece) end += utf8Length(character.codePointAt(0));
      graphemes.push({ start, end, text: piece });
      start = end;
    }
    return { bytes, graphemes, characterAt, ink: inkAfter(graphemes, bytes.length) };
  }

  const utf8Length = (code) => (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);

  function segments(text) {
    if (typeof Intl.Segmenter !== "function") return Array.from(text);
    return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  }

  /** For each place the next one that is not a space: whose word a space belongs to is no disagreement. */
  function inkAfter(graphemes, size) {
    const ink = Int32Array.from({ length: size + 1 }, (_, place) => place);
    for (let index = graphemes.length - 1; index >= 0; index -= 1) {
      const { start, end, text } = graphemes[index];
      if (/^\s+$/.test(text)) ink.fill(ink[end], start, end);
    }
    return ink;
  }

  /** The tokens of a column: id, place in bytes, kind. */
  function tokensOf(column) {
    let at = 0;
    return column.ids.map((id, index) => {
      const start = at + column.gaps[index];
      at = start + column.lengths[index];
      return { id, start, end: at, kind: column.kinds[index] };
    });
  }

  /** The places at which every column begins a token. */
  function agreed(columns, ink) {
    let common = null;
    for (const { tokens } of columns) {
      const places = new Set();
      for (const { start, end } of tokens) {
        if (start < end) places.add(ink[start]).add(ink[end]);
      }
      common = common === null ? places : new Set([...common].filter((place) => places.has(place)));
    }
    return common ?? new Set();
  }

  // ---- drawing -----------------------------------------------------------------------------------------------------

  const INVISIBLE = /^[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]+$/;

  /** Adds a grapheme to `place`: what has no picture gets one. */
  function write(place, text) {
    if (text === " ") place.append(element("span", { class: "ws" }, "·"));
    else if (/^\r?\n$/.test(text)) place.append(element("span", { class: "ws" }, "↵"), "\n");
    else if (text === "\t") place.append(element("span", { class: "ws" }, "⇥"));
    else if (INVISIBLE.test(text)) {
      const codes = Array.from(text, (character) => character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0"));
      place.append(element("span", { class: "ctl" }, `U+${codes.join(" ")}`));
    } else place.append(text);
  }

  const hexadecimal = (bytes) => Array.from(bytes, (byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");

  function drawColumn(column, text, common) {
    const body = element("div", { class: "toks-text", role: "listbox", "aria-label": column.title, "aria-orientation": "horizontal" });
    body.dir = "auto";
    const { graphemes, bytes, ink } = text;
    let next = 0; // the first grapheme that is not drawn yet
    let covered = 0; // up to where tokens reach so far
    column.spans = column.tokens.map((token, index) => {
      const span = element("span", { role: "option", "aria-selected": "false", tabindex: index ? "-1" : "0" });
      const bare = element("span", { class: "bare", "aria-hidden": "true" });
      while (next < graphemes.length && graphemes[next].end <= token.start) write(bare, graphemes[next++].text);
      if (bare.hasChildNodes()) body.append(bare);
      const drawnTo = next ? graphemes[next - 1].end : 0;
      if (token.start < token.end && token.start < drawnTo) {
        const rest = bytes.subarray(Math.max(token.start, covered), Math.min(token.end, drawnTo));
        span.append(element("span", { class: "hex" }, hexadecimal(rest) || "+"));
      }
      const before = next;
      while (next < graphemes.length && graphemes[next].start < token.end) write(span, graphemes[next++].text);
      covered = Math.max(covered, token.end);
      const drawn = next > before;
      if (!span.hasChildNodes()) span.append(element("span", { class: "hex" }, column.spellings[token.id] || "∅"));
      span.className = `tok tone-${index % 4}`;
      if (!drawn) span.classList.add("part");
      else if (graphemes[next - 1].end > token.end) span.classList.add("shared");
      if (token.kind in KINDS) span.classList.add(KINDS[token.kind]);
      if (token.start < token.end && token.start > 0 && !common.has(ink[token.start])) span.classList.add("differs");
      body.append(span);
      return span;
    });
    const rest = element("span", { class: "bare", "aria-hidden": "true" });
    while (next < graphemes.length) write(rest, graphemes[next++].text);
    if (rest.hasChildNodes()) body.append(rest);
    return body;
  }

  // ---- what a visitor points at ------------------------------------------------------------------------------------

  function describe(column, token, text, words) {
    const from = text.characterAt[token.start];
    const to = token.end > token.start ? text.characterAt[token.end - 1] + 1 : from;
    const kind = token.kind in KINDS ? words[`kind_${KINDS[token.kind]}`] : "";
    const values = { token: column.spellings[token.id], id: token.id, from, to, start: token.start, end: token.end, kind };
    return lineage.fill(token.end > token.start ? words.token : words.token_empty, values);
  }

  /** Draws all columns into `place`; `payload` is the server's, `whole` the text that was asked about. */
  function draw(place, payload, whole, words) {
    const text = measured(Array.from(whole).slice(0, payload.drawn).join(""));
    const usable = payload.columns.filter((column) => !column.refused);
    for (const column of usable) column.tokens = tokensOf(column);
    const common = agreed(usable, text.ink);
    const sections = payload.columns.map((column) => {
      const head = element("h3", {}, column.title);
      const section = element("section", { class: "toks-column" }, head);
      if (column.refused) {
        section.append(element("p", { class: "toks-refused" }, column.refused));
        return section;
      }
      const count = TokenTable.counted(column.figures.tokens, words);
      column.told = element("p", { class: "toks-told" }, `${column.algorithm} · ${count}`);
      column.usual = column.told.textContent;
      const back = element("p", { class: column.exact ? "toks-back exact" : "toks-back" }, column.back);
      section.append(column.told, drawColumn(column, text, common), back);
      return section;
    });
    place.replaceChildren(...sections);
    listen(place, usable, text, words);
  }

  function listen(place, columns, text, words) {
    let lit = [];
    const bodies = columns.map((column) => column.spans[0]?.parentNode);
    const at = (target) => {
      const span = target.closest?.(".tok");
      const which = span ? bodies.indexOf(span.parentNode) : -1;
      return which < 0 ? null : { column: columns[which], index: columns[which].spans.indexOf(span) };
    };
    const light = (found) => {
      for (const span of lit) span.classList.remove("lit", "pointed");
      lit = [];
      for (const column of columns) column.told.textContent = column.usual;
      if (!found) return;
      const { start, end } = found.column.tokens[found.index];
      for (const column of columns) {
        const same = [];
        column.tokens.forEach((token, index) => {
          const mine = column === found.column && index === found.index;
          if (!mine && !(token.start < end && token.end > start)) return;
          column.spans[index].classList.add("lit");
          if (mine) column.spans[index].classList.add("pointed");
          lit.push(column.spans[index]);
          same.push(token);
        });
        if (column === found.column) column.told.textContent = describe(column, column.tokens[found.index], text, words);
        else if (same.length) column.told.textContent = same.map(({ id }) => `${column.spellings[id]} (${id})`).join("  ");
      }
    };
    const point = (event) => {
      if (event.pointerType === "touch") return;
      light(at(event.target));
    };
    place.onpointerover = point;
    place.onpointerleave = () => light(null);
    place.onclick = (event) => {
      const found = at(event.target);
      if (!found) return;
      found.column.spans[found.index].focus();
      for (const span of lit) span.scrollIntoView({ block: "nearest" });
    };
    place.onkeydown = (event) => {
      const found = at(event.target);
      const last = found ? found.column.spans.length - 1 : 0;
      const goal = found && (event.key === "Home" ? 0 : event.key === "End" ? last : found.index + PLACES[event.key]);
      if (!found || Number.isNaN(goal)) return;
      event.preventDefault();
      found.column.spans[Math.min(Math.max(goal, 0), last)].focus();
    };
    place.columnsFocus?.abort();
    place.columnsFocus = new AbortController();
    const { signal } = place.columnsFocus;
    place.addEventListener("focusin", (event) => {
      const found = at(event.target);
      if (!found) return;
      const { column, index } = found;
      for (const span of column.spans) {
        if (span.tabIndex === 0) span.tabIndex = -1;
        if (span.getAttribute("aria-selected") === "true") span.setAttribute("aria-selected", "false");
      }
      const span = column.spans[index];
      span.tabIndex = 0;
      span.setAttribute("aria-selected", "true");
      span.setAttribute("aria-label", describe(column, column.tokens[index], text, words));
      light(found);
    }, { signal });
    place.addEventListener("focusout", () => light(null), { signal });
  }

  return { draw, measured, tokensOf };
})();
