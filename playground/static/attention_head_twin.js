/* Attention, section "maps": the large view of a head as a table, and to take away: its picture and its numbers. */

const AttentionHeadTwin = (() => {
  const { fill } = lineage;
  const { table, twin } = MaskingParts;
  const { named } = AttentionPicture;
  const NARROWEST = 560; // pixels of a picture, for what stands above it
  const [CHOSEN, OTHERS] = ["#0b66a8", "#57606a"]; // colours of lines

  function tableOf(view) {
    const folded = twin(view.words.as_table);
    folded.addEventListener("toggle", () => folded.open && fillTable(folded, view));
    return folded;
  }

  function fillTable(folded, view) {
    const { words, sequences } = view;
    const shown = AttentionPlaces.shownOf(view);
    const { group } = shown;
    const keys = sequences[group.keys].texts;
    const heads = [[words.col_place, true], [words.col_token], [words.col_most], [words.col_second], [words.col_third]];
    const rows = sequences[group.queries].texts.slice(0, view.limit(group)).map((text, query) => {
      const best = AttentionPlaces.rowOf(shown, query).slice(0, 3).filter(([value]) => value > 0);
      const told = best.map(([value, key]) => fill(words.to_token, { token: named(keys[key]), position: key + 1, share: AttentionPlaces.told(shown, value) }));
      return [String(query + 1), named(text), told[0] ?? "–", told[1] ?? "–", told[2] ?? "–"];
    });
    while (folded.childElementCount > 1) folded.lastChild.remove();
    folded.append(table(heads, rows, fill(words.table_rows, { title: view.title() })));
  }

  /** The numbers of the large view as the model computed them, asked of the server; if it does not answer, those of the
      page, in the digits that are known. A row a query, a column a key, each with its place. */
  async function csv(view) {
    const { shared, sequences } = view;
    const { group, layer, head, values, contribution, combine } = AttentionPlaces.shownOf(view);
    const known = group.fine ? 4 : 2;
    const rows = Array.from({ length: group.height }, (_, query) => Array.from(values.subarray(query * group.width, (query + 1) * group.width), (value) => Number(value.toFixed(known))));
    const exact = await shared.attempt(() => shared.ask("attention_exact", { ...view.request, group: group.name, layer, head, combine, contribution }));
    const texts = sequences[group.queries].texts;
    const heads = sequences[group.keys].texts.map((text, key) => `${key + 1} ${text}`);
    return Downloads.csv([[view.words.col_place, view.words.col_token, ...heads], ...(exact?.rows ?? rows).map((row, query) => [query + 1, texts[query], ...row])]);
  }

  /** What a file is called: it says which head, and what of it. */
  function fileName(view) {
    const { group, layer, head, contribution, combine } = AttentionPlaces.shownOf(view);
    return ["attention", group.name, `layer-${layer + 1}`, combine === "head" ? `head-${head + 1}` : combine, ...(contribution ? ["contribution"] : [])].join("-");
  }

  /** What stands above a picture that is taken away: which head of which model, and the text. */
  function captions(view, shown) {
    const text = view.sequences[shown.group.keys].texts.join("").trim();
    return [["text", { x: 8, y: 16, "font-weight": "bold" }, `${view.title()} · ${AttentionPlaces.scaleName(view.words, shown)}`],
      ["text", { x: 8, y: 32, fill: "#57606a" }, `${view.reading.title} · ${text.length > 72 ? `${text.slice(0, 70)}…` : text}`]];
  }
  const CAPTIONS = 44; // pixels

  function mapSvg(view) {
    const { sequences } = view;
    const shown = AttentionPlaces.shownOf(view);
    const { group, values, hidden, most } = shown;
    const cell = Math.max(4, Math.min(18, 1_200 / group.width));
    const [left, top] = [100, 118 + CAPTIONS - 24];
    const below = top + cell * group.height + 12;
    const canvas = document.createElement("canvas");
    const blocked = AttentionPlaces.blockedIn(view, shown);
    AttentionPicture.paint(canvas, values, group.width, group.height, most, (place) => blocked(place) || Boolean(hidden?.(place)), false);
    const every = Math.max(1, Math.ceil(AttentionHeadMap.LABEL / cell));
    const names = (texts, make) => texts.flatMap((text, place) => (place % every ? [] : [make(AttentionPicture.short(text), place)]));
    const scale = Array.from({ length: 40 }, (_, at) => ["rect", { x: 28 + 4 * at, y: below, width: 4.5, height: 12, fill: AttentionPicture.css((at / 39) ** 2, false) }]);
    const parts = [
      ...captions(view, shown),
      ["text", { x: 22, y: below + 10, "text-anchor": "end" }, "0"], ...scale, ["text", { x: 194, y: below + 10 }, AttentionPlaces.scaleEnd(shown)],
      ["rect", { x: 8, y: below + 20, width: 16, height: 12, fill: "#e8e4dc", stroke: "#868b92" }], ["text", { x: 28, y: below + 30 }, view.words.scale_masked],
      ["image", { x: left, y: top, width: cell * group.width, height: cell * group.height, preserveAspectRatio: "none", style: "image-rendering: pixelated", href: canvas.toDataURL() }],
      ["rect", { x: left, y: top, width: cell * group.width, height: cell * group.height, fill: "none", stroke: "#868b92" }],
      ...names(sequences[group.queries].texts, (text, place) => ["text", { x: left - 4, y: top + (place + 0.5) * cell + 4, "text-anchor": "end" }, text]),
      ...names(sequences[group.keys].texts, (text, place) => ["text", { transform: `translate(${left + (place + 0.5) * cell + 4} ${top - 4}) rotate(-90)` }, text]),
    ];
    return AttentionSvg.picture(Math.max(NARROWEST, left + cell * group.width + 8), below + 40, [["g", { "font-size": 11 }, ...parts]]);
  }

  function linesSvg(view) {
    const { sequences, chosen } = view;
    const shown = AttentionPlaces.shownOf(view);
    const { group } = shown;
    const [step, width, names, top] = [16, 640, 150, CAPTIONS + 20];
    const at = (place) => top + (place + 0.5) * step;
    const side = (texts, x, anchor, current) => texts.map((text, place) => ["text", { x, y: at(place) + 4, "text-anchor": anchor, "font-weight": place === current ? "bold" : "normal" }, AttentionPicture.short(text, 20)]);
    const keys = [["chosen", CHOSEN, 8], ["others", OTHERS, 180]].flatMap(([name, stroke, x]) =>
      [["line", { x1: x, x2: x + 24, y1: CAPTIONS + 4, y2: CAPTIONS + 4, stroke, "stroke-width": 3 }], ["text", { x: x + 30, y: CAPTIONS + 8 }, view.words[`line_${name}`]]]);
    const parts = [
      ...captions(view, shown), ...keys, ["text", { x: 400, y: CAPTIONS + 8 }, fill(view.words.line_most, { most: AttentionPlaces.scaleEnd(shown) })],
      ...AttentionHeadMap.lines(shown, chosen.row).map(({ query, key, isChosen, opacity, thickness }) =>
        ["line", { x1: names, y1: at(query), x2: width - names, y2: at(key), stroke: isChosen ? CHOSEN : OTHERS, "stroke-opacity": opacity.toFixed(3), "stroke-width": thickness.toFixed(2), "stroke-linecap": "round" }]),
      ...side(sequences[group.queries].texts, names - 6, "end", chosen.row),
      ...side(sequences[group.keys].texts, width - names + 6, "start", -1),
    ];
    return AttentionSvg.picture(width, top + step * Math.max(group.width, group.height) + 8, [["g", { "font-size": 11 }, ...parts]]);
  }

  /** The picture as it is drawn now. */
  const svg = (view) => (lineage.state.att_view === "lines" ? linesSvg(view) : mapSvg(view));

  return { tableOf, fillTable, csv, svg, fileName };
})();
