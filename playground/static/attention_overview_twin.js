/* Attention, section "maps": all heads as a table, and to take away: the picture of all maps and the numbers of all names. */

const AttentionOverviewTwin = (() => {
  const { table, twin } = MaskingParts;
  const SIDE = 56; // pixels of a map
  const GAP = 6;
  const LEFT = 24;

  /** A row a head, of which the first row names the columns. */
  function rowsOf({ words, groups }) {
    const names = AttentionLabels.NAMES.filter((name) => groups.some(({ scores }) => name in scores));
    const head = [words.col_group, words.col_layer, words.col_head, words.col_labels, ...names.map((name) => words[`label_${name}`])];
    const rows = groups.flatMap((group) => group.labels.flatMap((layer, l) => layer.map((labels, h) => [
      words[`group_${group.name}`], l + 1, h + 1, AttentionLabels.listed(words, labels), ...names.map((name) => group.scores[name]?.[l][h] ?? ""),
    ])));
    return [head, ...rows];
  }

  const csv = (view) => Downloads.csv(rowsOf(view));

  function tableOf(view) {
    const folded = twin(view.words.as_table);
    folded.addEventListener("toggle", () => {
      if (!folded.open || folded.childElementCount > 1) return;
      const [head, ...rows] = rowsOf(view);
      folded.append(table(head.map((name, index) => [name, index > 3 || index === 1 || index === 2]), rows.map((row) => row.map(String)), view.words.table_heads));
    });
    return folded;
  }

  // ---- the picture ------------------------------------------------------------------------------------------------------

  const leftOf = (head) => LEFT + head * (SIDE + GAP);

  /** The groups below each other, then what the letters mean. */
  function svg(view) {
    const { words, groups } = view;
    const parts = [];
    let top = 8;
    let width = 240;
    for (const group of groups) {
      const tall = SIDE * Math.min(2, Math.max(0.5, group.height / group.width));
      parts.push(["text", { x: 8, y: top + 12, "font-weight": "bold" }, words[`group_${group.name}`]]);
      top += 32;
      for (let head = 0; head < group.heads; head += 1) parts.push(["text", { x: leftOf(head) + SIDE / 2, y: top - 4, "text-anchor": "middle" }, String(head + 1)]);
      for (let layer = 0; layer < group.layers; layer += 1) {
        for (let head = 0; head < group.heads; head += 1) parts.push(...mapParts(view, group, layer, head, { x: leftOf(head), top, tall }));
        parts.push(["text", { x: 4, y: top + tall / 2 + 4 }, String(layer + 1)]);
        top += tall + GAP;
      }
      width = Math.max(width, leftOf(group.heads - 1) + SIDE + 8);
      top += 8;
    }
    for (const name of AttentionLabels.borne(groups)) {
      parts.push(["text", { x: 8, y: top + 8, fill: AttentionLabels.colour(name), "font-weight": "bold" }, AttentionLabels.letter(name)], ["text", { x: 24, y: top + 8 }, words[`label_${name}`]]);
      top += 16;
    }
    return AttentionSvg.picture(width, top + 8, [["g", { "font-size": 11 }, ...parts]]);
  }

  /** One map on white paper, framed, with the letters of its head. */
  function mapParts(view, group, layer, head, { x, top, tall }) {
    const canvas = document.createElement("canvas");
    const hidden = view.hiddenIn(group);
    const values = group.shown(layer, head, view.chosen.contribution);
    AttentionPicture.paint(canvas, values, group.width, group.height, view.chosen.contribution ? view.most(values, hidden) : 1, hidden ?? (() => false), false);
    return [
      ["image", { x, y: top, width: SIDE, height: tall, preserveAspectRatio: "none", style: "image-rendering: pixelated", href: canvas.toDataURL() }],
      ["rect", { x, y: top, width: SIDE, height: tall, fill: "none", stroke: "#868b92", "stroke-width": "0.5" }],
      ...group.labels[layer][head].map((name, index) => ["text", { x: x + 2 + 10 * index, y: top + tall - 3, fill: AttentionLabels.colour(name), "font-weight": "bold" }, AttentionLabels.letter(name)]),
    ];
  }

  return { tableOf, csv, svg };
})();
