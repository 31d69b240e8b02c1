/* What the training that is seen was trained with, and whether the fields beside it still say the same. */

const TrainSettings = (() => {
  const { element, fill, grouped } = lineage;

  /** The part of a view: `draw(about, settings, ways)` lists what it was trained with, `ways` being how its experts were
      balanced, one after the other; `compare(fields)` says which fields now say something else. */
  function part(words, opening) {
    const note = element("p", { class: "train-note train-edited", role: "status" });
    const list = element("dl", {});
    const box = element("details", { class: "train-settings" }, element("summary", {}, words.settings), list);
    const [texts, balances] = [opening.texts, opening.balances].map((pairs) => Object.fromEntries(pairs));
    let shown = {};

    function draw(about, settings, ways) {
      const balanced = ways.length ? ways : [settings.balance];
      const fresh = { ...settings, designs: about.map(({ design }) => design), balance: balanced.at(-1), balanced };
      if (JSON.stringify([fresh, ways]) === box.dataset.shown) return;
      box.dataset.shown = JSON.stringify([fresh, ways]);
      shown = fresh;
      const rows = [
        ...about.map(({ title, design }) => [title, element("code", {}, design)]),
        [words.text, texts[settings.text] ?? settings.text],
        [words.settings_tokens, grouped(settings.tokens)],
        [words.seed, String(settings.seed)],
        ...(shown.balance ? [[words.balance, balanced.map((way) => balances[way]).join(" → ")]] : []),
      ];
      list.replaceChildren(...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
    }

    /** `fields`: as `shown`; what is undefined is not known yet, a design that cannot be trained is null. */
    function compare(fields) {
      const designs = fields.designs.includes(undefined) || fields.designs.join("|") === shown.designs.join("|") ? [] : [words.design];
      const names = { text: words.text, tokens: words.settings_tokens, seed: words.seed, balance: words.balance };
      const says = (name) => (name === "balance" ? shown.balanced.includes(fields.balance) : fields[name] === shown[name]);
      const others = Object.keys(names).filter((name) => fields[name] !== undefined && !says(name));
      const told = [...designs, ...others.map((name) => names[name])];
      note.textContent = told.length ? fill(words.edited, { fields: told.join(words.comma) }) : "";
    }

    return { note, box, draw, compare };
  }

  return { part };
})();
