/* Step through: how each algorithm learns its vocabulary on a small text, and how a tokenizer cuts a word with it. */

const TokenSteps = (() => {
  const { element, fill, grouped } = lineage;
  const KINDS = ["bpe", "wordpiece", "unigram", "encode"];
  const PAUSE = 250;
  const LAST_PATH = 5;
  const shown = (piece) => piece.replaceAll(" ", "␣").replaceAll("\n", "↵").replaceAll("\t", "⇥");

  const table = (heads, rows, caption) => {
    const head = element("tr", {}, ...heads.map(([words, number]) => element("th", { scope: "col", class: number ? "number" : "" }, words)));
    const made = element("table", { class: "ruled" }, element("thead", {}, head), element("tbody", {}, ...rows));
    if (caption) made.prepend(element("caption", {}, caption));
    return made;
  };

  // ---- learning ------------------------------------------------------------------------------------------------------

  function learning(place, reply, words, library) {
    const count = Math.max(...reply.lanes.map((lane) => lane.length));
    const lanes = reply.lanes.map((lane, index) => {
      const title = reply.lanes.length > 1 ? element("h3", {}, words[index ? "rule_score" : "rule_count"]) : "";
      const body = element("div", {});
      return { lane, rule: index ? "score" : "count", body, section: element("section", {}, title, body) };
    });
    let here = 0;
    let known = null;
    const player = StepPlayer.controls(count, words, (step) => {
      here = step;
      lineage.write("tok_step", step);
      for (const { lane, rule, body } of lanes) {
        const at = Math.min(step, lane.length - 1);
        body.replaceChildren(...(reply.kind === "unigram" ? pruned(lane, at, known, words) : merged(lane, at, rule, words)));
      }
    });
    const about = element("p", { class: "toks-about" }, words[`about_${reply.kind}`]);
    place.replaceChildren(about, player.row, element("div", { class: `toks-lanes lanes-${lanes.length}` }, ...lanes.map(({ section }) => section)));
    player.go(Number(lineage.state.tok_step) || 0);
    library?.then((answer) => {
      known = answer;
      if (player.row.isConnected) player.go(here);
    });
  }

  /** The words as they are cut at a step: each step holds those that it has changed. */
  function wordsAt(lane, at) {
    const words = [];
    for (const step of lane.slice(0, at + 1)) {
      for (const [place, pieces, count] of step.words) words[place] = [pieces, count];
    }
    return words;
  }

  /** A step of a training that merges the pair with the highest count or score: `rule` says which. */
  function merged(lane, at, rule, words) {
    const step = lane[at];
    const before = lane[at - 1];
    const made = before?.winner ? before.merged : null;
    const cut = wordsAt(lane, at);
    const sentence = sentenceOf(step, made, rule, cut, words);
    const wordList = element("ul", { class: "toks-words" }, ...cut.map(([pieces, count]) => {
      const item = element("li", {});
      pieces.forEach((piece, index) => {
        const joins = step.winner && piece === step.winner[0] && pieces[index + 1] === step.winner[1];
        const joined = step.winner && index > 0 && pieces[index - 1] === step.winner[0] && piece === step.winner[1];
        item.append(element("span", { class: `piece${piece === made ? " new" : ""}${joins || joined ? " next" : ""}` }, shown(piece)));
      });
      item.append(element("small", {}, `× ${grouped(count)}`));
      return item;
    }));
    const scored = step.pairs.some((pair) => pair[3] !== null);
    const most = Math.max(...step.pairs.map((pair) => weight(pair, rule)), 1e-12);
    const heads = [[words.pair], [words.count, true]];
    if (scored) heads.push([words.score, true]);
    const rows = step.pairs.map((pair) => {
      const [left, right, count, score] = pair;
      const wins = step.winner && left === step.winner[0] && right === step.winner[1];
      const row = element("tr", { class: wins ? "wins" : "" }, element("th", { scope: "row" },
        element("span", { class: "piece" }, shown(left)), element("span", { class: "piece" }, shown(right))),
      element("td", { class: rule === "count" ? "number weighed" : "number" }, grouped(count)));
      if (scored) row.append(element("td", { class: rule === "score" ? "number weighed" : "number" }, score.toPrecision(3)));
      row.style.setProperty("--part", String(weight(pair, rule) / most));
      return row;
    });
    const vocabulary = lane.slice(0, at + 1).flatMap(({ added }, index) => added.map((piece) =>
      element("span", { class: `piece${index === at && at > 0 ? " new" : ""}` }, shown(piece))));
    const rest = step.n_pairs - step.pairs.length;
    return [
      element("p", { class: "toks-sentence", "aria-live": "polite" }, sentence),
      element("h4", {}, words.words), wordList,
      rows.length ? table(heads, rows, words.pairs) : "",
      element("p", { class: "toks-note" }, rest > 0 ? fill(words.more_pairs, { count: grouped(rest) }) : ""),
      element("h4", {}, fill(words.vocabulary, { count: grouped(vocabulary.length) })), element("p", { class: "toks-vocabulary" }, ...vocabulary),
    ];
  }

  const weight = ([, , count, score], rule) => (rule === "score" ? score : count);

  /** What the step before has made, which pair comes first and why. Pairs are listed best first. */
  function sentenceOf(step, made, rule, cut, words) {
    const done = made ? `${fill(words.made, { merged: shown(made) })} ` : "";
    if (!step.winner) return done + words.no_pair;
    const [first, second] = step.pairs;
    const [left, right, count, score] = first;
    const times = (piece) => cut.reduce((sum, [pieces, words]) => sum + words * pieces.filter((one) => one === piece).length, 0);
    const values = { left: shown(left), right: shown(right), count: grouped(count) };
    if (rule === "score") Object.assign(values, { score: score.toPrecision(3), of_left: grouped(times(left)), of_right: grouped(times(right)) });
    const tied = second && weight(second, rule) === weight(first, rule);
    if (tied) Object.assign(values, { other_left: shown(second[0]), other_right: shown(second[1]) });
    return done + fill(words[`wins_${rule}${tied ? "_tied" : ""}`], values);
  }

  /** A step of Unigram's training: what each piece is worth, and which go. */
  function pruned(lane, at, library, words) {
    const step = lane[at];
    const gone = new Set(step.removed);
    const rows = step.pieces.map(([piece, logProb, loss]) => element("tr", { class: gone.has(piece) ? "gone" : "" },
      element("th", { scope: "row" }, element("span", { class: "piece" }, shown(piece))),
      element("td", { class: "number" }, logProb.toFixed(2)), element("td", { class: "number" }, loss === null ? "–" : loss.toFixed(3)),
      element("td", {}, gone.has(piece) ? words.removed : loss === null ? words.needed : "")));
    const heads = [[words.piece], [words.log_prob, true], [words.loss_if, true], [words.fate]];
    const sentences = [element("p", { class: "toks-sentence", "aria-live": "polite" }, pruningOf(step, at === lane.length - 1, words))];
    if (library && at === lane.length - 1) sentences.push(element("p", { class: "toks-about" }, besideTheLibrary(step, library, words)));
    return [
      ...sentences,
      element("div", { class: "toks-scroll tall", tabindex: "0", role: "region", "aria-label": words.piece },
        table(heads, rows, step.n_pieces > rows.length ? fill(words.first_pieces, { count: rows.length }) : "")),
    ];
  }

  /** What happens to the pieces at a step, and why they are not just those that the step before has left. */
  function pruningOf(step, isLast, words) {
    const values = { count: grouped(step.n_pieces), loss: step.loss.toFixed(2), removed: grouped(step.removed.length) };
    const told = [fill(step.removed.length ? words.prune : isLast ? words.prune_end : words.prune_none, values)];
    for (const name of ["faded", "returned"]) {
      if (step[name].length) told.push(fill(words[`prune_${name}`], { pieces: step[name].map(shown).join(" ") }));
    }
    return told.join(" ");
  }

  function besideTheLibrary(step, { same, instead }, words) {
    const values = { same: grouped(same), count: grouped(step.n_pieces), instead: instead.map(shown).join(" ") };
    return fill(instead.length ? words.prune_library : words.prune_library_same, values);
  }

  // ---- cutting a word --------------------------------------------------------------------------------------------------

  function cutting(place, reply, words) {
    const result = element("p", { class: "toks-sentence" }, fill(words.result, { title: reply.title }), " ",
      ...reply.tokens.flatMap((token, index) => [element("span", { class: "piece" }, shown(token)), element("small", {}, ` ${reply.ids[index]}  `)]));
    const about = element("p", { class: "toks-about" }, words[`encode_${reply.kind}`]);
    const views = { bpe: byMerging, wordpiece: byMatching, unigram: byLattice, plain: () => [] };
    place.replaceChildren(about, result, ...views[reply.kind](reply, words));
  }

  function byMerging(reply, words) {
    const rows = reply.steps.map((step, number) => {
      const pieces = element("td", {}, ...step.pieces.map((piece, index) => {
        const next = step.chosen !== null && (index === step.chosen || index === step.chosen + 1);
        return element("span", { class: next ? "piece next" : "piece" }, shown(piece));
      }));
      const ranked = step.candidates.map(([place, left, right, rank]) =>
        element("span", { class: place === step.chosen ? "rank wins" : "rank" },
          `${shown(left)} + ${shown(right)}: ${rank === null ? words.no_rank : grouped(rank)}`));
      return element("tr", {}, element("th", { scope: "row" }, String(number)), pieces, element("td", { class: "ranks" }, ...ranked));
    });
    return [table([[words.step], [words.pieces], [words.ranks]], rows)];
  }

  function byMatching(reply, words) {
    const rows = reply.steps.map((step) => element("tr", {},
      element("th", { scope: "row" }, String(step.start)),
      element("td", {}, ...step.tried.map(([piece, there]) => element("span", { class: there ? "piece new" : "piece absent" }, shown(piece)))),
      element("td", {}, step.found === null ? words.no_match : element("span", { class: "piece new" }, shown(step.found)))));
    return [table([[words.from], [words.tried], [words.found]], rows)];
  }

  function byLattice(reply, words) {
    const { lattice } = reply;
    const picture = element("div", {});
    const draw = (path) => picture.replaceChildren(TokenLattice.draw(lattice, path, words));
    draw(lattice.best);
    const rows = lattice.paths.slice(0, LAST_PATH).map(([path, logProb], index) => {
      const show = element("button", { type: "button", class: "plain" }, path.map((edge) => shown(lattice.edges[edge][2])).join(" + "));
      show.addEventListener("click", () => draw(path));
      return element("tr", {}, element("th", { scope: "row" }, String(index + 1)), element("td", {}, show),
        element("td", { class: "number" }, logProb.toFixed(2)), element("td", { class: "number" }, Math.exp(logProb).toExponential(1)));
    });
    const reached = Array.from(lattice.text).map((letter, place) => element("tr", {},
      element("th", { scope: "row" }, shown(Array.from(lattice.text).slice(0, place + 1).join(""))),
      element("td", { class: "number" }, lattice.forward[place + 1]?.toFixed(2) ?? "–")));
    return [picture, table([[words.place], [words.path], [words.log_prob, true], [words.probability, true]], rows, words.paths),
      element("details", {}, element("summary", {}, words.forward), table([[words.until], [words.log_prob, true]], reached))];
  }

  // ---- the section -------------------------------------------------------------------------------------------------------

  function open(tab, section) {
    if (section.dataset.built) return;
    section.dataset.built = "true";
    const { words } = tab;
    const kind = () => (KINDS.includes(lineage.state.tok_steps) ? lineage.state.tok_steps : "bpe");
    const text = element("textarea", { id: "toks-small", rows: "4", spellcheck: "false", maxlength: "2000" });
    const word = element("input", { id: "toks-word", type: "text", spellcheck: "false", maxlength: "64" });
    const pick = element("select", { id: "toks-with" });
    // Unigram has something to take away only from a longer text than the others need.
    const smallText = () => {
      const { tok_text: chosen } = lineage.state;
      return kind() === "unigram" && chosen === lineage.boot.defaults.tok_text ? tab.opening.passages[0].text : chosen;
    };
    text.value = smallText();
    word.value = lineage.state.tok_word;
    const learn = element("div", { class: "toks-row stacked" }, element("label", { for: "toks-small" }, words.small_text), text);
    const cut = element("div", { class: "toks-row stacked" }, element("label", { for: "toks-with" }, words.with), pick,
      element("label", { for: "toks-word" }, words.word), word);
    const view = element("div", { class: "toks-stepview" });
    const kinds = lineage.choice("toks-steps", words.algorithms, KINDS.map((name) => [name, words[`steps_${name}`]]), kind(), (name) => {
      lineage.write("tok_steps", name);
      lineage.write("tok_step", 0);
      text.value = smallText();
      update();
    });
    section.append(kinds, element("div", { class: "split" }, element("div", { class: "controls" }, learn, cut), element("div", { class: "picture" }, view)));

    let latest = 0;
    async function update() {
      const encodes = kind() === "encode";
      learn.hidden = encodes;
      cut.hidden = !encodes;
      if (encodes) fillPick();
      latest += 1;
      const mine = latest;
      const request = encodes ? { tokenizer: pick.value, word: word.value } : { algorithm: kind(), text: text.value };
      const reply = await tab.attempt(() => tab.ask("steps", request));
      if (!reply || mine !== latest) return;
      const library = reply.kind === "unigram" ? tab.attempt(() => tab.ask("steps", { algorithm: "unigram-library", text: request.text })) : null;
      (encodes ? cutting : learning)(view, reply, words, library);
    }

    function fillPick() {
      const known = tab.compare.known();
      pick.replaceChildren(...known.map((item) => element("option", { value: item.name }, `${item.title} · ${item.algorithm}`)));
      pick.value = lineage.state.tok_with;
      if (!pick.value && known.length) pick.value = known[0].name;
    }

    let timer = 0;
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(update, PAUSE);
    };
    text.addEventListener("input", () => {
      lineage.write("tok_text", text.value);
      lineage.write("tok_step", 0);
      later();
    });
    word.addEventListener("input", () => {
      lineage.write("tok_word", word.value);
      later();
    });
    pick.addEventListener("change", () => {
      lineage.write("tok_with", pick.value);
      update();
    });
    update();
  }

  return { open };
})();
