/* The section "pairs" of the tab of objectives: how sentence pairs are built, what the model says of them, and of any two
   texts. The steps of a pair and the scoreboard have files of their own. */

const Pairs = (() => {
  const { element, fill } = lineage;
  const OWN = "own";
  const PAUSE = 250; // milliseconds after the last key

  /** A probability as per cent. */
  const percent = (p, digits = 1) => `${(100 * p).toFixed(digits)}\u202f%`;

  /** A bar of how sure the model is, with its sentence. */
  function verdict(p, title, words) {
    const bar = element("div", { class: "pair-bar", role: "img", "aria-label": fill(words.bar, { p: percent(p) }) });
    const part = element("span", {});
    part.style.inlineSize = `${100 * p}%`;
    bar.append(part);
    const ends = element("div", { class: "pair-ends", "aria-hidden": "true" },
      element("span", {}, `${words.follows} ${percent(p)}`), element("span", {}, `${words.elsewhere} ${percent(1 - p)}`));
    const said = fill(p > 0.5 ? words.says_next : words.says_random, { title, p: percent(Math.max(p, 1 - p)) });
    return element("div", { class: "pair-verdict" }, element("p", { class: "obj-sentence", "aria-live": "polite" }, said), bar, ends);
  }

  /** What the model read: tokens with their segments and places. `reply` is that of the server. */
  function readTokens(reply, words) {
    const unknown = new Set(reply.unknown);
    const row = element("ol", { class: "pair-read", "aria-label": words.read });
    reply.tokens.forEach((token, place) => {
      const classes = ["pair-cell", reply.segments[place] ? "in-b" : "in-a", unknown.has(place) ? "unknown" : ""];
      row.append(element("li", { class: classes.join(" ").trim() }, element("span", { class: "piece" }, token),
        element("small", {}, reply.segments[place] ? "B" : "A"), element("small", {}, String(place))));
    });
    return row;
  }

  function notesOf(reply, words) {
    const notes = [];
    if (reply.cut) notes.push(fill(words.was_cut, { cut: reply.cut, limit: reply.limit }));
    if (reply.unknown.length) notes.push(fill(words.has_unknown, { count: reply.unknown.length }));
    return notes.join(" ");
  }

  /** Fills the panel; `open` is called each time the section is shown. */
  function mount(panel, server, shared) {
    let built = null;
    const open = async () => {
      if (!built) built = build(panel, shared);
      const section = await built;
      if (section) section.update();
      else built = null;
    };
    return { open };
  }

  async function build(panel, shared) {
    const words = shared.opening.words.pairs;
    const opening = await shared.attempt(() => shared.ask("pairs_opening", { model: shared.chosen.model }));
    if (!opening) return null;
    const tab = { shared, words, opening, percent, verdict, readTokens, notesOf, title: () => titleOf(shared) };
    const view = element("div", { class: "pair-steps" });
    const steps = PairSteps.section(tab, view);
    const asking = askSection(tab);
    const score = PairScore.section(tab, (first, second) => asking.take(first, second, true));
    tab.from = () => lineage.state.pair_from || opening.suited[shared.chosen.model] || opening.collections[0].name;
    tab.takeModel = (name) => {
      lineage.write("obj_model", name);
      changed();
    };
    tab.take = (first, second) => asking.take(first, second, true);
    let asked = shared.chosen.model; // a passage may bring another model with it
    const changed = () => {
      rest.refresh();
      steps.update();
      if (asked === shared.chosen.model) return;
      asked = shared.chosen.model;
      from.value = tab.from();
      asking.update();
      score.update();
    };
    const own = shared.controls({ prefix: "pair", model: false, seed: false, changed });
    const rest = shared.controls({ prefix: "pair", text: false, changed });
    const from = element("select", { id: "pair-from" }, ...opening.collections.map(({ name, title }) => element("option", { value: name }, title)));
    const ownText = element("div", { class: "obj-field" }, ...own.parts, element("p", { class: "obj-note" }, words.own_note));
    const length = lengthControl(tab, () => steps.update());
    from.addEventListener("change", () => {
      lineage.write("pair_from", from.value);
      lineage.write("pair_at", 0);
      ownText.hidden = from.value !== OWN;
      steps.update();
    });
    panel.append(
      element("p", { class: "obj-about" }, words.about),
      element("div", { class: "split" },
        element("div", { class: "controls" },
          element("div", { class: "obj-field" }, element("label", { for: "pair-from" }, words.documents), from), ownText, length.part, ...rest.parts),
        element("div", { class: "picture" }, view)),
      asking.part, score.part,
    );
    const update = () => {
      own.refresh();
      rest.refresh();
      from.value = tab.from();
      ownText.hidden = from.value !== OWN;
      length.refresh();
      asked = shared.chosen.model;
      steps.update();
      asking.update();
      score.update();
    };
    return { update };
  }

  function titleOf(shared) {
    const item = shared.opening.models.find(({ name }) => name === shared.chosen.model);
    return Objectives.titleOf(item, shared.words);
  }

  function lengthControl({ words, opening }, changed) {
    const { low, high } = opening.tokens;
    const slider = element("input", { id: "pair-tokens", type: "range", min: String(low), max: String(high), step: "1" });
    const told = element("output", { for: "pair-tokens" });
    const refresh = () => {
      slider.value = String(lineage.state.pair_tokens);
      told.textContent = slider.value;
    };
    let timer = 0;
    slider.addEventListener("input", () => {
      lineage.write("pair_tokens", slider.value);
      lineage.write("pair_at", 0);
      told.textContent = slider.value;
      clearTimeout(timer);
      timer = setTimeout(changed, PAUSE);
    });
    const part = element("div", { class: "obj-field" },
      element("label", { for: "pair-tokens" }, words.tokens, " ", told), slider);
    return { part, refresh };
  }

  // ---- any two texts -----------------------------------------------------------------------------------------------------

  function askSection(tab) {
    const { shared, words, opening } = tab;
    const example = () => opening.examples[shared.chosen.model] ?? Object.values(opening.examples)[0] ?? ["", ""];
    const fields = ["first", "second"].map((name, index) => {
      const area = element("textarea", { id: `pair-${name}`, rows: "3", spellcheck: "false", dir: "auto", maxlength: "2000" });
      area.addEventListener("input", () => {
        keep();
        later();
      });
      return { name, area, field: element("div", { class: "obj-field" }, element("label", { for: area.id }, words[`text_${name}`]), area), index };
    });
    const [first, second] = fields.map(({ area }) => area);
    const error = element("p", { class: "obj-error", role: "alert", hidden: "" });
    const attempt = Asking.attempter(error);
    const swap = element("button", { type: "button" }, words.swap);
    const back = element("button", { type: "button" }, words.example);
    const answer = element("div", { class: "pair-answer" });
    const heading = element("h3", { tabindex: "-1" }, words.ask);
    let timer = 0;
    let latest = 0;

    // What is the example's is not written: another model has another example.
    const keep = () => fields.forEach(({ name, area, index }) =>
      Asking.keepText(`pair_${name}`, area.value === example()[index] && isExample() ? "" : area.value));
    const isExample = () => first.value === example()[0] && second.value === example()[1];
    const show = () => fields.forEach(({ name, area, index }) => {
      if (document.activeElement !== area) area.value = Asking.keptText(`pair_${name}`) || example()[index];
    });

    async function request() {
      latest += 1;
      const mine = latest;
      const asked = { model: shared.chosen.model, first: first.value, second: second.value };
      const reply = await attempt(() => shared.ask("pairs_ask", asked));
      if (mine !== latest) return;
      if (!reply) {
        answer.replaceChildren();
        return;
      }
      const known = isExample() ? [element("p", { class: "obj-note" }, reply.probability > 0.5 ? words.example_right : words.example_wrong)] : [];
      answer.replaceChildren(verdict(reply.probability, tab.title(), words), ...known, element("p", { class: "obj-note" }, notesOf(reply, words)), readTokens(reply, words));
    }

    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(request, PAUSE);
    };
    const update = () => {
      show();
      return request();
    };
    function take(one, other, look) {
      [first.value, second.value] = [one, other];
      keep();
      request();
      if (!look) return;
      heading.scrollIntoView({ block: "start" });
      heading.focus({ preventScroll: true });
    }
    swap.addEventListener("click", () => take(second.value, first.value, false));
    back.addEventListener("click", () => take(...example(), false));
    const part = element("section", { class: "pair-ask" }, heading, element("p", { class: "obj-note" }, words.ask_note),
      element("div", { class: "pair-two" }, ...fields.map(({ field }) => field)),
      element("div", { class: "obj-row" }, swap, back), error, answer);
    return { part, update, take };
  }

  return { mount };
})();
