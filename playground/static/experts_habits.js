/* What each expert gets most, and how sure that is: counted by the server against a random router with the same load. */

const ExpertHabits = (() => {
  const { element, fill, grouped } = lineage;
  const { mark, percent } = ExpertPictures;

  let asked = 0;

  /** A box that fills once the server has counted. */
  function box(shared) {
    const place = element("section", { class: "exp-habits", "data-figure": "habits" }, element("h3", {}, shared.words.habits_title));
    const mine = (asked += 1);
    const request = { ...shared.request(shared.look.ran), of: shared.at };
    shared.attempt(() => shared.ask("experts_habits", request)).then((found) => {
      if (found && mine === asked) place.append(...habits(found, shared));
    });
    return place;
  }

  const MOST = 24; // rows that are shown at once

  function habits(found, shared) {
    const { words, sequence } = shared;
    const kinds = ["token", "kind", "place", "sentence"].filter((kind) => found[kind]);
    const surest = kinds.map((kind) => ({ kind, ...found[kind] })).sort((one, other) => (one.p - other.p) || (other.bits - other.random) - (one.bits - one.random))[0];
    const said = fill(surest.p < 0.05 ? words.habits_sentence : words.habits_sentence_none, {
      kind: words[`habit_${surest.kind}`], bits: surest.bits.toFixed(2), random: surest.random.toFixed(2), high: surest.high.toFixed(2), p: pText(surest.p),
    });
    const named = (kind, label) => {
      if (kind === "kind") return words[`kind_${found.kinds[label]}`];
      if (kind === "place") return words[`quarter_${label}`];
      if (kind === "sentence") return fill(words.sentence_number, { number: label + 1 });
      return sequence.labels[label];
    };
    const overview = kinds.map((kind) => [words[`habit_${kind}`], found[kind].bits, found[kind].random, found[kind].high, pText(found[kind].p)]);
    const heads = [[words.head_kind], [words.head_bits, true], [words.head_random, true], [words.head_high, true], [words.head_p, true]];
    const detailHeads = [[words.head_expert], [words.head_kind], [words.head_what], [words.head_count, true], [words.head_expected, true], [words.head_interval, true], [words.head_p_all, true]];
    const raw = kinds.flatMap((kind) => found[kind].rows.map((row) => ({ kind, row }))).sort((one, other) => one.row[0] - other.row[0] || one.row[5] - other.row[5]);
    const table = (list) => MaskingParts.table(detailHeads, list.map(({ kind, row: [expert, label, count, of, expected, p, low, high] }) => [
      mark(expert), words[`habit_${kind}`], named(kind, label), fill(words.count_of, { count, of }), expected.toFixed(1), `${percent(low)}–${percent(high)}`, p < 0.05 ? `${pText(p)} ✓` : pText(p),
    ]), words.habits_table);
    const sure = raw.filter(({ row }) => row[5] < 0.05);
    const asked = kinds.reduce((sum, kind) => sum + found[kind].asked, 0);
    const made = [element("p", { class: "obj-sentence" }, said), element("p", { class: "obj-note" }, (shared.usesAll ? words.habits_strongest : "") + fill(words.habits_note, { asked: grouped(asked) })), MaskingParts.table(heads, overview.map((row) => row.map((cell) => (typeof cell === "number" ? cell.toFixed(3) : cell))), words.habits_overview)];
    made.push(sure.length ? table([...sure].sort((one, other) => one.row[5] - other.row[5]).slice(0, MOST)) : element("p", { class: "obj-note" }, words.habits_no_sure));
    made.push(MaskingParts.twin(fill(words.habits_all, { count: raw.length }), table(raw)));
    const bar = element("div");
    Downloads.bar(bar, { name: "experts-habits", csv: () => Downloads.csv([[words.head_expert, words.head_kind, words.head_what, words.head_count, "of", words.head_expected, words.head_p_all, "low", "high"], ...raw.map(({ kind, row: [expert, label, count, of, expected, p, low, high] }) => [expert, words[`habit_${kind}`], named(kind, label), count, of, expected, p, low, high])]) });
    return [...made, bar];
  }

  const pText = (p) => (p >= 0.995 ? "1" : p >= 0.001 ? p.toFixed(3) : ExpertPictures.tiny(p));

  return { box };
})();
