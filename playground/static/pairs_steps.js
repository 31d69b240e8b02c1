/* How one sentence pair is made, step by step. The server has drawn everything beforehand; walking asks for nothing more. */

const PairSteps = (() => {
  const { element, fill, grouped } = lineage;
  const STEPS = ["judge", "sentences", "gather", "split", "coin", "cut", "input", "answer"];
  const MANY = 0.1; // of the tokens
  const COVERED = STEPS.indexOf("coin"); // from here on a step tells whether the pair is real

  const sentenceSpan = (text, classes) => element("span", { class: `pair-sentence ${classes}`.trim() }, text, " ");

  function section(tab, view) {
    const { shared, words } = tab;
    const tally = { judged: 0, you: 0, model: 0 };
    const guesses = new Map();
    let made = null;
    let request = null;
    let latest = 0;

    const error = element("p", { class: "obj-error", role: "alert", hidden: "" });
    const attempt = Asking.attempter(error);
    const note = element("p", { class: "obj-note" });
    const reading = element("div", {});
    const navigator = element("div", { class: "obj-row pair-navigator", role: "group", "aria-label": words.pairs });
    const heading = element("h3", {});
    const body = element("div", { class: "pair-body" });
    const counted = element("p", { class: "obj-note pair-tally", "aria-live": "polite" });
    const reach = () => (guesses.has(key()) ? STEPS.length - 1 : COVERED);
    const player = StepPlayer.controls(STEPS.length, words, (step) => {
      lineage.write("pair_step", step);
      if (made) draw(step);
    }, reach);
    view.append(error, note, reading, navigator, player.row, heading, body, counted);

    async function update() {
      latest += 1;
      const mine = latest;
      const { chosen } = shared;
      const asked = {
        documents: tab.from(), text: chosen.text, model: chosen.model, seed: chosen.seed, tokens: Number(lineage.state.pair_tokens),
      };
      const reply = await attempt(() => shared.ask("pairs_build", asked));
      if (mine !== latest) return;
      for (const part of [player.row, heading]) part.hidden = !reply;
      if (!reply) {
        made = null;
        note.textContent = "";
        reading.replaceChildren();
        for (const part of [navigator, body]) part.replaceChildren(); // what is there is of another text
        return;
      }
      request = asked;
      made = { ...reply, replies: new Map() };
      const at = Math.min(Number(lineage.state.pair_at), made.pairs.length - 1);
      note.textContent = noteOf(made);
      drawReading(made.reading);
      go(at);
    }

    /** Says that the model does not know tokens of the documents, and offers one that reads them better. */
    function drawReading({ tokens, unknown, better }) {
      if (!unknown) {
        reading.replaceChildren();
        return;
      }
      const told = unknown > MANY * tokens ? words.unknown_many : words.unknown_some;
      const said = element("div", { class: "mask-note" }, element("p", {}, fill(told, { tokens: grouped(tokens), unknown: grouped(unknown), title: tab.title() })));
      if (better) {
        const title = shared.opening.models.find(({ name }) => name === better)?.title ?? better;
        const take = element("button", { type: "button" }, fill(words.take_model, { title }));
        take.addEventListener("click", () => tab.takeModel(better));
        said.append(take);
      }
      reading.replaceChildren(said);
    }

    function noteOf({ documents, pairs, most }) {
      const own = documents.filter((document) => document.own);
      const notes = [];
      if (own.length && own.every(({ sentences }) => sentences.length === 1)) notes.push(words.no_boundary);
      if (own.length === 1) notes.push(words.companions);
      if (pairs.length === most) notes.push(fill(words.most, { most }));
      return notes.join(" ");
    }

    function go(at) {
      lineage.write("pair_at", at);
      drawNavigator(at);
      player.go(Number(lineage.state.pair_step) || 0);
    }

    function drawNavigator(at) {
      const last = made.pairs.length - 1;
      const focused = document.activeElement?.dataset?.pair;
      const button = (name, to) => {
        const one = element("button", { type: "button", "data-pair": name }, words[name]);
        one.disabled = to < 0 || to > last;
        one.addEventListener("click", () => {
          lineage.write("pair_step", 0);
          go(to);
        });
        return one;
      };
      navigator.replaceChildren(button("pair_before", at - 1),
        element("output", {}, fill(words.pair_of, { number: at + 1, count: last + 1 })), button("pair_after", at + 1));
      if (focused) [...navigator.querySelectorAll("button")].find((one) => one.dataset.pair === focused && !one.disabled)?.focus();
    }

    // ---- the visitor's judgement ---------------------------------------------------------------------------------------

    const at = () => Number(lineage.state.pair_at);
    const key = () => JSON.stringify([request, at()]);

    function judging(pair) {
      const guess = guesses.get(key());
      const options = [["next", words.follows], ["random", words.elsewhere], ["pass", words.pass]];
      const row = element("div", { class: "obj-row", role: "group", "aria-label": words.judge });
      for (const [value, text] of options) {
        const button = element("button", { type: "button", "aria-pressed": String(guess === value), class: guess === value ? "primary" : "" }, text);
        button.disabled = Boolean(guess) && guess !== value;
        button.addEventListener("click", () => {
          if (guess) return;
          guesses.set(key(), value);
          lineage.write("pair_step", STEPS.length - 1);
          if (value !== "pass") count(pair, value);
          player.go(STEPS.length - 1);
        });
        row.append(button);
      }
      return row;
    }

    async function count(pair, value) {
      const reply = await answerOf(at());
      if (!reply) return;
      tally.judged += 1;
      tally.you += Number((value === "next") === pair.is_next);
      tally.model += Number((reply.probability > 0.5) === pair.is_next);
      counted.textContent = fill(words.tally, { ...tally, title: tab.title() });
    }

    /** What the model says of a pair, asked for once, or again after a refusal. */
    function answerOf(number) {
      const { replies } = made;
      if (!replies.has(number)) {
        const asked = shared.attempt(() => shared.ask("pairs_judge", { ...request, at: number }));
        asked.then((reply) => reply || replies.delete(number));
        replies.set(number, asked);
      }
      return replies.get(number);
    }

    // ---- the steps -----------------------------------------------------------------------------------------------------

    function draw(step) {
      const pair = made.pairs[at()];
      const guess = guesses.get(key());
      const name = step >= COVERED && !guess ? "judge" : STEPS[step];
      heading.textContent = words[`step_${name}`];
      const told = name === "judge" && step > 0 ? "covered" : name === "cut" && !pair.cuts ? "tell_fits" : `tell_${name}`;
      body.replaceChildren(element("p", { class: "obj-sentence" }, fill(words[told], gapsOf(pair))), ...drawers[name](pair, guess));
      if (name === "input" || name === "answer") fillFromServer(name, pair, guess);
    }

    const gapsOf = (pair) => ({
      documents: made.documents.length,
      sentences: made.documents.reduce((sum, { sentences }) => sum + sentences.length, 0),
      room: made.room, wanted: pair.wanted, document: pair.document + 1, gathered: sizeOf(pair.document, pair.place, pair.end),
      count: pair.end - pair.place, n_first: pair.n_first, other: (pair.other ?? 0) + 1, cuts: pair.cuts.length,
      throw: pair.throw?.toFixed(2), before: pair.cuts.length + lengthAfter(pair),
    });
    const sizeOf = (document, start, end) => made.documents[document].sentences.slice(start, end).reduce((sum, { tokens }) => sum + tokens.length, 0);
    const wholeOf = (pair) => {
      const of = (document, start, end) => made.documents[document].sentences.slice(start, end).flatMap(({ tokens }) => tokens);
      const first = of(pair.document, pair.place, pair.place + pair.n_first);
      if (pair.other === null) return [first, of(pair.document, pair.place + pair.n_first, pair.end)];
      return [first, of(pair.other, pair.other_place, pair.other_end)];
    };
    const lengthAfter = (pair) => wholeOf(pair).flat().length - pair.cuts.length;

    const twoTexts = (pair) => element("dl", { class: "pair-texts" },
      element("dt", {}, "A"), element("dd", {}, pair.first), element("dt", {}, "B"), element("dd", {}, pair.second));

    /** The documents, with classes for the sentences that `mark(document, sentence)` names. */
    function documents(mark, which = made.documents.map((_, index) => index)) {
      return which.map((index) => {
        const { sentences, own } = made.documents[index];
        const text = element("p", { class: "pair-document" });
        sentences.forEach((sentence, place) => text.append(sentenceSpan(sentence.text, mark(index, place)),
          element("small", {}, `${sentence.tokens.length} `)));
        const title = fill(own ? words.own_document : words.document, { number: index + 1, sentences: sentences.length });
        return element("section", {}, element("h4", {}, title), text);
      });
    }

    const inPair = (pair) => (document, place) => {
      if (document === pair.document && place >= pair.place && place < pair.place + pair.n_first) return "in-a";
      if (pair.other === null) return document === pair.document && place >= pair.place && place < pair.end ? "in-b" : "";
      if (document === pair.other && place >= pair.other_place && place < pair.other_end) return "in-b";
      return document === pair.document && place >= pair.place && place < pair.end ? "left" : "";
    };

    const drawers = {
      judge: (pair) => [twoTexts(pair), judging(pair)],
      sentences: () => documents(() => ""),
      gather: (pair) => documents((document, place) => (place >= pair.place && place < pair.end ? "gathered" : ""), [pair.document]),
      split: (pair) => documents((document, place) => {
        if (place < pair.place || place >= pair.end) return "";
        return place < pair.place + pair.n_first ? "in-a" : "gathered";
      }, [pair.document]),
      coin: (pair) => {
        const outcome = pair.throw === null ? "coin_single" : pair.is_next ? "coin_next" : "coin_random";
        const told = element("p", { class: "obj-sentence" }, fill(words[outcome], gapsOf(pair)));
        return [coin(pair), told, ...documents(inPair(pair), pair.other === null ? [pair.document] : [pair.document, pair.other])];
      },
      cut: (pair) => cutView(pair),
      input: () => [element("div", { class: "pair-filled" })],
      answer: (pair, guess) => [twoTexts(pair), outcome(pair, guess), element("div", { class: "pair-filled" })],
    };

    function coin(pair) {
      if (pair.throw === null) return "";
      const dial = element("div", { class: "pair-dial", role: "img", "aria-label": fill(words.coin_dial, gapsOf(pair)) });
      const mark = element("span", { class: "pair-throw" }, gapsOf(pair).throw);
      mark.style.insetInlineStart = `${100 * pair.throw}%`;
      dial.append(element("span", { class: "half" }, words.real), element("span", { class: "half" }, words.random), mark);
      return dial;
    }

    function cutView(pair) {
      const sides = wholeOf(pair).map((tokens) => tokens.map((token) => ({ token, lost: 0 })));
      const ends = sides.map((side) => [0, side.length - 1]);
      [...pair.cuts].forEach((digit, index) => {
        const [part, atEnd] = [Number(digit) >> 1, Number(digit) & 1];
        sides[part][atEnd ? ends[part][1]-- : ends[part][0]++].lost = index + 1;
      });
      return sides.map((side, part) => {
        const left = side.filter(({ lost }) => !lost).length;
        const row = element("p", { class: `pair-tokens ${part ? "in-b" : "in-a"}` }, ...side.map(({ token, lost }) => {
          const piece = element("span", { class: lost ? "piece lost" : "piece" }, token);
          if (lost) piece.append(element("sub", {}, String(lost)));
          return piece;
        }));
        const title = fill(words.side_length, { side: part ? "B" : "A", before: side.length, after: left });
        return element("section", {}, element("h4", {}, title), row);
      });
    }

    function outcome(pair, guess) {
      const truth = pair.is_next ? words.truth_next : fill(words.truth_random, gapsOf(pair));
      const mine = guess === "pass" ? words.you_passed : (guess === "next") === pair.is_next ? words.you_right : words.you_wrong;
      return element("p", { class: "obj-sentence" }, `${mine} ${truth}`);
    }

    async function fillFromServer(name, pair, guess) {
      const place = body.querySelector(".pair-filled");
      const reply = await answerOf(at());
      if (!reply || !place.isConnected) return;
      if (name === "input") {
        place.replaceChildren(element("p", { class: "obj-note" }, words.input_note), tab.readTokens(reply, words), element("p", { class: "obj-note" }, tab.notesOf(reply, words)));
        return;
      }
      const loss = -Math.log(Math.max(pair.is_next ? reply.probability : 1 - reply.probability, 1e-12));
      const use = element("button", { type: "button" }, words.take);
      use.addEventListener("click", () => tab.take(pair.first, pair.second));
      const how = element("button", { type: "button", class: "primary" }, words.made_how);
      how.addEventListener("click", () => player.go(STEPS.indexOf("sentences")));
      place.replaceChildren(tab.verdict(reply.probability, tab.title(), words),
        element("p", { class: "obj-note" }, fill(words.loss, { loss: loss.toFixed(3) })), element("div", { class: "obj-row" }, how, use));
    }

    return { update };
  }

  return { section };
})();
