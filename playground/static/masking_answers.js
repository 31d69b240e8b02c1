/* The answers of BERT's masking: the visitor's guesses, the model's, what they cost, and where it looks. */

const MaskingAnswers = (() => {
  const { element, fill, grouped } = lineage;
  const { percent, row, table, twin, bar, bytes, walk } = MaskingParts;
  const { said, dressInput } = MaskingSteps;
  const plain = (token) => token.replace(/^##/, "").trim().toLowerCase();
  const nats = (value) => value.toFixed(2);
  const perplexity = (value) => (value < 100 ? value.toPrecision(3) : grouped(Math.round(value)));

  // ---- the guess -------------------------------------------------------------------------------------------------------

  /** The words around a position, as BERT reads them. */
  function around(payload, position) {
    const part = (from, to) => payload.inputs.slice(Math.max(0, from), Math.max(0, to)).join(" ");
    return element("span", { class: "mask-around", dir: "auto" }, part(position - 4, position), " ",
      element("b", {}, payload.inputs[position]), " ", part(position + 1, position + 5));
  }

  function guess(view) {
    const { payload, words, guesses } = view;
    const asked = new Set(payload.answers.map(({ position }) => position));
    const line = row(payload.inputs, { label: words.row_inputs, dress(span, position) {
      span.classList.add(payload.kinds[position] === "s" ? "mark" : "plain-token");
      if (asked.has(position)) span.classList.add("drawn");
    } });
    const told = said("");
    const tell = () => { told.textContent = fill(words.said_guess, { count: guesses.size, all: asked.size }); };
    const forms = payload.answers.map(({ position, options }) => {
      const field = element("input", { type: "text", id: `mask-guess-${position}`, maxlength: "60", spellcheck: "false", autocomplete: "off" });
      const buttons = options.map((option, index) => {
        const button = element("button", { type: "button", id: `mask-option-${position}-${index}`, class: "chip", dir: "auto" }, option);
        button.addEventListener("click", () => {
          field.value = "";
          take(option);
        });
        return button;
      });
      const show = () => buttons.forEach((button) => button.setAttribute("aria-pressed", String(!field.value && guesses.get(position) === button.textContent)));
      const take = (value) => {
        if (value.trim()) guesses.set(position, value.trim());
        else guesses.delete(position);
        show();
        tell();
      };
      if (guesses.has(position) && !options.includes(guesses.get(position))) field.value = guesses.get(position);
      field.addEventListener("input", () => take(field.value));
      show();
      return element("fieldset", { class: "mask-guess" }, element("legend", {}, fill(words.guess_at, { position })), around(payload, position),
        element("div", { class: "obj-row" }, ...buttons), element("div", { class: "obj-row" }, element("label", { for: field.id }, words.type_guess), field));
    });
    tell();
    const reveal = element("button", { type: "button", class: "primary", id: "mask-reveal" }, words.reveal);
    reveal.addEventListener("click", () => view.go(Number(lineage.state.mask_step) + 1));
    const others = element("button", { type: "button", id: "mask-others" }, words.other_positions);
    others.addEventListener("click", view.anotherSeed);
    return [told, line, element("div", { class: "mask-guesses" }, ...forms), element("div", { class: "obj-row" }, reveal, others)];
  }

  // ---- the answer --------------------------------------------------------------------------------------------------------

  /** The position that is looked at: one that pays loss. */
  function looked(payload) {
    const wanted = Number(lineage.state.mask_at);
    return Math.max(0, payload.answers.findIndex(({ position }) => position === wanted));
  }

  function answer(view) {
    const { payload, words, guesses } = view;
    const index = looked(payload);
    const one = payload.answers[index];
    const most = Math.max(...payload.answers.map(({ loss }) => loss), 1e-9);
    const costs = new Map(payload.answers.map(({ position, loss }) => [position, loss]));
    const line = row(payload.inputs, { label: words.row_answers, at: one.position, may: (position) => costs.has(position), pick: (position) => view.choose("mask_at", position),
      dress(span, position) {
        dressInput(payload, span, position);
        if (!costs.has(position)) return;
        span.classList.add("shaded");
        span.style.setProperty("--p", String(costs.get(position) / most));
      } });
    const right = payload.answers.filter(({ position, true: truth }) => guesses.has(position) && plain(guesses.get(position)) === plain(truth)).length;
    const values = { loss: nats(payload.loss.all), mean: nats(payload.loss.mean), perplexity: perplexity(payload.loss.perplexity), all: payload.n_paid,
      free: payload.n_text - payload.n_paid, model: payload.answers.filter(({ rank }) => rank === 1).length, right, guessed: guesses.size };
    const sentences = [said(fill(words.said_answer, values))];
    if (guesses.size) sentences.push(element("p", {}, fill(words.said_score, values)));
    if (payload.follows !== null) sentences.push(element("p", { class: "obj-note" }, fill(words.said_follows, { p: percent(payload.follows) })));
    const bars = element("div", { class: "mask-bars" }, ...one.top.map(([token, p]) => bar(p, token === one.true ? fill(words.true_token, { token }) : token, token === one.true)));
    if (one.rank > one.top.length) bars.append(bar(one.p, fill(words.true_at_rank, { token: one.true, rank: grouped(one.rank) }), true));
    const heads = [[words.position, true], [words.it_reads], [words.truth], [words.your_guess], [words.probability, true], [words.rank, true], [words.loss, true], [words.likeliest]];
    const rows = payload.answers.map((each) => [String(each.position), payload.inputs[each.position], each.true, guessOf(view, each), percent(each.p), grouped(each.rank), nats(each.loss),
      each.top.slice(0, 5).map(([token, p]) => `${token} ${percent(p)}`).join(" · ")]);
    rows.push([words.sum, "", "", "", "", "", nats(payload.loss.all), ""]);
    return [...sentences, shading(words.row_answers, words), line, element("h3", {}, fill(words.bars_of, { position: one.position, token: one.true, loss: nats(one.loss), p: percent(one.p) })), bars,
      table(heads, rows, words.table_answers)];
  }

  /** What the colours of a row mean, and which of its tokens are buttons. */
  const shading = (meaning, words) => element("p", { class: "obj-note" }, meaning + words.stop + words.drawn_only);

  function guessOf({ guesses }, { position, true: truth }) {
    if (!guesses.has(position)) return "–";
    return `${guesses.get(position)} ${plain(guesses.get(position)) === plain(truth) ? "✓" : "✗"}`;
  }

  // ---- attention -----------------------------------------------------------------------------------------------------------

  /** All rows of attention as numbers between 0 and 1, read once. */
  function weights(payload) {
    payload.weights ??= new Uint16Array(bytes(payload.attention.rows).buffer);
    const { heads, width } = payload.attention;
    const count = payload.answers.length;
    const one = (layer, head, index) => {
      const start = ((layer * heads + head) * count + index) * width;
      return Array.from(payload.weights.subarray(start, start + width), (value) => value / 65535);
    };
    return (layer, head, index) => {
      if (head !== "mean") return one(layer, Number(head), index);
      const all = Array.from({ length: heads }, (_, number) => one(layer, number, index));
      return all[0].map((_, place) => all.reduce((sum, each) => sum + each[place], 0) / heads);
    };
  }

  function attention(view) {
    const { payload, words } = view;
    if (!payload.attention) return [said(words.no_attention)];
    const index = looked(payload);
    const { position } = payload.answers[index];
    const { layers, heads } = payload.attention;
    const rowOf = weights(payload);
    const [wantedLayer, wantedHead] = lineage.state.mask_head.split(".");
    const layer = Math.min(Number(wantedLayer), layers - 1);
    const head = wantedHead === "mean" ? "mean" : String(Math.min(Number(wantedHead), heads - 1));
    const shown = rowOf(layer, head, index);
    const most = Math.max(...shown);
    const line = row(payload.inputs, { label: words.row_attention, at: position, may: (place) => payload.answers.some((one) => one.position === place),
      pick: (place) => view.choose("mask_at", place),
      dress(span, place) {
        dressInput(payload, span, place);
        span.classList.add("shaded", "attended");
        span.style.setProperty("--p", String(shown[place] / most));
        span.title = percent(shown[place]);
      } });
    const order = shown.map((p, place) => [p, place]).sort((one, other) => other[0] - one[0]);
    const named = order.slice(0, 3).map(([p, place]) => fill(words.to_token, { token: payload.inputs[place], position: place, p: percent(p) }));
    const marks = shown.reduce((sum, p, place) => sum + (payload.kinds[place] === "s" ? p : 0), 0);
    const values = { layer: layer + 1, head: head === "mean" ? words.all_heads : fill(words.head_number, { head: Number(head) + 1 }), position, token: payload.inputs[position],
      most: named.join(words.comma), self: percent(shown[position]), marks: percent(marks) };
    const rows = order.map(([p, place]) => [String(place), payload.inputs[place], percent(p)]);
    return [said(fill(words.said_attention, values)), shading(words.row_attention, words), line, headGrid(view, rowOf, index, layer, head),
      twin(words.as_table, table([[words.position, true], [words.token], [words.share_of_attention, true]], rows, words.table_attention))];
  }

  /** A button for each head of each layer, darker the more of its attention goes to one token. */
  function headGrid(view, rowOf, index, layer, head) {
    const { payload, words } = view;
    const { layers, heads } = payload.attention;
    const names = ["mean", ...Array.from({ length: heads }, (_, number) => String(number))];
    const buttons = [];
    const lines = Array.from({ length: layers }, (_, of) => element("div", { class: "mask-head-row" }, element("span", { class: "mask-layer" }, fill(words.layer_number, { layer: of + 1 })),
      ...names.map((name) => {
        const most = Math.max(...rowOf(of, name, index));
        const label = fill(words.head_label, { layer: of + 1, head: name === "mean" ? words.all_heads : fill(words.head_number, { head: Number(name) + 1 }), p: percent(most) });
        const button = element("button", { type: "button", class: "bare mask-head", id: `mask-head-${of}-${name}`, "aria-label": label, title: label, "aria-pressed": String(of === layer && name === head) },
          name === "mean" ? words.mean_short : String(Number(name) + 1));
        button.style.setProperty("--p", String(most));
        button.addEventListener("click", () => view.choose("mask_head", `${of}.${name}`));
        buttons.push(button);
        return button;
      })));
    const grid = element("div", { class: "mask-heads", role: "group", "aria-label": words.heads }, ...lines);
    walk(grid, buttons, buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true"));
    return element("div", { class: "obj-scroll" }, element("h3", {}, words.heads), element("p", { class: "obj-note" }, words.heads_how), grid);
  }

  return { views: { guess, answer, attention }, looked };
})();
