/* The logit lens: layers × places, each cell the token that the layer would say there. */

const AttentionLens = (() => {
  const { element, fill } = lineage;
  const { percent } = MaskingParts;

  async function refresh(view, place) {
    const { words, reply, shared } = view;
    const title = element("h3", {}, words.lens_title);
    const key = JSON.stringify([shared.version, reply.place]);
    if (view.lensOf === key) return; // it stands already, or is on its way
    view.lensOf = key;
    if (reply.kind === "class") {
      place.replaceChildren(title, element("p", {}, words.lens_unread));
      return;
    }
    place.replaceChildren(title, element("p", { class: "obj-note" }, words.computing));
    const lens = await shared.attempt(() => shared.ask("whatif_lens", view.request()));
    if (view.lensOf !== key) return;
    if (!lens) {
      view.lensOf = null;
      return;
    }
    view.lens = lens;
    place.replaceChildren(title, ...drawn(view));
  }

  const layerName = (view, index) => (index ? fill(view.words.layer, { layer: index }) : view.words.lens_embedding);

  function drawn(view) {
    const { lens, words, reply } = view;
    const tokens = lens.tokens.slice(lens.first, lens.first + lens.entropy[0].length).map(view.visible);
    const at = reply.place - lens.first;
    const notes = [words.lens_about, words.lens_table];
    if (reply.structure === "encoder_decoder") notes.push(words.lens_decoder);
    if (tokens.length < lens.tokens.length) notes.push(fill(words.lens_part, { shown: tokens.length, all: lens.tokens.length }));
    const aside = element("p", { class: "obj-note what-cell", role: "status" }, words.lens_point);
    const box = element("div", { class: "mask-content" }, element("p", {}, summary(view, tokens, at)), ...notes.map((note) => element("p", { class: "obj-note" }, note)), grid(view, tokens, at, aside), aside);
    Downloads.bar(box, { name: "logit-lens", svg: () => picture(view, tokens), csv: () => csv(view, tokens) });
    return [box];
  }

  const name = (view, id) => view.visible(view.lens.names[id]);

  function summary(view, tokens, at) {
    const { lens, words } = view;
    const column = lens.ids.map((places) => places[at][0]);
    const answer = column.at(-1);
    let first = column.length - 1;
    while (first > 0 && column[first - 1] === answer) first -= 1;
    return fill(first ? words.said_lens : words.said_lens_input, { token: tokens[at], answer: name(view, answer), layer: first, first: lens.entropy[0][at].toFixed(2), last: lens.entropy.at(-1)[at].toFixed(2) });
  }

  /** What a cell says in full: its likeliest tokens, entropy, and how far it is from the answer. */
  function full(view, tokens, layer, place) {
    const { lens, words } = view;
    const top = lens.ids[layer][place].map((id, rank) => `${name(view, id)} ${percent(lens.probabilities[layer][place][rank])}`).join(" · ");
    return fill(words.lens_cell, { layer: layerName(view, layer), token: tokens[place], top, entropy: lens.entropy[layer][place].toFixed(2), kl: lens.kl[layer][place].toFixed(2) });
  }

  function grid(view, tokens, at, aside) {
    const { lens, words } = view;
    const head = element("tr", {}, element("th", { scope: "col" }, words.layer_of), ...tokens.map((token, place) => element("th", { scope: "col", ...(place === at ? { class: "asked" } : {}) }, token)));
    const rows = [...lens.ids.keys()].map((layer) => element("tr", {}, element("th", { scope: "row" }, layerName(view, layer)), ...tokens.map((_, place) => {
      const cell = element("button", { type: "button", class: "bare what-lens", tabindex: "-1", "aria-label": full(view, tokens, layer, place), "data-at": `${layer}.${place}` }, name(view, lens.ids[layer][place][0]));
      cell.style.setProperty("--p", String(lens.probabilities[layer][place][0]));
      return element("td", place === at ? { class: "asked" } : {}, cell);
    })));
    const table = element("table", { class: "ruled what-lenses", "aria-label": words.lens_table }, element("thead", {}, head), element("tbody", {}, ...rows));
    table.querySelector(`[data-at="${lens.ids.length - 1}.${at}"]`).tabIndex = 0;
    const tell = ({ target }) => {
      const cell = target.closest?.(".what-lens");
      if (cell) aside.textContent = cell.getAttribute("aria-label");
    };
    table.addEventListener("pointerover", tell);
    table.addEventListener("focusin", tell);
    table.addEventListener("click", tell);
    table.addEventListener("keydown", (event) => walk(event, table));
    const box = element("div", { class: "obj-scroll", role: "region", "aria-label": words.lens_table }, table);
    // What is asked about stands in sight at once.
    const hint = element("p", { class: "obj-note", hidden: "" }, words.lens_left);
    requestAnimationFrame(() => {
      box.scrollLeft = box.scrollWidth;
      hint.hidden = !box.scrollLeft;
    });
    return element("div", { class: "mask-content" }, hint, box);
  }

  function walk(event, table) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const from = document.activeElement.dataset?.at?.split(".").map(Number);
    if (!step || !from) return;
    const to = table.querySelector(`[data-at="${from[0] + step[0]}.${from[1] + step[1]}"]`);
    if (!to) return;
    event.preventDefault();
    document.activeElement.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }

  function csv(view, tokens) {
    const { lens } = view;
    const rows = lens.ids.flatMap((places, layer) => places.map((ids, place) => [layer, lens.first + place + 1, tokens[place], lens.entropy[layer][place], lens.kl[layer][place],
      ...ids.flatMap((id, rank) => [lens.names[id], lens.probabilities[layer][place][rank]])]));
    const ranks = lens.ids[0][0].flatMap((_, rank) => [`token ${rank + 1}`, `p ${rank + 1}`]);
    return Downloads.csv([["layer", "place", "token", "entropy", "kl", ...ranks], ...rows]);
  }

  function picture(view, tokens) {
    const { lens } = view;
    const [wide, high, left] = [72, 24, 80];
    const short = (text) => (text.length > 9 ? `${text.slice(0, 8)}…` : text);
    const parts = tokens.map((token, place) => ["text", { x: left + wide * (place + 0.5), y: 18, "text-anchor": "middle", fill: "#57606a" }, short(token)]);
    lens.ids.forEach((places, layer) => {
      const y = 26 + high * layer;
      parts.push(["text", { x: 8, y: y + 16, fill: "#57606a" }, layerName(view, layer)]);
      places.forEach((ids, place) => parts.push(["rect", { x: left + wide * place, y, width: wide - 2, height: high - 2, fill: AttentionSvg.between(0.6 * lens.probabilities[layer][place][0], [11, 102, 168]) }],
        ["text", { x: left + wide * (place + 0.5), y: y + 16, "text-anchor": "middle", fill: "#1c1f23" }, short(name(view, ids[0]))]));
    });
    return AttentionSvg.picture(left + wide * tokens.length + 8, 34 + high * lens.ids.length, parts);
  }

  return { refresh, walk };
})();
