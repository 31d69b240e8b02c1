/* BERT, step by step: what was chosen, what is asked of the server, and the way through the steps. One answer of the server has
   all steps of a text but the last two; walking through them, guessing and looking at attention need no further one. */

const Masking = (() => {
  const { element, fill } = lineage;
  const { walk } = MaskingParts;
  const STEPS = ["tokens", "pair", "draw", "dice", "input", "guess", "answer", "attention", "looks", "joint"];
  const ANEW = { mask_fates: "", mask_two: "" }; // what belongs to one drawing only

  function mount(panel, server, shared) {
    const words = shared.opening.words.masking;
    const view = { words, shared, payload: null, guesses: new Map(), extra: new Map() };
    const stepOf = () => Math.min(Math.max(Number(lineage.state.mask_step) || 0, 0), STEPS.length - 1);
    let running = false;
    let again = false;
    let built = null;
    let shownFor = "";
    let guessedIn = ""; // the drawing that the guesses are about

    const request = (more = {}) => ({
      text: shared.chosen.text,
      model: shared.chosen.model,
      seed: shared.chosen.seed,
      share: Number(lineage.state.mask_share) / 100,
      words: lineage.state.mask_words === "true",
      fates: lineage.state.mask_fates,
      part: Number(lineage.state.mask_part),
      two: lineage.state.mask_two,
      ...more,
    });
    const signature = () => JSON.stringify({ ...request(), two: null });
    const drawing = () => JSON.stringify({ ...request(), fates: null, two: null });

    async function update() {
      again = true;
      if (running) return;
      running = true;
      panel.setAttribute("aria-busy", "true");
      try {
        while (again) {
          again = false;
          const [asked, drawn] = [signature(), drawing()];
          const payload = await shared.attempt(() => shared.ask("mask_steps", request()));
          if (again) continue;
          shownFor = payload ? asked : ""; // what was refused is asked for again when the section is opened
          view.guesses = payload && view.payload && drawn === guessedIn ? guessesKept(payload) : new Map();
          guessedIn = drawn;
          view.payload = payload;
          view.extra.clear();
          draw();
        }
      } finally {
        running = false;
        panel.setAttribute("aria-busy", "false");
      }
    }

    /** The guesses at positions that are still asked for, where the model reads the same as before. */
    const guessesKept = ({ answers, inputs }) => new Map([...view.guesses].filter(([position]) =>
      answers.some((one) => one.position === position) && inputs[position] === view.payload.inputs[position]));

    /** What a step needs beside the payload, asked for once; `show` gets it, or null where it was refused. */
    view.more = async (name, key, more, show) => {
      const known = `${name} ${key}`;
      if (!view.extra.has(known)) {
        const { payload } = view;
        const reply = await shared.attempt(() => shared.ask(name, request(more)));
        if (payload !== view.payload) return;
        if (reply) view.extra.set(known, reply);
      }
      show(view.extra.get(known) ?? null);
    };

    const write = (changes) => Object.entries(changes).forEach(([name, value]) => lineage.write(name, value));
    view.choose = (name, value) => {
      lineage.write(name, value);
      draw();
    };
    view.put = (changes) => {
      write(changes);
      update();
    };
    view.handSet = () => new Map(lineage.state.mask_fates.split(",").filter(Boolean).map((pair) => pair.split(":")).map(([place, fate]) => [Number(place), fate]));
    /** Sets the fate of a position by hand; null: as the seed has thrown. */
    view.setFate = (position, fate) => {
      const set = view.handSet();
      if (fate === null) set.delete(position);
      else set.set(position, fate);
      view.put({ mask_fates: [...set].sort((one, other) => one[0] - other[0]).map((pair) => pair.join(":")).join(",") });
    };
    view.anotherSeed = () => {
      write({ obj_seed: 1 + Math.floor(Math.random() * 9_999), ...ANEW });
      built.controls.refresh();
      update();
    };
    /** Another passage, its positions drawn anew, at the step where they are guessed. */
    view.guessFirst = () => {
      const others = shared.opening.passages.filter(({ lang, text }) => lang === lineage.lang && text !== shared.chosen.text);
      const passage = others[Math.floor(Math.random() * others.length)];
      view.go(STEPS.indexOf("guess"));
      shared.setText(passage.text);
      write({ obj_model: passage.model, mask_part: 0 });
      view.anotherSeed();
      built.fillIn.update();
    };
    view.go = (to) => {
      lineage.write("mask_step", Math.min(Math.max(to, 0), STEPS.length - 1));
      draw();
      if (built.list.getBoundingClientRect().top < 0) built.list.scrollIntoView({ block: "start" }); // a step is read from its beginning
    };

    // ---- the skeleton --------------------------------------------------------------------------------------------------

    function build() {
      const controls = shared.controls({
        prefix: "mask",
        changed(what) {
          write(what === "text" ? { mask_part: 0, ...ANEW } : ANEW);
          update();
          if (what !== "seed") built.fillIn.update();
        },
      });
      const share = element("input", { id: "mask-share", type: "range", min: "1", max: "60", step: "1" });
      const told = element("output", { for: "mask-share" });
      const tell = () => { told.textContent = `${share.value}\u202f%`; };
      share.value = lineage.state.mask_share;
      tell();
      share.addEventListener("input", tell);
      share.addEventListener("change", () => view.put({ mask_share: share.value, ...ANEW }));
      const whole = element("input", { id: "mask-words", type: "checkbox" });
      whole.checked = lineage.state.mask_words === "true";
      whole.addEventListener("change", () => view.put({ mask_words: String(whole.checked), ...ANEW }));
      const cover = element("div", { class: "obj-field", hidden: "" }, element("p", { class: "obj-note" }, words.covered));
      const uncover = element("button", { type: "button" }, words.uncover);
      uncover.addEventListener("click", () => {
        cover.hidden = true;
        controls.parts[0].hidden = false;
      });
      cover.append(uncover);
      const settings = element("div", { class: "controls" }, controls.parts[0], cover, ...controls.parts.slice(1),
        element("div", { class: "obj-field" }, element("label", { for: "mask-share" }, words.share), element("div", { class: "obj-row" }, share, told)),
        element("div", { class: "obj-row" }, whole, element("label", { for: "mask-words" }, words.whole)));
      const steps = STEPS.map((name, index) => {
        const button = element("button", { type: "button", value: name }, element("small", {}, String(index + 1)), words[`step_${name}`]);
        button.addEventListener("click", () => view.go(index));
        return button;
      });
      const list = element("div", { class: "mask-steps", role: "group", "aria-label": words.steps }, ...steps);
      walk(list, steps, stepOf(), (index) => view.go(index));
      const back = element("button", { type: "button", class: "mask-back" }, words.back);
      const next = element("button", { type: "button", class: "primary mask-next" }, words.next);
      back.addEventListener("click", () => view.go(stepOf() - 1));
      next.addEventListener("click", () => view.go(stepOf() + 1));
      const notes = element("div", { class: "mask-notes" });
      const content = element("div", { class: "mask-content" });
      const ways = element("div", { class: "obj-row mask-ways" }, back, next);
      const fillIn = MaskingFill.section({ words, shared, titleOf: Objectives.titleOf });
      panel.append(element("div", { class: "split" }, settings, element("div", { class: "picture" }, list, notes, content, ways, fillIn.part)));
      return { fillIn, controls, list, steps, back, next, notes, content, cover };
    }

    function draw() {
      const step = stepOf();
      const name = STEPS[step];
      built.steps.forEach((button, index) => {
        if (index === step) button.setAttribute("aria-current", "step");
        else button.removeAttribute("aria-current");
        button.tabIndex = index === step ? 0 : -1;
      });
      built.back.disabled = step === 0;
      built.next.disabled = step === STEPS.length - 1;
      built.cover.hidden = name !== "guess";
      built.controls.parts[0].hidden = name === "guess";
      built.notes.replaceChildren(...(view.payload ? notesOf() : []));
      const focused = keyOf(document.activeElement);
      if (!view.payload) built.content.replaceChildren(element("p", { class: "obj-note" }, words.nothing));
      else built.content.replaceChildren(element("h2", {}, words[`title_${name}`]), element("p", { class: "obj-about" }, words[`about_${name}`]), ...stepViews()[name](view));
      built.content.dataset.step = name;
      if (focused) built.content.querySelector(focused)?.focus();
    }

    /** How to find the control that has the focus once the step is drawn anew. */
    function keyOf(active) {
      if (!active || !built.content.contains(active)) return null;
      if (active.id) return `#${CSS.escape(active.id)}`;
      return active.dataset.place !== undefined ? `.mrow [data-place="${active.dataset.place}"]` : null;
    }

    function notesOf() {
      const { part } = view.payload;
      return view.payload.notes.map(({ sentence, way }) => {
        const note = element("div", { class: "mask-note" }, element("p", {}, sentence));
        const offer = (label, act, disabled = false) => {
          const button = element("button", { type: "button" }, label);
          button.disabled = disabled;
          button.addEventListener("click", act);
          note.append(button);
        };
        if (way === "part") {
          offer(words.part_before, () => view.put({ mask_part: part.index - 1, ...ANEW }), part.index === 0);
          offer(words.part_after, () => view.put({ mask_part: part.index + 1, ...ANEW }), part.index === part.count - 1);
        } else if (way === "fill") {
          offer(words.fill_below, () => built.fillIn.take(shared.chosen.text));
        } else if (way === "passage") {
          const passage = shared.opening.passages[0];
          offer(fill(words.take_passage, { title: passage.title }), () => {
            shared.setText(passage.text);
            write({ obj_model: passage.model, mask_part: 0, ...ANEW });
            built.controls.refresh();
            update();
            built.fillIn.update();
          });
        } else if (way) {
          offer(fill(words.take_model, { title: shared.opening.models.find((item) => item.name === way)?.title ?? way }), () => {
            write({ obj_model: way, ...ANEW });
            built.controls.refresh();
            update();
            built.fillIn.update();
          });
        }
        return note;
      });
    }

    const open = () => {
      built ??= build();
      built.controls.refresh();
      if (shownFor !== signature()) update();
      built.fillIn.update();
    };
    return { open };
  }

  const stepViews = () => ({ ...MaskingSteps.views, ...MaskingAnswers.views, ...MaskingWhy.views });

  return { mount };
})();
