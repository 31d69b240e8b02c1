/* The scoreboard of the section "pairs": held-out pairs, judged part by part by the model that answers, and where it fails. */

const PairScore = (() => {
  const { element, fill, grouped } = lineage;
  const SHOWN = 10; // errors of each kind, until more are asked for
  const SVG = "http://www.w3.org/2000/svg";
  const [WIDTH, ROW, LEFT, RIGHT, TOP] = [640, 34, 176, 24, 28];

  function section(tab, take) {
    const { shared, words, percent } = tab;
    const start = element("button", { type: "button", class: "primary" }, words.score_start);
    const stop = element("button", { type: "button", hidden: "" }, words.score_stop);
    const texts = element("select", { id: "pair-score-texts" });
    const pick = element("div", { class: "obj-field", hidden: "" }, element("label", { for: "pair-score-texts" }, words.score_texts), texts);
    const progress = element("progress", { hidden: "", "aria-label": words.score_progress, max: "1", value: "0" });
    const count = element("p", { class: "obj-note", "aria-live": "polite" });
    const error = element("p", { class: "obj-error", role: "alert", hidden: "" });
    const attempt = Asking.attempter(error);
    const result = element("div", { class: "pair-result" });
    let run = 0; // a run ends as soon as this number is not its own

    const ask = (part) => attempt(() => shared.ask("pairs_score", { model: shared.chosen.model, texts: texts.value || undefined, part }));

    function about(reply) {
      count.textContent = fill(words.score_about, { pairs: grouped(reply.n_pairs) });
      if (texts.options.length !== reply.readable.length || ![...texts.options].every(({ value }) => reply.readable.includes(value))) {
        texts.replaceChildren(...reply.readable.map((lang) => element("option", { value: lang }, words[`texts_${lang}`])));
      }
      texts.value = reply.texts;
      pick.hidden = reply.readable.length < 2;
    }

    function idle() {
      run += 1;
      start.hidden = false;
      start.disabled = false;
      stop.hidden = true;
      progress.hidden = true;
    }

    /** Shows what is known of this model already. */
    async function update() {
      idle();
      const mine = run;
      const reply = await ask(null);
      if (mine !== run) return;
      result.replaceChildren();
      start.disabled = !reply;
      if (!reply) return;
      about(reply);
      if (reply.all) draw(reply);
    }

    async function score() {
      idle();
      const mine = run;
      start.hidden = true;
      stop.hidden = false;
      progress.hidden = false;
      progress.value = 0;
      stop.focus();
      for (let part = 0, parts = 1; part < parts; part += 1) {
        const reply = await ask(part);
        if (mine !== run) return;
        if (!reply) break;
        ({ parts } = reply);
        progress.value = (part + 1) / parts;
        about(reply);
        draw(reply);
      }
      const focused = document.activeElement === stop;
      idle();
      if (focused) start.focus();
    }

    start.addEventListener("click", score);
    stop.addEventListener("click", () => {
      idle();
      start.focus();
    });
    texts.addEventListener("change", update);

    // ---- what came of it -----------------------------------------------------------------------------------------------

    function draw(reply) {
      const { all } = reply;
      const values = {
        title: tab.title(), right: grouped(all.right), n: grouped(all.n), share: percent(all.share), low: percent(all.low), high: percent(all.high),
        majority: percent(all.majority),
      };
      const key = all.low > all.majority ? "score_above" : all.high < all.majority ? "score_below" : "score_even";
      const rows = [[words.score_all, all], ...reply.groups.map((group) => [words[`group_${group.group.replace("-", "_")}`], group]),
        ...["real", "random"].filter((kind) => reply.kinds[kind]).map((kind) => [words[`kind_${kind}`], reply.kinds[kind]])];
      const open = result.querySelectorAll("details[open]").length > 0;
      result.replaceChildren(element("p", { class: "obj-sentence" }, fill(words.score_says, values), " ", fill(words[key], values)),
        element("div", { class: "obj-scroll", tabindex: "0", role: "region", "aria-label": words.score_chart }, chart(rows)), table(rows),
        element("h4", {}, words.errors), element("p", { class: "obj-note" }, errorsSentence(reply)),
        ...["missed", "invented"].map((kind) => errors(kind, reply.errors.filter((one) => one.kind === kind), open)));
    }

    function errorsSentence({ kinds, errors: all }) {
      const missed = all.filter(({ kind }) => kind === "missed").length;
      return fill(words.errors_say, { missed, real: kinds.real?.n ?? 0, invented: all.length - missed, random: kinds.random?.n ?? 0 });
    }

    const svg = (name, attributes, ...children) => {
      const made = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
      made.append(...children);
      return made;
    };

    /** Accuracies as points with their intervals; a bar stands where guessing would be. */
    function chart(rows) {
      const height = TOP + rows.length * ROW + 8;
      const x = (share) => LEFT + share * (WIDTH - LEFT - RIGHT);
      const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", class: "pair-chart", "aria-label": words.score_chart });
      for (const tick of [0, 0.25, 0.5, 0.75, 1]) {
        picture.append(svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: TOP - 4, y2: height - 4 }),
          svg("text", { x: x(tick), y: TOP - 10, "text-anchor": "middle" }, `${100 * tick}\u202f%`));
      }
      rows.forEach(([title, one], index) => {
        const y = TOP + (index + 0.5) * ROW;
        picture.append(svg("text", { x: LEFT - 12, y: y + 5, "text-anchor": "end" }, title),
          svg("line", { class: "interval", x1: x(one.low), x2: x(one.high), y1: y, y2: y }),
          ...[one.low, one.high].map((end) => svg("line", { class: "interval", x1: x(end), x2: x(end), y1: y - 5, y2: y + 5 })),
          svg("circle", { class: "share", cx: x(one.share), cy: y, r: 5 }));
        if (one.majority !== undefined) picture.append(svg("line", { class: "majority", x1: x(one.majority), x2: x(one.majority), y1: y - 11, y2: y + 11 }));
      });
      return picture;
    }

    function table(rows) {
      const heads = ["pairs", "right", "share", "interval", "majority"];
      const head = element("tr", {}, element("th", { scope: "col" }, words.head_texts), ...heads.map((name) => element("th", { scope: "col", class: "number" }, words[`head_${name}`])));
      const body = rows.map(([title, one]) => element("tr", {}, element("th", { scope: "row" }, title),
        ...[grouped(one.n), grouped(one.right), percent(one.share), `${percent(one.low)} – ${percent(one.high)}`, one.majority === undefined ? "–" : percent(one.majority)]
          .map((cell) => element("td", { class: "number" }, cell))));
      return element("div", { class: "obj-scroll", tabindex: "0", role: "region", "aria-label": words.score_table },
        element("table", { class: "ruled" }, element("caption", {}, words.score_caption), element("thead", {}, head), element("tbody", {}, ...body)));
    }

    function errors(kind, list, open) {
      const items = (from, to) => list.slice(from, to).map((one) => {
        const use = element("button", { type: "button", class: "chip" }, words.take);
        use.addEventListener("click", () => take(one.first, one.second));
        return element("li", {}, element("p", { class: "pair-error-head" }, fill(words.error_p, { p: percent(one.probability) }), " ",
          element("small", {}, words[`group_${one.group.replace("-", "_")}`]), " ", use),
        element("dl", { class: "pair-texts" }, element("dt", {}, "A"), element("dd", {}, one.first), element("dt", {}, "B"), element("dd", {}, one.second)));
      });
      const shown = element("ol", { class: "pair-errors" }, ...items(0, SHOWN));
      const details = element("details", {}, element("summary", {}, fill(words[`errors_${kind}`], { count: list.length })), shown);
      details.open = open;
      if (list.length > SHOWN) {
        const more = element("button", { type: "button" }, fill(words.errors_more, { count: list.length - SHOWN }));
        more.addEventListener("click", () => {
          shown.append(...items(SHOWN));
          more.remove();
        });
        details.append(more);
      }
      return details;
    }

    const part = element("section", { class: "pair-score" }, element("h3", {}, words.score), element("p", { class: "obj-about" }, words.score_note), pick,
      element("div", { class: "obj-row" }, start, stop, progress), count, error, result);
    return { part, update };
  }

  return { section };
})();
