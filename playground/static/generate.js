/* Generate: the text as it streams, each token coloured by the probability that the model gave it.
 *
 * The component's value is a growing text of JSON lines (written by playground/views/generation.py): "start", then for
 * each token a "step", in between "progress", for large vocabularies one "logits", last "end"; or "refused" alone. The
 * value only ever grows within a run, so only the new lines are read. What the page opens with is marked as such, and may
 * be the address of such a text. Of a recording, the logits of all tokens but the last are at the address `later`.
 * Everything that a visitor wrote is put on the page as textContent.
 */

const Generate = (() => {
  const PARTS = ["badge", "meta", "error", "notes", "story", "prompt", "tokens", "status", "legend", "next", "live"];
  const STAGES = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty"];
  const CIVIDIS = ["#00204c", "#00346e", "#3c4a6b", "#5b5f6d", "#757575", "#928c78", "#b0a572", "#d1bf66", "#ffe945"]
    .map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const OPENING = "opening:";
  let written = () => null;

  /** The sequential colour of a share between 0 and 1. */
  function colour(share) {
    const place = Math.min(Math.max(share, 0), 1) * (CIVIDIS.length - 1);
    const below = Math.min(Math.floor(place), CIVIDIS.length - 2);
    const mixed = CIVIDIS[below].map((from, channel) => from + (CIVIDIS[below + 1][channel] - from) * (place - below));
    return `rgb(${mixed.map(Math.round).join(" ")})`;
  }

  /** The same as it is seen in a line or a legend: on the dark page the low end is lifted off the paper. */
  const shown = (share) => `color-mix(in srgb, ${colour(share)} var(--purity), #b9c4dd)`;

  /** The payload that the page opens with, of what was sent: itself, or its address. */
  async function fetched(content) {
    if (content.startsWith("{")) return content;
    const answer = await fetch(content);
    if (!answer.ok) throw new Error(`${content}: ${answer.status}`);
    return answer.text();
  }

  const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  function percent(share) {
    const value = 100 * share;
    if (value === 0) return "0\u202f%";
    if (value < 0.01) return "<0.01\u202f%";
    return `${value.toFixed(value < 1 ? 2 : 1)}\u202f%`;
  }

  /** The shipped models know English only; a screen reader shall not read it in the voice of a Chinese page. */
  function speakEnglish(element, text) {
    if (/[a-z]/i.test(text) && !/\p{Script=Han}/u.test(text)) element.lang = "en";
    else element.removeAttribute("lang");
  }

  /** On narrow pages the settings fold, so that the picture comes soon after the prompt. */
  function foldSettings() {
    if (!matchMedia("(max-width: 900px)").matches) return;
    document.querySelectorAll("#tab-generate .controls .label-wrap.open").forEach((heading) => heading.click());
  }

  /** Connects one component; called once by its js_on_load. */
  function mount(element, props, watch) {
    const part = Object.fromEntries(PARTS.map((name) => [name, element.querySelector(`.generate-${name}`)]));
    const view = new View(part);
    written = () => (view.source === "live" && view.words ? { design: view.design, promptIds: view.prompt_ids, ids: view.steps.map(({ id }) => id), running: view.running() } : null);
    let kept = KeptRun.take();
    let turn = 0;
    let folded = false;
    const read = async () => {
      const value = props.value;
      if (!value) return;
      if (!folded) foldSettings();                        // with the first value the rest of the page is there, too
      folded = true;
      const mine = (turn += 1);
      const opening = value.startsWith(OPENING);
      if (!opening || kept?.model !== lineage.state.model) kept = null;
      if (kept) return view.restore(kept);
      const text = opening ? await fetched(value.slice(OPENING.length)).catch(() => null) : value;
      if (mine !== turn) return;                          // a newer value has come while this one was fetched
      if (text === null) view.tellError(lineage.say("unfetched"));
      else view.read(text);
    };
    watch("value", read);
    read();
    document.querySelectorAll("#tab-generate .chip").forEach((chip) => speakEnglish(chip, chip.textContent));
    addEventListener("lineage:sampling", (event) => view.move(event.detail));
    addEventListener("lineage:ended", () => view.stopWaiting());
    addEventListener("lineage:leaving", () => view.keep());
    document.addEventListener("click", (event) => {
      if (event.target.closest("#generate-run")) view.wait();
      else if (event.target.closest("#generate-stop")) view.stop();
    });
  }

  class View {
    constructor(part) {
      this.part = part;
      this.consumed = 0;
      this.told = "";                                     // the payload of the text that is shown
      this.steps = [];
      this.cells = [];
      this.pinned = null;                                 // the token that the visitor chose; null: the newest
      this.hovered = null;
      this.next = new NextToken(part.next, { fill, grouped, percent });
      this.listen();
    }

    /** Takes in the lines that are new in `text`. */
    read(text) {
      const first = text.slice(0, text.indexOf("\n") + 1);
      if (first !== this.first) {
        this.first = first;
        this.consumed = 0;
      }
      const complete = text.lastIndexOf("\n") + 1;
      if (complete <= this.consumed) return;
      const lines = text.slice(this.consumed, complete).split("\n");
      this.consumed = complete;
      this.waiting = false;
      for (const line of lines) {
        if (line) {
          const { kind, ...message } = JSON.parse(line);
          this[`on_${kind}`](message);
          if (kind !== "refused") this.told += `${line}\n`;
        }
      }
      this.draw();
    }

    on_start(message) {
      const fresh = { steps: [], cells: [], progress: null, finished: null, pinned: null, hovered: null };
      Object.assign(this, { bars: null, later: null }, message, fresh, { told: "", stopping: false, words: message.words[lineage.lang] });
      this.design = lineage.state.model;
      this.settings = Object.fromEntries(STAGES.map((name) => [name, Number(lineage.state[name])]));
      this.pieces = message.vocabulary.map((piece) => (piece === null ? new Uint8Array() : TokenCells.fromLatin1(piece)));
      this.part.tokens.replaceChildren();
      this.drawFrame();
    }

    /** The run could not begin: what was there stays. */
    on_refused({ sentence }) {
      this.stopping = false;
      this.tellError(sentence[lineage.lang]);
    }

    on_step(step) {
      if (step.halves) step.logits = Sampling.decodeHalves(step);
      this.steps.push(step);
    }

    on_logits({ first, steps }) {
      steps.forEach((late, index) => { this.steps[first + index].logits = Sampling.decodeHalves(late); });
    }

    on_progress(progress) { this.progress = progress; }

    on_end(end) {
      this.finished = end;
      this.unread = this.source === "live";
    }

    /** A run was asked for: the model may have to be made ready before its first line comes. */
    wait() {
      if (!this.words || this.waiting || this.running()) return;
      this.waiting = true;
      this.tellError("");
      this.drawStatus();
    }

    /** Stop was pressed: the server needs a moment, the visitor does not. */
    stop() {
      this.stopping = this.waiting || this.running();
      if (this.stopping) this.drawStatus();
    }

    /** The run is over. One that ended before its first line leaves the text that was there. */
    stopWaiting() {
      const early = this.waiting && this.stopping;
      this.waiting = false;
      this.stopping = false;
      this.draw();
      if (early) this.part.live.textContent = this.part.status.textContent = this.words.stopped_early;
    }

    running() { return this.source === "live" && !this.finished; }

    /** The page is about to be loaded in another language. */
    keep() {
      if (this.source === "live") KeptRun.keep(this.told, this.finished !== null, this.pinned);
    }

    /** Shows again what was kept. */
    restore({ payload, pinned }) {
      this.read(payload);
      this.part.live.textContent = "";
      if (pinned !== null) this.pin(pinned);
    }

    /** Sliders moved: only the bars change. */
    move(settings) {
      if (!this.words) return;
      this.settings = settings;
      this.drawNext();
    }

    bytes(id) { return this.pieces[id] ?? new Uint8Array(); }

    /** A token by itself, for lists. */
    name(id) {
      if (id in this.specials) return this.specials[id];
      if (id >= this.pieces.length) return `⟨${id}⟩`;
      return TokenCells.name(this.pieces[id]);
    }

    // ---- what is drawn ----

    drawFrame() {
      const { part, words } = this;
      part.badge.hidden = this.source !== "recorded";
      part.badge.textContent = words.recorded;
      part.meta.textContent = this.meta[lineage.lang];
      part.notes.replaceChildren(...this.notes.map((note) => lineage.element("p", {}, note[lineage.lang])));
      part.prompt.textContent = this.prompt;
      speakEnglish(part.prompt, this.prompt);
      // Before there are words there are no tokens: a list without a name is announced as nothing.
      part.tokens.setAttribute("role", "listbox");
      part.tokens.setAttribute("aria-orientation", "horizontal");
      part.tokens.setAttribute("aria-label", words.tokens);
      part.live.textContent = "";
      this.tellError("");
      part.legend.hidden = this.empty;
      part.legend.querySelector(".generate-legend-name").textContent = words.legend_name;
      part.legend.querySelector(".generate-legend-low").textContent = words.legend_low;
      part.legend.querySelector(".generate-legend-high").textContent = words.legend_high;
      part.legend.querySelector(".generate-legend-scale").style.background =
        `linear-gradient(to right, ${CIVIDIS.map((_, stop) => shown(stop / (CIVIDIS.length - 1))).join(", ")})`;
      part.next.hidden = this.empty;
    }

    tellError(sentence) {
      this.part.error.textContent = sentence;
      this.part.error.hidden = !sentence;
      this.part.story.classList.toggle("generate-earlier", Boolean(sentence));
    }

    draw() {
      this.drawStatus();
      if (this.empty) return;
      this.drawTokens();
      if (this.unread) this.readOut();
      this.drawNext();
    }

    drawTokens() {
      const box = this.part.tokens;
      const isFirst = this.cells.length === 0;
      const isFollowed = isFirst || this.atEnd();
      const cells = TokenCells.cells(this.steps.map((step) => this.bytes(step.id)), this.finished !== null);
      cells.forEach((cell, index) => {
        const old = this.cells[index];
        if (old && old.kind === cell.kind && old.text === cell.text) return;
        const span = box.children[index] ?? box.appendChild(lineage.element("span", { role: "option" }));
        this.drawToken(span, cell, this.steps[index]);
      });
      this.cells = cells;
      this.mark();
      if (this.source !== "recorded" && isFollowed) this.follow(isFirst);
    }

    atEnd() {
      const { scrollHeight, scrollTop, clientHeight } = this.part.story;
      return scrollHeight - scrollTop - clientHeight < 48;
    }

    /** Keeps the newest token in sight while a text is written, unless the visitor has scrolled back to read. */
    follow(isFirst) {
      const { story } = this.part;
      story.scrollTop = story.scrollHeight;
      if (isFirst) story.scrollIntoView({ block: "nearest" });
    }

    drawToken(span, cell, step) {
      let text = cell.kind === "bytes" ? `⟨${cell.text}⟩` : cell.text;
      if (cell.kind === "special") text = this.name(step.id);
      else if (cell.kind === "text") text = text.split("\n").map(TokenCells.visible).join("↵\n");
      span.className = `token token-${cell.kind}${/^\s+$/.test(cell.text) ? " token-space" : ""}`;
      span.textContent = text;
      span.style.setProperty("--value", colour(step.raw));
      const values = { token: this.name(step.id), probability: percent(step.raw), rank: grouped(step.rank) };
      span.setAttribute("aria-label", fill(this.words.token, values));
      span.title = fill(this.words.token, values);
    }

    /** Which token is shown in the bars: the hovered, else the chosen, else the newest. */
    shown() { return this.hovered ?? this.pinned ?? this.steps.length - 1; }

    mark() {
      const current = this.pinned ?? this.steps.length - 1;
      Array.from(this.part.tokens.children).forEach((span, index) => {
        span.setAttribute("aria-selected", String(index === current));
        span.tabIndex = index === current ? 0 : -1;
        span.classList.toggle("token-shown", index === this.shown());
      });
    }

    drawStatus() {
      const { part, words } = this;
      if (this.stopping) part.status.textContent = words.stopping;
      else if (this.waiting) part.status.textContent = words.waiting;
      else part.status.textContent = this.empty ? "" : this.howFar();
      part.story.setAttribute("aria-busy", String(!this.empty && !this.finished));
    }

    howFar() {
      const { words, progress, finished } = this;
      const rate = progress && progress.seconds > 0 ? progress.tokens / progress.seconds : 0;
      const values = { tokens: grouped(this.steps.length), most: grouped(this.most), rate: grouped(Math.round(rate)) };
      const counted = this.source === "recorded" ? fill(words.counted, values) : fill(words.progress, values);
      return finished ? `${this.ending()} ${counted}` : counted;
    }

    ending() { return this.finished.sentence?.[lineage.lang] ?? this.words.stopped; }

    /** To a screen reader, once, when the text is there. */
    readOut() {
      const text = this.cells.map((cell) => cell.text).join("");
      const written = lineage.element("span", {}, text);
      speakEnglish(written, text);
      this.part.live.replaceChildren(`${this.ending()} `, written);
      this.unread = false;
    }

    drawNext() {
      const index = this.shown();
      const step = this.steps[index];
      this.part.next.hidden = !step;
      if (!step) return;
      if (step.codes) step.logits ??= Sampling.decodeCodes(step, this.scale);
      if (!step.logits && !step.top) {
        this.fetchCodes();
        return;
      }
      const seen = this.begun_ids.concat(this.steps.slice(0, index).map(({ id }) => id));
      this.next.draw(this, step, index, seen);
    }

    /** Another token of a recording than the last is looked at for the first time. */
    async fetchCodes() {
      const { later, steps } = this;
      if (!later) return;                                 // asked for, and not yet there
      this.later = null;
      const text = await fetched(later).catch(() => null);
      if (steps !== this.steps) return;
      this.tellError(text === null ? lineage.say("unfetched") : "");
      if (text === null) this.later = later;              // the next look asks again
      else {
        JSON.parse(text).steps.forEach((coded, index) => Object.assign(steps[index], coded));
        this.drawNext();
      }
    }

    // ---- what a visitor does with the tokens ----

    listen() {
      const box = this.part.tokens;
      const indexOf = (event) => Array.prototype.indexOf.call(box.children, event.target);
      const point = (index) => {
        this.hovered = index >= 0 ? index : null;
        this.mark();
        this.drawNext();
      };
      box.addEventListener("pointerover", (event) => event.pointerType !== "touch" && point(indexOf(event)));
      box.addEventListener("pointerleave", () => point(-1));
      box.addEventListener("click", (event) => indexOf(event) >= 0 && this.pin(indexOf(event)));
      box.addEventListener("focusin", (event) => indexOf(event) >= 0 && this.pin(indexOf(event)));
      box.addEventListener("keydown", (event) => {
        const here = indexOf(event);
        const last = this.steps.length - 1;
        const next = here + 1;
        const before = here - 1;
        const goals = { ArrowRight: next, ArrowDown: next, ArrowLeft: before, ArrowUp: before, Home: 0, End: last };
        const goal = goals[event.key];
        if (here < 0 || goal === undefined) return;
        event.preventDefault();
        box.children[Math.min(Math.max(goal, 0), last)].focus();
      });
    }

    /** Chooses a token; the newest one is not held, so that the bars go on with the stream. */
    pin(index) {
      this.pinned = index === this.steps.length - 1 ? null : index;
      this.hovered = null;
      this.mark();
      this.drawNext();
    }
  }

  /** The sampling sliders' values, from Gradio's own change events; nothing goes to the server. */
  function moved(temperature, top_k, top_p, min_p, repetition_penalty) {
    const detail = { temperature, top_k, top_p, min_p, repetition_penalty };
    const usable = STAGES.every((name) => typeof detail[name] === "number"
      && !document.querySelector(`#generate-${name.replaceAll("_", "-")} input:out-of-range`));
    if (!usable) return;                                  // a number field being retyped
    dispatchEvent(new CustomEvent("lineage:sampling", { detail }));
  }

  /** A run has come to its end, with a text or without. */
  function ended() {
    dispatchEvent(new CustomEvent("lineage:ended"));
  }

  // On leaving a slider's number field Gradio would put another number in the place of one beyond the slider's ends, or
  // of none. What was typed stays as it is, and a run is refused with the reason.
  addEventListener("blur", (event) => {
    if (event.target.matches?.("#tab-generate .tab-like-container input")) event.stopPropagation();
  }, true);

  addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const button = document.getElementById("generate-run");
    if (button && button.offsetParent && !button.disabled) {
      event.preventDefault();
      button.click();
    }
  });

  /** The visitor's run that is shown, `{ design, promptIds, ids, running }`; null where there is none. */
  return { mount, moved, ended, colour, written: () => written() };
})();
