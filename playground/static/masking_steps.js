/* The first steps of BERT's masking: tokens, the pair, the positions drawn, their dice, the input. Each gives its elements. */

const MaskingSteps = (() => {
  const { element, fill, grouped } = lineage;
  const { row, table, twin, strip, bytes } = MaskingParts;
  const LETTERS = ["A", "B"];
  const ACTIONS = ["mask", "random", "keep"];
  const said = (text) => element("p", { class: "obj-sentence", "aria-live": "polite" }, text);
  const isText = (payload, position) => payload.kinds[position] !== "s";

  function dressWord(payload, span, position) {
    if (payload.kinds[position] === "s") span.classList.add("mark");
    else span.classList.add(`tone-${payload.words[position] % 3}`);
    if (payload.kinds[position] === "u") span.classList.add("unknown");
    if (payload.words[position] === payload.words[position - 1]) span.classList.add("goes-on");
  }

  /** Which sentence of the part each position is of; −1 for marks. */
  function sentenceOf(payload) {
    const found = [];
    let sentence = 0;
    let left = payload.sentences[0];
    for (let position = 0; position < payload.tokens.length; position += 1) {
      const first = payload.segments[position] === 0;
      const isMark = position === 0 || position === payload.tokens.length - 1 || (first && payload.segments[position + 1] === 1);
      if (isMark) {
        found.push(-1);
        continue;
      }
      if (left === 0) {
        sentence += 1;
        left = payload.sentences[sentence];
      }
      found.push(sentence);
      left -= 1;
    }
    return found;
  }

  // ---- tokens ----------------------------------------------------------------------------------------------------------

  function tokens(view) {
    const { payload, words } = view;
    const sentences = sentenceOf(payload);
    const lines = payload.sentences.map((_, index) => {
      const places = sentences.map((of, position) => (of === index ? position : -1)).filter((position) => position >= 0);
      const line = row(places.map((position) => payload.tokens[position]), {
        label: fill(words.sentence_number, { number: index + 1 }),
        dress: (span, place) => dressWord(payload, span, places[place]),
      });
      return element("li", {}, line);
    });
    const pieces = payload.words.filter((word, position) => word === payload.words[position - 1]).length;
    const values = { sentences: payload.sentences.length, tokens: payload.n_text, pieces, vocabulary: grouped(payload.vocab_size), title: payload.title };
    const rows = payload.tokens.map((token, position) => [String(position), token, grouped(payload.ids[position]),
      sentences[position] < 0 ? "–" : String(sentences[position] + 1)]).filter((cells) => cells[3] !== "–");
    return [said(fill(words.said_tokens, values)), element("ol", { class: "mask-sentences" }, ...lines),
      twin(words.as_table, table([[words.position, true], [words.token], [words.id, true], [words.sentence, true]], rows, words.table_tokens)), guessFirst(view)];
  }

  function guessFirst({ words, guessFirst: go }) {
    const button = element("button", { type: "button", id: "mask-guess-first" }, words.guess_other);
    button.addEventListener("click", go);
    return element("div", { class: "mask-note" }, element("p", {}, words.guess_first), button);
  }

  // ---- the pair ----------------------------------------------------------------------------------------------------------

  function pair({ payload, words, shared }) {
    const counts = [0, 1].map((segment) => payload.segments.filter((of, position) => of === segment && isText(payload, position)).length);
    const values = { a: payload.n_first, a_tokens: counts[0], b: payload.sentences.length - payload.n_first, b_tokens: counts[1], all: payload.tokens.length };
    const line = row(payload.tokens, { label: words.row_pair, dress(span, position) {
      span.classList.add(payload.kinds[position] === "s" ? "mark" : "plain-token", `segment-${payload.segments[position]}`);
      if (payload.words[position] === payload.words[position - 1]) span.classList.add("goes-on");
    } });
    const legend = element("p", { class: "mask-legend" }, ...LETTERS.slice(0, counts[1] ? 2 : 1).map((letter, segment) =>
      element("span", { class: `key segment-${segment}` }, fill(words.segment_of, { letter, number: segment }))));
    const other = element("button", { type: "button" }, words.to_pairs);
    other.addEventListener("click", () => shared.show("pairs"));
    const rows = payload.tokens.map((token, position) => [String(position), token, grouped(payload.ids[position]), LETTERS[payload.segments[position]]]);
    return [said(fill(counts[1] ? words.said_pair : words.said_single, values)), line, legend, element("p", { class: "obj-note" }, words.half), element("div", {}, other),
      twin(words.as_table, table([[words.position, true], [words.token], [words.id, true], [words.segment]], rows, words.table_pair))];
  }

  // ---- positions ---------------------------------------------------------------------------------------------------------

  function draw(view) {
    const { payload, words } = view;
    const drawn = new Map(payload.thrown.map((one) => [one.position, one]));
    const line = row(payload.tokens, {
      label: words.row_draw,
      may: (position) => isText(payload, position) && (!drawn.has(position) || drawn.size > 1),
      pick(position) {
        if (payload.by_seed.includes(position)) view.setFate(position, drawn.has(position) ? "leave" : null);
        else view.setFate(position, drawn.has(position) ? null : "1");
      },
      dress(span, position) {
        span.classList.add(isText(payload, position) ? "plain-token" : "mark");
        if (payload.words[position] === payload.words[position - 1]) span.classList.add("goes-on");
        if (drawn.has(position)) span.classList.add("drawn");
        if (span.tagName === "BUTTON") span.setAttribute("aria-pressed", String(drawn.has(position)));
      },
    });
    const whole = lineage.state.mask_words === "true";
    const values = { share: lineage.state.mask_share, text: payload.n_text, exact: (payload.n_text * Number(lineage.state.mask_share) / 100).toFixed(1),
      wanted: payload.n_chosen, drawn: payload.by_seed.length, seed: view.shared.chosen.seed };
    const hand = payload.thrown.filter(({ position }) => !payload.by_seed.includes(position)).length;
    const out = payload.by_seed.filter((position) => !drawn.has(position)).length;
    const parts = [said(fill(whole ? words.said_draw_words : words.said_draw, values))];
    if (hand || out) parts.push(byHand(view, fill(words.hand_drawn, { added: hand, out, all: payload.n_paid })));
    const rows = payload.thrown.map(({ position }) => [String(position), payload.tokens[position], payload.by_seed.includes(position) ? words.by_seed : words.by_hand]);
    return [...parts, line, element("p", { class: "obj-note" }, words.draw_how),
      twin(words.as_table, table([[words.position, true], [words.token], [words.drawn_by]], rows, words.table_draw))];
  }

  function byHand(view, sentence) {
    const reset = element("button", { type: "button", id: "mask-reset" }, view.words.reset);
    reset.addEventListener("click", () => view.put({ mask_fates: "" }));
    return element("div", { class: "mask-note" }, element("p", {}, sentence), reset);
  }

  // ---- the dice ------------------------------------------------------------------------------------------------------------

  function dice(view) {
    const { payload, words } = view;
    const counts = Object.fromEntries(ACTIONS.map((action) => [action, payload.thrown.filter((one) => one.action === action).length]));
    const rows = payload.thrown.map((one) => [String(one.position), token(payload.tokens[one.position]), die(view, one), becomes(view, one), controls(view, one)]);
    const line = row(payload.inputs, { label: words.row_inputs, dress: (span, position) => dressInput(payload, span, position) });
    const parts = [said(fill(words.said_dice, { ...counts, all: payload.n_paid }))];
    if (lineage.state.mask_fates) parts.push(byHand(view, words.hand_fates));
    return [...parts, table([[words.position, true], [words.token], [words.die], [words.becomes], [words.again_or_hand]], rows, words.table_dice), legend(words),
      element("h3", {}, words.input_after), line];
  }

  const token = (text) => element("span", { class: "mtok plain-token", dir: "auto" }, text);

  /** How often the dice of a position were thrown again; for one that was added by hand the first throw is none of these. */
  const again = ({ by_seed: drawn }, { by, times, position }) => (by === "again" ? times - Number(!drawn.includes(position)) : 0);

  /** Where the throw fell: 0 to 0.8 mask, to 0.9 random, to 1 keep. */
  function die({ payload, words }, one) {
    if (one.by === "hand") return words.set_by_hand;
    const mark = element("span", { class: "mark-at" });
    mark.style.insetInlineStart = `${100 * one.throw}%`;
    const scale = element("span", { class: "mask-die", "aria-hidden": "true" }, element("i", { class: "mask" }), element("i", { class: "random" }), element("i", { class: "keep" }), mark);
    const times = again(payload, one);
    const thrown = one.throw.toFixed(3);
    const text = times ? fill(words.thrown_again, { throw: thrown, times }) : thrown;
    return element("span", { class: "mask-throw" }, scale, text);
  }

  function becomes(view, one) {
    const { payload, words } = view;
    return element("span", {}, `${words[`fate_${one.action}`]} → `, token(payload.inputs[one.position]));
  }

  function controls(view, one) {
    const { words } = view;
    const again = element("button", { type: "button", id: `mask-throw-${one.position}`, "aria-label": fill(words.throw_again_at, { position: one.position }) }, words.throw_again);
    again.addEventListener("click", () => view.setFate(one.position, String((one.times % 99) + 1)));
    const pick = element("select", { id: `mask-fate-${one.position}`, "aria-label": fill(words.fate_at, { position: one.position }) },
      ...["dice", ...ACTIONS].map((name) => element("option", { value: name }, words[`set_${name}`])));
    pick.value = one.by === "hand" ? one.action : "dice";
    pick.addEventListener("change", () => {
      const back = view.payload.by_seed.includes(one.position) ? null : "1";
      view.setFate(one.position, pick.value === "dice" ? back : pick.value);
    });
    return element("span", { class: "obj-row mask-hand" }, again, pick);
  }

  const legend = (words) => element("p", { class: "mask-legend" }, ...ACTIONS.map((name) => element("span", { class: `key fate-${name}` }, words[`die_${name}`])));

  function dressInput(payload, span, position) {
    const one = payload.thrown.find((thrown) => thrown.position === position);
    span.classList.add(payload.kinds[position] === "s" ? "mark" : "plain-token");
    if (one) span.classList.add("drawn", `fate-${one.action}`);
  }

  // ---- the input -----------------------------------------------------------------------------------------------------------

  function input(view) {
    const { payload, words } = view;
    const { vectors } = payload;
    const wanted = Number(lineage.state.mask_at);
    const at = wanted in payload.tokens ? wanted : payload.thrown[0].position;
    const names = ["token", "segment", "position", "total", "normed"].filter((name) => name in vectors.parts);
    const line = row(payload.inputs, { label: words.row_inputs, at, pick: (position) => view.choose("mask_at", position),
      dress: (span, position) => dressInput(payload, span, position) });
    const values = { position: at, token: payload.inputs[at], id: grouped(payload.input_ids[at]), width: vectors.width, segment: LETTERS[payload.segments[at]] };
    names.forEach((name) => { values[`norm_${name}`] = vectors.norms[name][at].toFixed(2); });
    const strips = names.map((name) => {
      const all = new Int8Array(bytes(vectors.parts[name]).buffer);
      const label = fill(words[`part_${name}`], values);
      const norm = vectors.norms[name][at].toFixed(2);
      const sign = element("span", { class: "sign", "aria-hidden": "true" }, { token: "", segment: "+", position: "+", total: "=", normed: "→" }[name]);
      return element("div", { class: `mask-part part-${name}` }, sign, element("span", { class: "name" }, label),
        strip(all.subarray(at * vectors.width, (at + 1) * vectors.width), fill(words.strip_label, { name: label, width: vectors.width, norm })),
        element("span", { class: "mfigure" }, fill(words.norm_is, { norm })));
    });
    const heads = [[words.position, true], [words.token], ...names.map((name) => [words[`norm_of_${name}`], true])];
    const rows = payload.inputs.map((text, position) => [String(position), text, ...names.map((name) => vectors.norms[name][position].toFixed(2))]);
    const sentence = fill(names.includes("segment") && names.includes("position") ? words.said_input : words.said_input_less, values);
    return [said(sentence), line, legend(words), element("div", { class: "mask-parts" }, ...strips), element("p", { class: "obj-note" }, fill(words.strip_how, { scale: vectors.scale.toPrecision(3) })),
      twin(words.as_table, table(heads, rows, words.table_input))];
  }

  return { views: { tokens, pair, draw, dice, input }, said, dressInput };
})();
