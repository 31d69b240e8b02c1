/* One training as it is seen: a sentence, the curves, the experts, the samples, and what to do with the outcome. */

const TrainView = (() => {
  const { element, fill, grouped } = lineage;
  const loss = (value) => (value === null || value === undefined ? "–" : value.toFixed(3));
  const heldOf = (lane) => lane.points.filter(([, , held]) => held !== null);
  const LEVEL = 0.02; // nats between designs that are called level: another seed moves a short training as far
  const trainedLoss = (lane) => lane.points.map(([, trained]) => trained).filter((trained) => trained !== null).at(-1);

  /** Builds a view for one section ("one", "race", "experts"). */
  function make(tab, kind) {
    const { words, opening } = tab;
    const badge = element("p", { class: "train-badge" }, element("b", {}, words.recorded), " ", words.recorded_about);
    const headline = element("p", { class: "train-headline", "aria-live": "off" });
    const plot = element("div", { class: "train-plot", role: "img", "aria-label": words.chart });
    const region = element("div", { class: "train-scroll", tabindex: "0", role: "region", "aria-label": words.table });
    const settled = TrainSettings.part(words, opening);
    const experts = TrainExperts.part(words, opening.balances);
    const note = element("p", { class: "train-note", hidden: "" }, words.samples_filled);
    const samples = element("div", { class: "train-samples" });
    const samplesTitle = element("h3", {}, words.samples);
    const outcome = element("div", { class: "train-outcome", "aria-live": "polite" });
    const box = element("div", { class: "picture" }, badge, settled.note, headline, settled.box, plot, region, experts.box,
      samplesTitle, note, samples, outcome);
    let about = [];
    let settings = {};
    let lanes = [];
    let drawn = "";
    let before = null; // what stood here, until the training that takes its place has figures
    let followed = () => {}; // says of each model that there is whether it is the current one

    /** Begins anew: `newAbout` says which designs, `newSettings` with what, `isRecorded` that nothing runs. */
    function start(newAbout, newSettings, isRecorded) {
      before = lanes.length ? { about, settings, lanes, isRecorded: !badge.hidden, become: [...outcome.childNodes] } : before;
      about = newAbout;
      settings = newSettings;
      lanes = [];
      badge.hidden = !isRecorded;
      outcome.replaceChildren();
      draw();
    }

    /** What stood here before a training that ended without figures. */
    function restore() {
      if (lanes.length || !before) return;
      ({ about, settings, lanes } = before);
      badge.hidden = !before.isRecorded;
      outcome.replaceChildren(...before.become);
      draw();
    }

    /** Takes in what is new of each design, as `train_answers.look` tells it. */
    function add(news) {
      news.forEach((fresh, index) => {
        const known = lanes[index] ?? { points: [], samples: [], loads: [] };
        const grown = Object.fromEntries(["points", "samples", "loads"].map((name) => [name, known[name].concat(fresh[name])]));
        lanes[index] = { ...fresh, ...grown };
      });
      draw();
    }

    const seen = () => lanes.map((lane) => [lane.points.length, lane.samples.length, lane.loads.length]);

    function draw() {
      headline.textContent = sentence();
      settled.draw(about, settings, ways());
      drawTable();
      drawSamples();
      drawExperts();
      plot.setAttribute("aria-label", `${words.chart}. ${headline.textContent}`);
      plot.hidden = !lanes.length;
      if (lanes.length) TrainChart.losses(plot, about, lanes, words);
    }

    /** How the experts were balanced, one way after the other. */
    const ways = () => lanes.flatMap(({ loads }) => loads.map(([, , way]) => way)).filter((way, place, all) => way && way !== all[place - 1]);

    /** Of a race the first design that has experts. */
    function drawExperts() {
      const sparse = lanes.findIndex(({ loads }) => loads.length);
      if (sparse < 0) experts.draw([]);
      else experts.draw(lanes[sparse].loads, lanes[sparse].layers, lanes.length > 1 ? about[sparse].title : "");
    }

    function sentence() {
      const lost = about.filter((_, index) => lanes[index]?.diverged).map(({ title }) => title);
      if (lost.length) return fill(words.headline_diverged, { tokens: grouped(Math.max(...lanes.map(({ tokens }) => tokens))), names: lost.join(words.comma) });
      const loads = lanes[0]?.loads ?? [];
      if (kind === "experts" && loads.length) {
        const { dead, count, most } = TrainExperts.figures(loads.at(-1));
        return fill(words.headline_experts, { dead, count, most: most.toFixed(1) });
      }
      const scored = lanes.map((lane, index) => ({ name: about[index].title, held: heldOf(lane) })).filter(({ held }) => held.length > 1);
      if (!scored.length) return words.headline_none;
      if (scored.length === 1) {
        const { held } = scored[0];
        return fill(words[`headline_${about[0].pays}`], { tokens: grouped(held.at(-1)[0]), first: loss(held[0][2]), last: loss(held.at(-1)[2]) });
      }
      const common = Math.min(...scored.map(({ held }) => held.at(-1)[0]));
      const ranked = scored.map(({ name, held }) => ({ name, last: held.filter(([tokens]) => tokens <= common).at(-1)[2] })).sort((a, b) => a.last - b.last);
      if (new Set(about.map(({ tokenizer, objective }) => `${tokenizer} ${objective}`)).size > 1) return fill(words.headline_unlike, { tokens: grouped(common) });
      const gap = ranked.at(-1).last - ranked[0].last;
      const level = { tokens: grouped(common), names: ranked.map(({ name }) => name).join(words.comma), last: loss(ranked[0].last), gap: loss(gap) };
      if (gap < LEVEL) return fill(words.headline_level, level);
      return fill(words.headline_race, { tokens: grouped(common), best: ranked[0].name, last: loss(ranked[0].last), gap: loss(gap), worst: ranked.at(-1).name });
    }

    function drawTable() {
      const heads = ["params", "active", "tokens", "train", "held", "bits", "speed"];
      const head = element("tr", {}, element("th", { scope: "col" }, words.head_design), ...heads.map((name) => element("th", { scope: "col", class: "number" }, words[`head_${name}`])));
      const rows = about.map((design, index) => {
        const lane = lanes[index];
        const [place, , held] = (lane && heldOf(lane).at(-1)) ?? [null, null, null];
        const measured = held === null || place === lane.tokens ? loss(held) : fill(words.held_at, { loss: loss(held), tokens: grouped(place) });
        const bits = lane?.bytes_per_token && held ? (held / Math.LN2 / lane.bytes_per_token).toFixed(3) : "–";
        const losses = lane?.diverged ? [words.diverged, words.diverged, "–"] : [loss(lane && trainedLoss(lane)), measured, bits];
        const cells = [grouped(design.params), grouped(design.active), lane ? grouped(lane.tokens) : "–", ...losses, lane ? grouped(Math.round(lane.speed)) : "–"];
        return element("tr", {}, element("th", { scope: "row" }, design.title), ...cells.map((cell) => element("td", { class: "number" }, cell)));
      });
      const open = region.querySelector("details")?.open;
      const curves = element("details", {}, element("summary", {}, words.table), points());
      curves.open = Boolean(open);
      region.replaceChildren(element("table", { class: "ruled" }, element("thead", {}, head), element("tbody", {}, ...rows)), curves);
    }

    /** The curves' table twin: every place where the held-out loss was measured. */
    function points() {
      const places = [...new Set(lanes.flatMap((lane) => heldOf(lane).map(([tokens]) => tokens)))].sort((a, b) => a - b);
      const head = element("tr", {}, element("th", { scope: "col", class: "number" }, words.head_tokens),
        ...about.flatMap(({ title }) => [fill(words.trace_train, { name: title }), fill(words.trace_held, { name: title })].map((name) => element("th", { scope: "col", class: "number" }, name))));
      const rows = places.map((tokens) => element("tr", {}, element("th", { scope: "row", class: "number" }, grouped(tokens)), ...about.flatMap((_, index) => {
        const point = lanes[index]?.points.find(([at]) => at === tokens);
        return [loss(point?.[1]), loss(point?.[2])].map((cell) => element("td", { class: "number" }, cell));
      })));
      return element("table", { class: "ruled" }, element("thead", {}, head), element("tbody", {}, ...rows));
    }

    function drawSamples() {
      const fresh = lanes.map((lane) => lane.samples.length).join();
      if (fresh === drawn && samples.childElementCount) return;
      drawn = fresh;
      note.hidden = about.every(({ pays }) => pays === "next");
      samplesTitle.textContent = about.length && about.every(({ pays }) => pays !== "next") ? words.samples_fills : words.samples;
      samples.replaceChildren(...lanes.map((lane, index) => {
        const list = element("ol", { class: "train-list", tabindex: "0", "aria-label": `${samplesTitle.textContent}: ${about[index].title}` });
        for (const [step, , text] of lane.samples.slice().reverse()) {
          const written = element("q", {});
          written.textContent = text.replace(/[\u0000-\u0009\u000b-\u001f]/g, "\ufffd");
          if (!/\p{Script=Han}/u.test(text)) written.lang = "en";
          list.append(element("li", {}, element("small", {}, fill(words.sample_at, { step: grouped(step) })), written));
        }
        return lanes.length > 1 ? element("div", {}, element("h4", {}, about[index].title), list) : list;
      }));
    }

    /** What can be done with the models once they are there: take one in hand, write with it, download it. The only one of a
        training that has just ended is taken at once. */
    function finish(hasJustEnded) {
      const marks = [];
      const rows = lanes.map((lane, index) => {
        if (!lane.model) return null;
        const told = element("p", { class: "train-note" }, fill(words.in_hand, { name: about[index].title, steps: grouped(lane.step) }));
        const inHand = () => tab.take(lane.model);
        const take = button(words.take, inHand);
        marks.push((model) => {
          told.hidden = model !== lane.model;
          if (!told.hidden && document.activeElement === take) save.focus();
          take.hidden = !told.hidden;
        });
        const write = button(words.write_with, () => {
          inHand();
          lineage.open("generate");
        });
        const save = button(words.download, () => tab.download(lane.model));
        if (hasJustEnded && lanes.length === 1) inHand();
        const does = about[index].writes ? [take, write, save] : [take, save];
        return element("div", { class: "train-become" }, lanes.length > 1 ? element("h4", {}, about[index].title) : "", told, element("p", { class: "train-row" }, ...does));
      }).filter(Boolean);
      followed = (model) => marks.forEach((mark) => mark(model));
      followed(lineage.state.model);
      if (rows.length) outcome.replaceChildren(element("h3", {}, words.yours), ...rows);
    }

    return { box, start, restore, add, seen, finish, redraw: draw, compare: settled.compare, follow: (model) => followed(model), get lanes() { return lanes; } };
  }

  function button(text, act) {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", act);
    return made;
  }

  return { make, button };
})();
