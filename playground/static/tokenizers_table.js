/* What is said of a comparison beside its columns: a headline, the figures, and what each tokenizer is. */

const TokenTable = (() => {
  const { element, fill, grouped } = lineage;
  const ratio = (value, digits = 2) => (value === null ? "–" : value.toFixed(digits));
  const share = (value) => (value === null ? "–" : value === 0 ? "0" : `${(100 * value).toFixed(value < 0.1 ? 2 : 1)}\u202f%`);

  function headline(columns, size, words) {
    const ordered = columns.slice().sort((one, other) => one.figures.tokens - other.figures.tokens);
    const [few, many] = [ordered[0], ordered.at(-1)];
    if (!few || !size.characters) return words.headline_empty;
    const [least, most] = [few.figures.tokens, many.figures.tokens];
    const values = { few: few.title, least: counted(least, words), many: many.title, most: grouped(most) };
    if (least === most) return fill(words.headline_same, values);
    if (!least) return fill(words.headline_none, { ...values, most: counted(most, words) });
    const times = most / least;
    const told = fill(words.headline, { ...values, times: times < 100 ? times.toFixed(1) : grouped(Math.round(times)) });
    if (!few.figures.unknown) return told;
    return `${told} ${fill(words.headline_lossy, { few: few.title, share: share(few.figures.unknown) })}`;
  }

  const counted = (count, words) => fill(count === 1 ? words.column_token : words.column_tokens, { count: grouped(count) });

  const legend = (words) => element("p", { class: "toks-legend" },
    element("span", { class: "key key-differs" }, words.legend_differs), element("span", { class: "key key-part" }, words.legend_part),
    element("span", { class: "key key-byte" }, words.legend_byte), element("span", { class: "key key-unknown" }, words.legend_unknown),
    element("span", { class: "key key-space" }, words.legend_space));

  function figures(place, columns, size, words) {
    const heads = ["vocab", "tokens", "per_character", "per_word", "bytes", "unknown", "fallback", "seconds"];
    const head = element("tr", {}, element("th", { scope: "col" }, words.tokenizer));
    for (const name of heads) head.append(element("th", { scope: "col", class: "number" }, words[`head_${name}`]));
    const body = element("tbody");
    for (const { title, figures: f } of columns) {
      const row = element("tr", {}, element("th", { scope: "row" }, title));
      const cells = [grouped(f.vocab_size), grouped(f.tokens), ratio(f.per_character, 3), ratio(f.per_word),
        ratio(f.bytes_per_token), share(f.unknown), share(f.byte_fallback), ratio(f.seconds_per_mb, 3)];
      for (const cell of cells) row.append(element("td", { class: "number" }, cell));
      body.append(row);
    }
    const values = { characters: grouped(size.characters), words: grouped(size.words), bytes: grouped(size.bytes) };
    const caption = element("caption", {}, fill(words.caption, values));
    place.replaceChildren(element("table", { class: "ruled" }, caption, element("thead", {}, head), body));
  }

  /** Source, licence and special tokens of each. */
  function facts(place, columns, words) {
    const heads = ["tokenizer", "algorithm", "special", "source", "licence"].map((key) => element("th", { scope: "col" }, words[key]));
    const rows = columns.map(({ title, algorithm, about }) => {
      const rest = about.n_special - about.special.length;
      const special = element("td", {}, ...about.special.map((token) => element("span", { class: "piece" }, token)));
      if (rest > 0) special.append(element("small", {}, fill(words.special_more, { count: grouped(rest) })));
      if (!about.n_special) special.append("–");
      return element("tr", {}, element("th", { scope: "row" }, title), element("td", {}, algorithm), special,
        element("td", {}, about.source), element("td", {}, about.licence));
    });
    place.replaceChildren(element("table", { class: "ruled origins" }, element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...rows)));
  }

  return { headline, counted, legend, figures, facts };
})();
