/* Attention, section "maps": the large view of a head as a table, and to take away: its picture and its numbers. */

const AttentionHeadTwin = (() => {
  const { fill } = lineage;
  const { table, twin, percent } = MaskingParts;
  const { named } = AttentionPicture;

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
      const best = AttentionPlaces.rowOf(shown, query).slice(0, 3).filter(([share]) => share > 0);
      const told = best.map(([share, key]) => fill(words.to_token, { token: named(keys[key]), position: key + 1, share: percent(share) }));
      return [String(query + 1), named(text), told[0] ?? "–", told[1] ?? "–", told[2] ?? "–"];
    });
    while (folded.childElementCount > 1) folded.lastChild.remove();
    folded.append(table(heads, rows, fill(words.table_rows, { title: view.title() })));
  }

  /** The numbers of the large view; of a single head's weights those that the model computed, asked of the server. */
  async function csv(view) {
    const { shared, sequences } = view;
    const shown = AttentionPlaces.shownOf(view);
    const { group, layer, head } = shown;
    const rows = Array.from({ length: group.height }, (_, query) => Array.from(shown.values.subarray(query * group.width, (query + 1) * group.width)));
    const plain = shown.combine === "head" && !shown.contribution;
    const exact = plain ? await shared.attempt(() => shared.ask("attention_exact", { ...view.request, group: group.name, layer, head })) : null;
    const texts = sequences[group.queries].texts;
    return Downloads.csv([["", ...sequences[group.keys].texts], ...(exact?.rows ?? rows).map((row, query) => [texts[query], ...row])]);
  }

  function mapSvg(view) {
    const { sequences } = view;
    const shown = AttentionPlaces.shownOf(view);
    const { group, values, hidden, most } = shown;
    const cell = Math.max(4, Math.min(18, 1_200 / group.width));
    const [left, top] = [100, 118];
    const canvas = document.createElement("canvas");
    const blocked = AttentionPlaces.blockedIn(view, shown);
    AttentionPicture.paint(canvas, values, group.width, group.height, most, (place) => blocked(place) || Boolean(hidden?.(place)), false);
    const every = Math.max(1, Math.ceil(AttentionHeadMap.LABEL / cell));
    const names = (texts, make) => texts.flatMap((text, place) => (place % every ? [] : [make(AttentionPicture.short(text), place)]));
    const parts = [
      ["text", { x: 8, y: 16, "font-weight": "bold" }, view.title()],
      ["image", { x: left, y: top, width: cell * group.width, height: cell * group.height, preserveAspectRatio: "none", style: "image-rendering: pixelated", href: canvas.toDataURL() }],
      ["rect", { x: left, y: top, width: cell * group.width, height: cell * group.height, fill: "none", stroke: "#868b92" }],
      ...names(sequences[group.queries].texts, (text, place) => ["text", { x: left - 4, y: top + (place + 0.5) * cell + 4, "text-anchor": "end" }, text]),
      ...names(sequences[group.keys].texts, (text, place) => ["text", { transform: `translate(${left + (place + 0.5) * cell + 4} ${top - 4}) rotate(-90)` }, text]),
    ];
    return AttentionSvg.picture(left + cell * group.width + 8, top + cell * group.height + 8, [["g", { "font-size": 11 }, ...parts]]);
  }

  function linesSvg(view) {
    const { sequences, chosen } = view;
    const shown = AttentionPlaces.shownOf(view);
    const { group } = shown;
    const [step, width, names, top] = [16, 640, 150, 32];
    const at = (place) => top + (place + 0.5) * step;
    const side = (texts, x, anchor, current) => texts.map((text, place) => ["text", { x, y: at(place) + 4, "text-anchor": anchor, "font-weight": place === current ? "bold" : "normal" }, AttentionPicture.short(text, 20)]);
    const parts = [
      ["text", { x: 8, y: 16, "font-weight": "bold" }, view.title()],
      ...AttentionHeadMap.lines(shown, chosen.row).map(({ query, key, isChosen, opacity, thickness }) =>
        ["line", { x1: names, y1: at(query), x2: width - names, y2: at(key), stroke: isChosen ? "#0b66a8" : "#57606a", "stroke-opacity": opacity.toFixed(3), "stroke-width": thickness.toFixed(2), "stroke-linecap": "round" }]),
      ...side(sequences[group.queries].texts, names - 6, "end", chosen.row),
      ...side(sequences[group.keys].texts, width - names + 6, "start", -1),
    ];
    return AttentionSvg.picture(width, top + step * Math.max(group.width, group.height) + 8, [["g", { "font-size": 11 }, ...parts]]);
  }

  /** The picture as it is drawn now. */
  const svg = (view) => (lineage.state.att_view === "lines" ? linesSvg(view) : mapSvg(view));

  return { tableOf, fillTable, csv, svg };
})();
