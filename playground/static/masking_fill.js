/* A sentence with [MASK] that the visitor writes, and what the model fills in. */

const MaskingFill = (() => {
  const { element, fill } = lineage;
  const { bar, percent } = MaskingParts;
  const PAUSE = 250; // milliseconds after the last key
  const MASK = "[MASK]";

  function section({ words, shared, titleOf }) {
    const { chosen, opening } = shared;
    const area = element("textarea", { id: "mask-fill", rows: "2", spellcheck: "false", dir: "auto", maxlength: "2000" });
    const error = element("p", { class: "obj-error", role: "alert", hidden: "" });
    const attempt = Asking.attempter(error);
    const answer = element("div", { class: "mask-filled" });
    const heading = element("h3", { tabindex: "-1" }, words.fill_title);
    let timer = 0;
    let latest = 0;
    let shown = "";

    /** A sentence in the language that the model reads. */
    function example() {
      const gaps = opening.passages.filter(({ gap }) => gap);
      return (gaps.find(({ model }) => model === chosen.model) ?? gaps[0]).gap;
    }

    async function ask() {
      latest += 1;
      const mine = latest;
      const asked = { text: area.value, model: chosen.model };
      if (JSON.stringify(asked) === shown) return;
      const reply = await attempt(() => shared.ask("mask_fill", asked));
      if (mine !== latest) return;
      shown = reply ? JSON.stringify(asked) : "";
      answer.replaceChildren(...(reply ? answered(reply, asked.text) : []));
    }

    function answered({ masks }, text) {
      const best = masks.map(({ predictions }) => predictions[0].token);
      const title = titleOf(opening.models.find(({ name }) => name === chosen.model), shared.words);
      const whole = text.trim().split(MASK).map((piece, index) => piece + (best[index] ?? "")).join("").replaceAll(/ ?##/g, "");
      const said = element("p", { class: "obj-sentence", "aria-live": "polite" }, fill(words.said_fill, { title, text: whole }));
      const lists = masks.map(({ position, predictions }, index) => element("section", {}, element("h4", {}, fill(words.fill_mask, { number: index + 1, position })),
        element("div", { class: "mask-bars" }, ...predictions.map(({ token, probability }) => bar(probability, token)))));
      const chance = masks.map(({ predictions }) => percent(predictions[0].probability)).join(words.comma);
      return [said, element("p", { class: "obj-note" }, fill(masks.length > 1 ? words.fill_alone : words.fill_one, { chance })), element("div", { class: "mask-guesses" }, ...lists)];
    }

    area.addEventListener("input", () => {
      Asking.keepText("mask_fill", area.value === example() ? "" : area.value);
      clearTimeout(timer);
      timer = setTimeout(ask, PAUSE);
    });
    /** Shows what is chosen by now. */
    function update() {
      if (document.activeElement !== area) area.value = Asking.keptText("mask_fill") || example();
      ask();
    }
    /** Takes a text from elsewhere on the page, and leads there. */
    function take(text) {
      area.value = text.slice(0, area.maxLength);
      Asking.keepText("mask_fill", area.value);
      ask();
      heading.scrollIntoView({ block: "start" });
      heading.focus({ preventScroll: true });
    }
    const part = element("section", { class: "mask-fill" }, heading, element("p", { class: "obj-note" }, words.fill_about),
      element("div", { class: "obj-field" }, element("label", { for: area.id }, words.fill_text), area), error, answer);
    return { part, update, take };
  }

  return { section };
})();
