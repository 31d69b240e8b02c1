/* The table that surveys print of vocabularies, beside what is measured here. */

const TokenSurvey = (() => {
  const { element, fill, grouped } = lineage;
  // The survey's own vocabulary sizes: size, model, and the words that say how the figure is to be taken.
  const PRINTED = [[32000, "LLaMA", "survey_llama"], [130528, "ChatGLM-6B", "survey_chatglm"], [250880, "BLOOM", "survey_bloom"]];

  /** A part to unfold, which asks when it is opened; `chosen()` are the names of the tokenizers. */
  function part(tab, chosen) {
    const { words } = tab;
    const place = element("div", { class: "toks-scroll", tabindex: "0", role: "region", "aria-label": words.survey });
    const details = element("details", { class: "toks-survey" }, element("summary", {}, words.survey), place);
    details.addEventListener("toggle", async () => {
      if (!details.open) return;
      const reply = await tab.attempt(() => tab.ask("survey", { tokenizers: chosen() }));
      if (reply) place.replaceChildren(...drawn(reply, words));
    });
    return details;
  }

  function drawn(reply, words) {
    const row = (head, cells) => element("tr", {}, element("th", { scope: "row" }, head),
      ...cells.map((cell) => element("td", { class: "number" }, cell)));
    const table = (caption, heads, rows) => element("table", { class: "ruled" }, element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...heads.map((head, index) =>
        element("th", index ? { scope: "col", class: "number" } : { scope: "col" }, head)))), element("tbody", {}, ...rows));
    const ours = reply.rows.map(({ title, vocab_size, chinese, english }) =>
      row(title, [grouped(vocab_size), chinese[0].toFixed(3), english[0].toFixed(3), chinese[1].toFixed(3), english[1].toFixed(3)]));
    const printed = PRINTED.map(([size, model, key]) => element("tr", {}, element("th", { scope: "row" }, model),
      element("td", { class: "number" }, grouped(size)), element("td", {}, words[key])));
    const corpus = fill(words.survey_ours, { chinese: grouped(reply.characters.chinese), english: grouped(reply.characters.english) });
    const heads = ["tokenizer", "head_vocab", "survey_zh", "survey_en", "survey_zh_seconds", "survey_en_seconds"].map((key) => words[key]);
    const printedTable = table(words.survey_printed, [words.model, words.head_vocab, words.remark], printed);
    printedTable.classList.add("printed");
    return [table(corpus, heads, ours), printedTable];
  }

  return { part };
})();
