/* The board of heads: each a button that silences it, coloured by how much a token depends on it. */

const AttentionBoard = (() => {
  const { element, fill } = lineage;
  const { percent, table, twin } = MaskingParts;
  const FEED_FORWARD = { a: "f", e: "g" }; // which feed-forward stands beside which attention

  /** Draws the board, and lets the server silence every head once, where what it would answer has changed. */
  async function refresh(view, place) {
    const key = JSON.stringify([view.shared.version, view.reply.place, view.reply.watched, lineage.state.what_method]);
    if (view.heads?.key === key) {
      draw(view, place);
      return;
    }
    const heads = { key, nats: [], kl: [], count: 0, passes: 0, done: false };
    view.heads = heads;
    draw(view, place);
    for (let from = 0; from !== null;) {
      const request = { ...view.request(), from, token: view.reply.watched };
      const part = await view.shared.attempt(() => view.shared.ask("whatif_heads", request));
      if (view.heads !== heads) return; // something else is asked about by now
      if (!part) {
        view.heads = null;
        return;
      }
      heads.nats.push(...part.nats);
      heads.kl.push(...part.kl);
      Object.assign(heads, { count: part.count, passes: heads.passes + 1, p: part.p, done: part.next === null });
      from = part.next;
      draw(view, place);
    }
  }

  /** The heads in the order in which the server counts them: grid by grid, layer by layer. */
  const inOrder = (groups) => groups.flatMap(({ letter, n_layers, n_heads }) =>
    Array.from({ length: n_layers * n_heads }, (_, index) => ({ letter, layer: Math.floor(index / n_heads), head: index % n_heads })));

  /** What a part is called that "a0.3" or "f2" stands for. */
  function nameOf(view, part) {
    const [, letter, layer, head] = /^(\w)(\d+)(?:\.(\d+))?$/.exec(part);
    if (head === undefined) return fill(view.words[`part_label_${letter}`], { layer: Number(layer) + 1 });
    return fill(view.words[`head_${letter}`], { layer: Number(layer) + 1, head: Number(head) + 1 });
  }

  function draw(view, place) {
    const { reply, words, heads } = view;
    const token = view.visible(view.watched.text);
    const focused = place.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    const most = Math.max(1e-9, ...heads.nats.map(Math.abs));
    let index = 0;
    const grids = reply.groups.map((group) => {
      const grid = gridOf(view, group, index, most, token);
      index += group.n_layers * group.n_heads;
      return grid;
    });
    const progress = heads.done ? [] : [element("p", { class: "obj-note", role: "status" }, heads.count ? fill(words.heads_progress, { done: heads.nats.length, count: heads.count }) : words.computing)];
    place.replaceChildren(element("h3", {}, fill(words.heads_title, { token })), ...(heads.done ? [element("p", {}, summary(view, token))] : []), ...progress,
      element("p", { class: "obj-note" }, fill(words.board_how, { token })), ...grids, ...(heads.done ? tableOf(view, token) : []));
    if (focused) place.querySelector(`[data-part="${focused}"]`)?.focus();
  }

  function gridOf(view, { letter, n_layers, n_heads }, first, most, token) {
    const { words, reply, heads } = view;
    const off = new Set(view.off());
    const button = (part, text, label, tint) => {
      const made = element("button", { type: "button", class: "bare what-head", "data-part": part, "aria-pressed": String(off.has(part)), "aria-label": label, title: label }, text);
      if (tint !== undefined) {
        made.style.setProperty("--p", String(Math.abs(tint)));
        if (tint > 0) made.classList.add("against");
      }
      made.addEventListener("click", () => view.toggle(part));
      return made;
    };
    const rows = Array.from({ length: n_layers }, (_, layer) => {
      const cells = Array.from({ length: n_heads }, (_, head) => {
        const nats = heads.nats[first + layer * n_heads + head];
        const gaps = { layer: layer + 1, head: head + 1, token, nats: nats === undefined ? "" : view.signed(nats, 3) };
        return button(`${letter}${layer}.${head}`, String(head + 1), fill(nats === undefined ? words.head_label_bare : words.head_label, gaps), nats === undefined ? undefined : nats / most);
      });
      const whole = button(`${letter}${layer}`, words.all_heads, fill(words[`part_label_${letter}`], { layer: layer + 1 }));
      whole.classList.add("whole");
      const further = [];
      if (FEED_FORWARD[letter]) {
        const ffn = `${FEED_FORWARD[letter]}${layer}`;
        further.push(button(ffn, words.feedforward, fill(words[`part_label_${ffn[0]}`], { layer: layer + 1 })));
        further[0].classList.add("whole");
      }
      return element("div", { class: "what-row", role: "group", "aria-label": fill(words.layer, { layer: layer + 1 }) }, element("span", { class: "mask-layer" }, fill(words.layer, { layer: layer + 1 })),
        element("span", { class: "what-heads" }, ...cells), whole, ...further);
    });
    const board = element("div", { class: "what-board" }, ...rows);
    MaskingParts.walk(board, [...board.querySelectorAll("button")], 0);
    const title = groupTitle(view, letter);
    return element("div", { class: "what-group", role: "group", "aria-label": title }, ...(reply.groups.length > 1 ? [element("h4", {}, title)] : []), element("div", { class: "obj-scroll" }, board));
  }

  const groupTitle = ({ reply, words }, letter) => words[letter === "a" && reply.groups.length > 1 ? "group_a_decoder" : `group_${letter}`];

  const ranked = (view) => inOrder(view.reply.groups).map((one, index) => ({ ...one, nats: view.heads.nats[index], kl: view.heads.kl[index] })).sort((one, other) => one.nats - other.nats);

  function summary(view, token) {
    const { words, heads } = view;
    const order = ranked(view);
    const best = order[0].nats < 0 ? order[0] : order.at(-1);
    return fill(best.nats < 0 ? words.said_heads : words.said_heads_none, { token, p: percent(heads.p), best: nameOf(view, `${best.letter}${best.layer}.${best.head}`), nats: view.signed(best.nats), count: heads.count,
      passes: heads.passes > 1 ? fill(words.passes, { passes: heads.passes }) : words.one_pass, helps: heads.nats.filter((nats) => nats < 0).length, hinders: heads.nats.filter((nats) => nats > 0).length });
  }

  function tableOf(view, token) {
    const { words } = view;
    const order = ranked(view);
    const rows = order.map((one) => [nameOf(view, `${one.letter}${one.layer}.${one.head}`), view.signed(one.nats, 3), one.kl.toFixed(3)]);
    const folded = twin(words.as_table, table([[words.head], [words.change, true], [words.kl, true]], rows, fill(words.table_heads, { token })));
    const box = element("div", { class: "mask-content" }, element("p", { class: "obj-note" }, words.heads_about), folded);
    Downloads.bar(box, { name: "heads", svg: () => picture(view),
      csv: () => Downloads.csv([["attention", "layer", "head", "nats", "kl"], ...order.map((one) => [groupTitle(view, one.letter), one.layer + 1, one.head + 1, one.nats, one.kl])]) });
    return [box];
  }

  /** The board as markup of an SVG. */
  function picture(view) {
    const { reply, heads, words } = view;
    const most = Math.max(1e-9, ...heads.nats.map(Math.abs));
    const parts = [];
    let [index, top] = [0, 16];
    for (const { letter, n_layers, n_heads } of reply.groups) {
      parts.push(["text", { x: 8, y: top + 12, fill: "#1c1f23" }, groupTitle(view, letter)]);
      top += 24;
      for (let layer = 0; layer < n_layers; layer += 1) {
        parts.push(["text", { x: 8, y: top + 20, fill: "#57606a" }, fill(words.layer, { layer: layer + 1 })]);
        for (let head = 0; head < n_heads; head += 1) {
          const nats = heads.nats[index++];
          parts.push(["rect", { x: 90 + 58 * head, y: top, width: 54, height: 28, fill: AttentionSvg.tint(nats / most) }], ["text", { x: 117 + 58 * head, y: top + 19, "text-anchor": "middle", fill: "#1c1f23" }, view.signed(nats)]);
        }
        top += 32;
      }
      top += 12;
    }
    return AttentionSvg.picture(100 + 58 * Math.max(...reply.groups.map(({ n_heads }) => n_heads)), top + 8, parts);
  }

  return { refresh, nameOf };
})();
