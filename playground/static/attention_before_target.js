/* Target attention: what each entry of a list counts for one query, in three ways. */

const AttentionTarget = (() => {
  const { element, fill } = lineage;
  const { percent, table, twin } = MaskingParts;
  const WAYS = ["unit", "softmax", "dot"];

  function mount(view, place, textField) {
    if (place.childElementCount) return;
    const { words, shared } = view;
    const result = element("div", { class: "mask-content", "aria-live": "polite" });
    const error = element("p", { class: "obj-error", role: "alert", hidden: "" });
    const attempt = Asking.attempter(error);
    let latest = 0;
    const draw = async () => {
      const mine = ++latest;
      const reply = await attempt(() => shared.ask("before_target", { din_query: lineage.state.din_query, din_list: lineage.state.din_list }));
      if (mine !== latest) return;
      result.hidden = !reply;
      if (reply) result.replaceChildren(...drawn(words, reply));
    };
    const fields = element("div", { class: "before-target-fields" }, textField("din-query", words.query, "din_query", draw).row, textField("din-list", words.list, "din_list", draw).row);
    place.append(element("h2", {}, words.target), fields, error, result);
    draw();
  }

  const number = (value) => `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}`;

  function drawn(words, reply) {
    const { entries, unit } = reply;
    const best = unit.indexOf(Math.max(...unit));
    const said = fill(words.said_target, { query: reply.query, best: entries[best], weight: number(unit[best]), sum: number(unit.reduce((sum, one) => sum + one, 0)), chance: percent(reply.chance) });
    const most = Object.fromEntries(WAYS.map((way) => [way, Math.max(1e-9, ...reply[way].map(Math.abs))]));
    const head = element("div", { class: "target-row target-head" }, element("span"), ...WAYS.map((way) => element("span", {}, words[way])));
    const lines = entries.map((entry, index) => element("div", { class: "target-row" }, element("span", { class: "mname", dir: "auto" }, entry), ...WAYS.map((way) => bar(reply[way][index], most[way], way))));
    const rows = entries.map((entry, index) => [entry, ...WAYS.map((way) => reply[way][index].toFixed(3))]);
    const share = (value) => `${value.toFixed(1)}\u202f%`;
    const box = element("div", { class: "mask-content" }, element("p", { class: "obj-about" }, fill(words.target_about, { vectors: reply.vectors })), element("p", { class: "obj-sentence" }, said),
      element("div", { class: "obj-scroll" }, element("div", { class: "target-rows" }, head, ...lines)),
      twin(words.as_table, table([[words.entry], [words.unit_short, true], [words.softmax_short, true], [words.dot_short, true]], rows, words.table_target)),
      element("p", { class: "obj-note" }, fill(words.auc, { unit: share(reply.auc.unit), softmax: share(reply.auc.softmax), sum: share(reply.auc.sum) })));
    Downloads.bar(box, { name: "target-attention", svg: () => picture(reply), csv: () => Downloads.csv([["entry", ...WAYS], ...entries.map((entry, index) => [entry, ...WAYS.map((way) => reply[way][index])])]) });
    return [box];
  }

  function bar(value, most, way) {
    const inside = element("span", { class: `target-fill ${way}${value < 0 ? " below" : ""}` });
    inside.style.inlineSize = `${100 * Math.abs(value) / most}%`;
    return element("span", { class: "target-cell" }, element("span", { class: "what-track", "aria-hidden": "true" }, inside), element("span", { class: "mfigure" }, way === "unit" ? number(value) : percent(value)));
  }

  function picture(reply) {
    const parts = [];
    WAYS.forEach((way, column) => {
      const most = Math.max(1e-9, ...reply[way].map(Math.abs));
      const x = 130 + 200 * column;
      parts.push(["text", { x, y: 18, fill: "#57606a" }, way]);
      reply.entries.forEach((entry, index) => {
        const y = 30 + 24 * index;
        if (!column) parts.push(["text", { x: 120, y: y + 13, "text-anchor": "end", fill: "#1c1f23" }, entry]);
        const value = reply[way][index];
        parts.push(["rect", { x, y, width: 130 * Math.abs(value) / most, height: 16, fill: value < 0 ? "#0b66a8" : "#b34700" }], ["text", { x: x + 136, y: y + 13, fill: "#57606a" }, number(value)]);
      });
    });
    return AttentionSvg.picture(730, 44 + 24 * reply.entries.length, parts);
  }

  return { mount };
})();
