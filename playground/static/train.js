/* Train: sections, the training under way. The server answers with plain values; every text
   becomes part of the page by textContent alone. A training goes on as long as this page asks how it is. */

const Train = (() => {
  const { element, fill, grouped } = lineage;
  const SECTIONS = ["one", "race", "experts", "zoo"];
  const GLANCE = 400; // milliseconds between two looks at a training
  const LONG = 200_000;
  const LOOKS = 40; // the last ones, by which the time that is left is told
  const SETTLED = 3; // seconds of them before it is
  const MISSES = 5; // looks without an answer after which the page says so
  const KEPT = "training"; // under way, for a page that is loaded anew

  /** Who this browser is, so that it trains one model at a time. */
  function visitor() {
    const known = lineage.remember("localStorage", "visitor");
    return known ?? lineage.remember("localStorage", "visitor", TrainFiles.token());
  }

  // ---- the tab -------------------------------------------------------------------------------------------------------

  async function mount(root, server) {
    const place = root.querySelector(".train");
    if (place.dataset.mounted) return;
    place.dataset.mounted = "true";
    await Asking.ready();
    const error = element("p", { class: "train-error", role: "alert", hidden: "" });
    let words = { unreachable: place.dataset[`unreachable${lineage.lang === "zh" ? "Zh" : "En"}`] };
    const unreachable = () => words.lost ?? words.unreachable;
    const ask = Asking.asker(server, unreachable);
    const attempt = Asking.attempter(error);
    place.append(error);
    const opening = await attempt(() => ask("opening"));
    if (!opening) return;
    ({ words } = opening);
    const tab = { ask, attempt, unreachable, words, opening, place, isOpen: false, download: (model) => TrainFiles.download(tab, model), take: TrainFiles.take };
    tab.recheck = () => tab.sections[lineage.state.train_section]?.form?.check();
    tab.compare = () => tab.sections?.[lineage.state.train_section]?.compare?.();
    tab.rebalance = (balance) => tab.run?.kind === "experts" && !tab.run.over && attempt(() => ask("steer", { training: tab.run.name, action: "balance", balance }));
    tab.sections = Object.fromEntries(SECTIONS.map((kind) => [kind, kind === "zoo" ? zooSection(tab) : runSection(tab, kind)]));
    const chosen = SECTIONS.includes(lineage.state.train_section) ? lineage.state.train_section : "one";
    const choice = lineage.choice("train-switch", words.sections, SECTIONS.map((name) => [name, words[`section_${name}`]]), chosen, (name) => show(tab, name));
    place.append(choice, ...TrainForm.lists(opening), ...Object.values(tab.sections).map(({ box }) => box));
    Asking.onModel(place, (model) => {
      for (const { view } of Object.values(tab.sections)) view?.follow(model);
      tab.follow(model);
    });
    tab.isOpen = true;
    show(tab, chosen);
    document.addEventListener("lineage:train", () => {
      show(tab, "one");
      tab.sections.one.form.set(lineage.state.train_design);
    });
    resume(tab);
  }

  function show(tab, name) {
    lineage.write("train_section", name);
    document.documentElement.dataset.train = name;
    for (const button of tab.place.querySelectorAll("#train-switch button")) button.setAttribute("aria-pressed", String(button.value === name));
    for (const [kind, section] of Object.entries(tab.sections)) section.box.hidden = kind !== name;
    const section = tab.sections[name];
    for (const field of [section.text, section.numbers]) field?.renew();
    section.form?.check();
    section.view?.redraw();
    section.compare?.();
    dispatchEvent(new Event("resize")); // a chart that was out of sight takes its width
  }

  function zooSection(tab) {
    const box = element("div", { class: "train-section", "data-of": "zoo" });
    TrainZoo.draw(box, tab.opening.zoo, tab.words);
    return { box };
  }

  /** Controls on the left, the training on the right. */
  function runSection(tab, kind) {
    const { words, opening } = tab;
    const form = TrainForm.kinds[kind](tab);
    const text = TrainForm.textField(tab);
    const numbers = TrainForm.numbers(tab);
    const begin = TrainView.button(kind === "race" ? words.begin_race : words.begin, () => start(tab, kind));
    begin.classList.add("primary");
    const [pause, go, stop] = ["pause", "go", "stop"].map((action) => TrainView.button(words[action], () => steer(tab, action)));
    for (const button of [pause, go, stop]) button.hidden = true;
    const bar = element("progress", { max: "1", value: "0", hidden: "", "aria-label": words.chart });
    const status = element("p", { class: "train-status", role: "status" });
    const view = TrainView.make(tab, kind);
    const controls = element("div", { class: "controls" }, ...form.parts, ...text.parts, ...numbers.parts,
      element("p", { class: "train-row" }, begin, pause, go, stop), bar, status, ...(kind === "one" ? [TrainFiles.bringing(tab)] : []));
    const box = element("div", { class: "train-section", "data-of": kind }, element("p", { class: "train-about" }, words[`about_${kind}`]),
      element("div", { class: "split" }, controls, view.box));
    const recorded = opening.recorded[kind];
    view.start(recorded.about, recorded.settings, true);
    view.add(recorded.lanes);
    const section = { box, form, text, numbers, begin, pause, go, stop, bar, status, view };
    section.compare = () => view.compare({
      designs: form.known(),
      balance: tab.run?.kind === kind && !tab.run.over ? undefined : form.balance(), // while it runs the field is followed
      text: text.select.value,
      tokens: numbers.budget.valueAsNumber,
      seed: numbers.seed.valueAsNumber,
    });
    box.addEventListener("change", section.compare);
    section.order = async () => ({
      designs: form.designs(),
      balance: form.balance(),
      text: text.select.value,
      tokens: numbers.tokens(),
      seed: Number(numbers.seed.value),
      visitor: visitor(),
      ...(text.select.value === "own" ? await ownText(tab, text.area.value) : {}),
    });
    return section;
  }

  async function ownText(tab, text) {
    const blob = new Blob([text]);
    return blob.size <= LONG ? { own: text } : { sent: await TrainFiles.send(tab.ask, blob, "text") };
  }

  // ---- a training ----------------------------------------------------------------------------------------------------

  async function start(tab, kind) {
    if (tab.run && !tab.run.over) return;
    const section = tab.sections[kind];
    section.begin.disabled = true;
    const begun = await tab.attempt(async () => tab.ask("begin", await section.order()));
    section.begin.disabled = false;
    if (!begun) return;
    section.view.start(begun.about, begun.settings, false);
    section.compare();
    follow(tab, kind, begun.training);
  }

  /** A page that was loaded anew, for example in another language, goes on watching. */
  async function resume(tab) {
    const [kind, name] = (lineage.remember("sessionStorage", KEPT) ?? "").split(" ");
    if (!name || !tab.sections[kind]?.view) return;
    try {
      const { about, settings } = await tab.ask("look", { training: name, whole: true });
      tab.sections[kind].view.start(about, settings, false);
      follow(tab, kind, name);
    } catch (caught) {
      if (!(caught instanceof Asking.Refused)) throw caught;
      lineage.remember("sessionStorage", KEPT, null);
    }
  }

  async function follow(tab, kind, name) {
    const section = tab.sections[kind];
    const run = { kind, name, over: false, seen: [] };
    tab.run = run;
    lineage.remember("sessionStorage", KEPT, `${kind} ${name}`);
    for (const each of Object.values(tab.sections)) if (each.begin) each.begin.disabled = true;
    let missed = 0;
    let hasRun = false; // while this page looked on
    while (!run.over) {
      try {
        const news = await tab.ask("look", { training: name, seen: section.view.seen(), hidden: document.hidden });
        missed = 0;
        hasRun ||= news.state !== "over";
        section.view.add(news.lanes);
        tell(tab, section, news);
        run.over = news.state === "over";
        if (run.over) end(section.view, hasRun);
      } catch (caught) {
        if (!(caught instanceof Asking.Refused)) throw caught;
        missed += 1;
        section.status.textContent = caught.message;
        run.over = caught.message !== tab.unreachable() || missed > MISSES;
      }
      if (!run.over) await new Promise((resolve) => setTimeout(resolve, GLANCE));
    }
    if (missed) {
      tell(tab, section, { state: "over", sentence: section.status.textContent, lanes: [] });
      section.view.restore();
    }
    for (const each of Object.values(tab.sections)) if (each.begin) each.begin.disabled = false;
    section.compare();
  }

  /** Offers the models that there are now; where nothing has been learnt, what stood there before comes back. */
  function end(view, hasJustEnded) {
    if (view.lanes.length) view.finish(hasJustEnded);
    else view.restore();
  }

  /** How far it is, in words, and which buttons can be used. */
  function tell(tab, section, news) {
    const { words } = tab;
    const { pause, go, stop, bar, status } = section;
    const running = news.state === "running";
    pause.hidden = !running;
    go.hidden = news.state !== "paused";
    stop.hidden = news.state === "over";
    bar.hidden = news.state === "over";
    const lanes = news.lanes ?? [];
    const done = lanes.reduce((sum, lane) => sum + lane.step, 0);
    const whole = lanes.reduce((sum, lane) => sum + lane.steps, 0);
    if (whole) bar.value = done / whole;
    else bar.removeAttribute("value");
    const seconds = lanes.reduce((sum, lane) => sum + lane.seconds, 0);
    const tokens = lanes.reduce((sum, lane) => sum + lane.tokens, 0);
    const left = secondsLeft(tab.run, news.state, done, whole) ?? (seconds / done) * (whole - done);
    const values = { step: grouped(done), steps: grouped(whole), speed: grouped(Math.round(seconds ? tokens / seconds : 0)), left: done ? grouped(Math.ceil(left)) : "–" };
    if (running && done) status.textContent = fill(words.running, values);
    else if (running) status.textContent = words.preparing;
    else if (news.state === "paused") status.textContent = fill(words.paused, values);
    else status.textContent = news.sentence;
    section.view.box.setAttribute("aria-busy", String(running));
  }

  /** By the clock, over the last looks: others compute here too, and samples take their time. Null where there are too few. */
  function secondsLeft(run, state, done, whole) {
    const isLearning = state === "running" && done > 0; // before its first step the model is built
    run.seen = isLearning ? [...run.seen, [performance.now() / 1000, done]].slice(-LOOKS) : [];
    const [[before, first] = [], [now, last] = []] = [run.seen[0], run.seen.at(-1)];
    return now - before > SETTLED && last > first ? ((now - before) / (last - first)) * (whole - last) : null;
  }

  function steer(tab, action) {
    if (tab.run) tab.attempt(() => tab.ask("steer", { training: tab.run.name, action }));
  }

  /** Build hands its design over. */
  function design() {
    lineage.write("train_design", lineage.state.design);
    lineage.write("train_section", "one");
    document.dispatchEvent(new Event("lineage:train"));
    lineage.open("train");
  }

  return { mount, design };
})();
