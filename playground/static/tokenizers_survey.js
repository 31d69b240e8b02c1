/* Tables to unfold under the comparison, each asked for when it is opened: what surveys print of vocabularies beside what is
   measured here, and the figures of the chart. */

const TokenSurvey = (() => {
  const { element, fill, grouped } = lineage;
  const decimals = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits));

  /** A part to unfold; `draw` makes its contents of what the server answers to `name`. */
  function unfolding(tab, name, className, title, chosen, draw) {
    const place = element("div", { class: "toks-scroll", tabindex: "0", role: "region", "aria-label": title });
    const details = element("details", { class: className }, element("summary", {}, title), place);
    const ask = async () => {
      if (!details.open) return;
      const reply = await tab.attempt(() => tab.ask(name, { tokenizers: chosen() }));
      if (reply) place.replaceChildren(...draw(reply, tab.words));
    };
    details.addEventListener("toggle", ask);
    return { details, ask };
  }

  function table(caption, heads, rows) {
    const head = heads.map((words, index) => element("th", index ? { scope: "col", class: "number" } : { scope: "col" }, words));
    const body = rows.map(([first, ...cells]) => element("tr", {}, element("th", { scope: "row" }, first),
      ...cells.map((cell) => element("td", { class: "number" }, cell))));
    return element("table", { class: "ruled" }, element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  }

  function printed(reply, words) {
    const remarks = { llama2: words.survey_llama, chatglm: words.survey_chatglm, bloom: words.survey_bloom };
    const rows = reply.rows.map(({ title, printed: size, vocab_size: ours, chinese, english, remark }) => {
      const name = element("span", {}, title);
      if (remark) name.append(element("small", {}, remarks[remark]));
      return [name, size ? grouped(size) : "–", ours ? grouped(ours) : "–", ...[0, 1].flatMap((which) =>
        [chinese?.[which], english?.[which]].map((value) => decimals(value)))];
    });
    const heads = ["tokenizer", "survey_printed", "survey_here", "survey_zh", "survey_en", "survey_zh_seconds", "survey_en_seconds"];
    const { chinese, english } = reply.characters;
    const caption = fill(words.survey_ours, { chinese: grouped(chinese), english: grouped(english) });
    return [table(caption, heads.map((key) => words[key]), rows), element("p", { class: "toks-note" }, words.survey_note)];
  }

  function perKind(reply, words) {
    const rows = reply.rows.map(([title, ...values]) => [title, ...values.map((value) => decimals(value))]);
    const ends = (at) => {
      const ordered = reply.rows.slice().sort((one, other) => one[at] - other[at]);
      return [ordered[0], ordered.at(-1)].flatMap((row) => [row[0], decimals(row[at])]);
    };
    const [few, least, many, most] = ends(2);
    const [few_en, least_en, many_en, most_en] = ends(1);
    const told = fill(words.kinds_told, { few, least, many, most, few_en, least_en, many_en, most_en });
    return [table(told, [words.tokenizer, ...reply.passages], rows)];
  }

  /** The parts; `again` asks anew for those that are open, since other tokenizers were chosen. */
  function parts(tab, chosen) {
    const { words } = tab;
    const all = [
      unfolding(tab, "survey", "toks-survey", words.survey, chosen, printed),
      unfolding(tab, "kinds", "toks-kinds", words.kinds, chosen, perKind),
    ];
    return { elements: all.map(({ details }) => details), again: () => all.forEach(({ ask }) => ask()) };
  }

  return { parts };
})();
