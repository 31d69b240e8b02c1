/* Train your own: a text, an algorithm and a size; the outcome is compared at once, and can be downloaded. */

const TokenTraining = (() => {
  const { element, fill, grouped } = lineage;
  const ALGORITHMS = ["byte-bpe", "sp-bpe", "unigram", "wordpiece", "characters"];
  const GLANCE = 300; // milliseconds between two looks at the progress

  function open(tab, section) {
    if (section.dataset.built) return;
    section.dataset.built = "true";
    const { words } = tab;
    const text = element("textarea", { id: "toks-corpus", rows: "12", spellcheck: "false" });
    text.value = tab.keptText("train_text") || tab.opening.passages.slice(0, 2).map((passage) => passage.text).join("\n");
    text.dir = "auto";
    const algorithm = element("select", { id: "toks-algorithm" },
      ...ALGORITHMS.map((name) => element("option", { value: name }, words[`train_${name.replace("-", "_")}`])));
    algorithm.value = lineage.state.train_with;
    const size = element("input", { id: "toks-size", type: "number", min: String(tab.opening.limits.smallest), max: String(tab.opening.limits.largest), step: "1" });
    size.value = lineage.state.train_size;
    const begin = element("button", { type: "button", class: "primary" }, words.train);
    const stop = element("button", { type: "button", hidden: "" }, words.stop);
    const bar = element("progress", { max: "1", value: "0", hidden: "", "aria-label": words.progress });
    const outcome = element("output", { class: "toks-outcome" });
    const list = element("ul", { class: "toks-own" });
    section.append(element("div", { class: "split" },
      element("div", { class: "controls" },
        element("label", { for: "toks-algorithm" }, words.algorithm), algorithm,
        element("label", { for: "toks-size" }, fill(words.size, { low: tab.opening.limits.smallest, high: tab.opening.limits.largest })), size,
        element("div", { class: "toks-row" }, begin, stop), bar, outcome),
      element("div", { class: "picture" }, element("p", { class: "toks-about" }, words.about_train),
        element("label", { for: "toks-corpus" }, fill(words.corpus, { limit: tab.opening.limit_words.text })), text,
        element("h3", {}, words.yours), list)));

    let job = null;
    begin.addEventListener("click", run);
    stop.addEventListener("click", () => job && tab.attempt(() => tab.ask("stop", { job })));
    text.addEventListener("input", () => lineage.remember("sessionStorage", "train_text", text.value));
    algorithm.addEventListener("change", () => lineage.write("train_with", algorithm.value));
    size.addEventListener("change", () => lineage.write("train_size", size.value));

    async function run() {
      if (job) return;
      job = "asked";
      begin.disabled = true;
      stop.hidden = bar.hidden = false;
      bar.removeAttribute("value");
      outcome.textContent = words.training;
      try {
        const request = { algorithm: algorithm.value, vocab_size: Number(size.value), ...await tab.text(text.value) };
        ({ job } = await tab.ask("train", request));
        const item = await finished();
        outcome.textContent = fill(words.trained, { title: item.title, count: grouped(item.vocab_size) });
        Tokenizers.addOwn(tab, item);
        drawList();
      } catch (caught) {
        if (!(caught instanceof tab.Refused)) throw caught;
        outcome.textContent = caught.message;
      } finally {
        job = null;
        begin.disabled = false;
        stop.hidden = bar.hidden = true;
      }
    }

    async function finished() {
      for (;;) {
        const { share, done } = await tab.ask("trained", { job });
        if (done) return done;
        bar.value = share;
        await new Promise((resolve) => setTimeout(resolve, GLANCE));
      }
    }

    function drawList() {
      const items = tab.own.map((item) => {
        const compare = element("button", { type: "button", class: "plain" }, words.compare_it);
        compare.addEventListener("click", () => {
          tab.compare.take(item);
          tab.show("compare");
        });
        const save = element("button", { type: "button", class: "plain" }, words.download);
        save.addEventListener("click", () => download(item));
        const facts = element("small", {}, ` ${item.algorithm} · ${grouped(item.vocab_size)} `);
        return element("li", {}, element("b", {}, item.title), facts, compare, " ", save);
      });
      list.replaceChildren(...(items.length ? items : [element("li", {}, words.none_yet)]));
    }

    async function download(item) {
      const reply = await tab.attempt(() => tab.ask("download", { tokenizer: item.name }));
      if (!reply) return;
      const bytes = Uint8Array.from(atob(reply.zip), (character) => character.charCodeAt(0));
      const url = URL.createObjectURL(new Blob([bytes], { type: "application/zip" }));
      const link = element("a", { href: url, download: reply.name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    }

    drawList();
  }

  return { open };
})();
