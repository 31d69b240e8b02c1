/* What to train: fields for designs, which the server checks while they are typed, the text, the budget, the seed. */

const TrainForm = (() => {
  const { element, fill, grouped } = lineage;
  const PAUSE = 350; // milliseconds after the last key
  const BUDGETS = [10_000, 25_000, 50_000, 100_000, 200_000, 400_000];
  let numbered = 0;

  const labelled = (words, control) => {
    control.id ||= `train-field-${(numbered += 1)}`;
    return [element("label", { for: control.id }, words), control];
  };

  const options = (pairs, chosen) => {
    const select = element("select", {}, ...pairs.map(([value, text]) => element("option", { value }, text)));
    select.value = pairs.some(([value]) => value === chosen) ? chosen : pairs[0][0];
    return select;
  };

  const BEGINNING = 4000; // characters that tell what language a text is in
  let ownText = lineage.remember("sessionStorage", "train_own") ?? "";
  const ownBeginning = () => (lineage.state.train_on === "own" ? ownText.slice(0, BEGINNING) : undefined);

  /** A design string, checked; `kept()` is what the address holds of it, and `changed(check)` is told what the server says,
      `null` while it is not known. */
  function designField(tab, words, kept, changed, value = kept()) {
    const input = element("input", { type: "text", spellcheck: "false", autocomplete: "off", list: "train-designs", maxlength: "6000" });
    input.value = value;
    const label = labelled(words, input)[0];
    const note = element("p", { class: "train-note", role: "status" });
    const aside = element("p", { class: "train-kept" });
    const small = TrainView.button(tab.words.make_small, () => set(small.dataset.design));
    small.hidden = true;
    const build = TrainView.button(tab.words.from_build, () => set(lineage.state.design));
    small.classList.add("plain");
    build.classList.add("plain");
    let timer = 0;
    let asked = 0;
    let known; // the design as the server writes it; null where it cannot be trained

    function set(design) {
      input.value = design;
      moved(0);
    }

    function moved(pause = PAUSE) {
      clearTimeout(timer);
      timer = setTimeout(check, pause);
      known = undefined;
      changed(input.value, null);
    }

    async function check() {
      const mine = (asked += 1);
      const found = await tab.attempt(() => tab.ask("check", { design: input.value.trim(), text: lineage.state.train_on, own: ownBeginning() }));
      if (!found || mine !== asked) return;
      note.textContent = found.refusal ?? found.sentence;
      note.classList.toggle("wrong", Boolean(found.refusal));
      small.hidden = !found.small;
      small.dataset.design = found.small ?? "";
      known = found.design ?? null;
      changed(input.value.trim(), found);
      aside.textContent = found.refusal && kept() !== input.value.trim() ? tab.words.address_keeps : "";
      tab.compare();
    }

    input.addEventListener("input", () => moved());
    const box = element("div", { class: "train-design" }, label, input, note, aside, element("p", { class: "train-row" }, build, small));
    return { box, label, input, set, check, get known() { return known; } };
  }

  /** The text to read: a bundled one, or the visitor's own. */
  function textField(tab) {
    const { words, opening } = tab;
    const select = options(opening.texts, lineage.state.train_on);
    const area = element("textarea", { rows: "6", spellcheck: "false", dir: "auto" });
    const limits = { least: grouped(opening.limits.characters), most: grouped(opening.limits.bytes) };
    const own = element("div", {}, ...labelled(fill(words.own, limits), area));
    select.addEventListener("change", () => {
      lineage.write("train_on", select.value);
      renew();
      tab.recheck();
    });
    area.addEventListener("input", () => {
      ownText = area.value;
      lineage.remember("sessionStorage", "train_own", ownText);
    });
    area.addEventListener("change", () => tab.recheck());

    /** Shows what was chosen in another section: all of them train on the same text. */
    function renew() {
      select.value = lineage.state.train_on;
      own.hidden = select.value !== "own";
      area.value = ownText;
    }

    renew();
    return { parts: [...labelled(words.text, select), own], select, area, renew };
  }

  function numbers(tab) {
    const { words, opening } = tab;
    const [low, high] = opening.limits.tokens;
    const budget = element("input", { type: "number", min: String(low), max: String(high), step: "1000", list: "train-budgets" });
    const seed = element("input", { type: "number", min: "0", step: "1" });
    budget.addEventListener("change", () => lineage.write("train_tokens", budget.value));
    seed.addEventListener("change", () => lineage.write("train_seed", seed.value));

    /** Shows what was chosen in another section. */
    function renew() {
      budget.value = lineage.state.train_tokens;
      seed.value = lineage.state.train_seed;
    }

    renew();
    const title = fill(words.budget, { low: grouped(low), high: grouped(high) });

    /** The tokens to read; refuses what is none before the server would have to. */
    function tokens() {
      if (!budget.value || !Number.isInteger(budget.valueAsNumber) || budget.valueAsNumber < low || budget.valueAsNumber > high) {
        throw new Asking.Refused(fill(words.budget_wrong, { field: title }));
      }
      return budget.valueAsNumber;
    }

    return { parts: [...labelled(title, budget), ...labelled(words.seed, seed)], tokens, budget, seed, renew };
  }

  /** Lists that fields of all sections offer. */
  const lists = (opening) => [
    element("datalist", { id: "train-designs" }, ...opening.small.map(([design, title]) => element("option", { value: design }, title))),
    element("datalist", { id: "train-budgets" }, ...BUDGETS.map((tokens) => element("option", { value: String(tokens) }))),
  ];

  /** How a design is written. */
  const how = ({ words, opening }) => element("p", { class: "train-note train-how" }, fill(words.design_how, { params: opening.limits.params }));

  /** One design. */
  function one(tab) {
    const field = designField(tab, tab.words.design, () => lineage.state.train_design, (design, found) => found && !found.refusal && lineage.write("train_design", design));
    return { parts: [field.box, how(tab)], check: field.check, set: field.set, designs: () => [field.input.value.trim()], known: () => [field.known], balance: () => null };
  }

  /** Two to four designs, and ready-made sets of them. */
  function race(tab) {
    const { words, opening } = tab;
    const ready = element("div", { class: "train-chips", role: "group", "aria-label": words.race_ready });
    const rows = element("div", { class: "train-racers" });
    let fields = [];
    const add = TrainView.button(words.add, () => show([...designs(), opening.small[0][0]]));
    const designs = () => fields.map((field) => field.input.value.trim());
    const keep = () => lineage.write("train_race", designs().join("|"));
    const unlike = element("p", { class: "train-note", role: "status" });
    let compared = 0;

    /** Names each field by what sets its design apart: of long designs the field shows only the beginning. */
    async function compare() {
      const mine = (compared += 1);
      const { names, note } = (await tab.attempt(() => tab.ask("compare", { designs: designs(), text: lineage.state.train_on, own: ownBeginning() }))) ?? {};
      if (!names || mine !== compared) return;
      fields.forEach(({ label }, index) => {
        const values = { number: index + 1, name: names[index] };
        label.textContent = fill(names.length ? words.racer_named : words.racer, values);
      });
      unlike.textContent = note;
    }

    function checked(found) {
      if (!found) return;
      if (fields.every(({ known }) => known)) keep();
      compare();
    }

    function show(values) {
      compared += 1; // an answer under way is of the fields before
      fields = values.map((value, index) => {
        const field = designField(tab, fill(words.racer, { number: index + 1 }), () => lineage.state.train_race.split("|")[index], (_, found) => checked(found), value);
        if (values.length > 2) {
          const remove = TrainView.button(words.remove, () => show(designs().filter((_, other) => other !== index)));
          remove.classList.add("plain");
          remove.setAttribute("aria-label", `${words.remove}: ${fill(words.racer, { number: index + 1 })}`);
          field.box.lastChild.append(remove);
        }
        return field;
      });
      rows.replaceChildren(...fields.map((field) => field.box));
      add.hidden = fields.length >= opening.limits.racers;
      if (tab.isOpen) fields.forEach((field) => field.check());
    }

    for (const [, title, joined] of opening.races) {
      const chip = TrainView.button(title, () => show(joined.split("|")));
      chip.classList.add("chip");
      ready.append(chip);
    }
    show(lineage.state.train_race.split("|"));
    const parts = [element("p", { class: "train-label" }, words.race_ready), ready, rows, how(tab), unlike, add];
    return { parts, check: () => fields.forEach((field) => field.check()), designs, known: () => fields.map((field) => field.known), balance: () => null };
  }

  /** A mixture of experts, and how it is balanced, before and while it learns. */
  function experts(tab) {
    const { words, opening } = tab;
    const ready = element("div", { class: "train-chips", role: "group", "aria-label": words.mixtures });
    const ways = element("fieldset", { class: "train-ways" }, element("legend", {}, words.balance));
    const radios = opening.balances.map(([name, title]) => {
      const radio = element("input", { type: "radio", name: "train-balance", value: name });
      radio.checked = name === lineage.state.train_balance;
      radio.addEventListener("change", () => {
        lineage.write("train_balance", name);
        tab.rebalance(name);
      });
      ways.append(element("label", {}, radio, element("span", {}, title)));
      return radio;
    });
    const grey = element("p", { class: "train-note", id: "train-grey", role: "status" });
    ways.append(grey);
    ways.setAttribute("aria-describedby", grey.id);
    const field = designField(tab, words.design, () => lineage.state.train_experts, (design, found) => {
      if (!found || found.refusal) return;
      lineage.write("train_experts", design);
      grey.textContent = found.grey;
      for (const radio of radios) radio.disabled = !found.balances.includes(radio.value);
      if (radios.some((radio) => radio.checked && radio.disabled)) radios[0].click();
    });
    for (const [, title, design] of opening.mixtures) {
      const chip = TrainView.button(title, () => field.set(design));
      chip.classList.add("chip");
      ready.append(chip);
    }
    const parts = [element("p", { class: "train-label" }, words.mixtures), ready, field.box, how(tab), ways];
    const balance = () => radios.find((radio) => radio.checked)?.value ?? "none";
    return { parts, check: field.check, designs: () => [field.input.value.trim()], known: () => [field.known], balance };
  }

  return { kinds: { one, race, experts }, textField, numbers, lists };
})();
