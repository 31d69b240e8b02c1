/* Generate: a text as the visitor sees it while it streams: what is said about it, its tokens, and the distribution
 * that the one looked at was drawn from. Everything that a visitor wrote is put on the page as textContent.
 */

class GenerateView {
  static PARTS = ["badge", "meta", "error", "notes", "story", "prompt", "tokens", "status", "legend", "next", "live"];

  constructor(element) {
    const { PARTS } = GenerateView;
    this.part = Object.fromEntries(PARTS.map((name) => [name, element.querySelector(`.generate-${name}`)]));
    this.text = new GenerateText();
    this.tokens = new GenerateTokens(this.part, this.text, () => this.drawNext());
    this.next = new NextToken(this.part.next, GenerateFormat);
  }

  // ---- what comes from the server ----

  /** Takes in what is new in `payload`. */
  read(payload) {
    const messages = this.text.take(payload);
    if (!messages.length) return;
    this.waiting = false;
    for (const message of messages) {
      if (message.kind === "start") this.begin();
      else if (message.kind === "refused") this.refuse(message);
      else if (message.kind === "end") this.unread = this.text.source === "live";
    }
    this.draw();
  }

  begin() {
    this.stopping = false;
    this.tokens.clear();
    this.drawFrame();
  }

  refuse({ sentence }) {
    this.stopping = false;
    this.tellError(sentence[lineage.lang]);
  }

  // ---- what the visitor asks for ----

  /** A run was asked for: the model may have to be made ready before its first line comes. */
  wait() {
    if (!this.text.words || this.waiting || this.text.isRunning()) return;
    this.waiting = true;
    this.tellError("");
    this.drawStatus();
  }

  /** Stop was pressed: the server needs a moment, the visitor does not. */
  stop() {
    this.stopping = this.waiting || this.text.isRunning();
    if (this.stopping) this.drawStatus();
  }

  /** The run is over. One that ended before its first line leaves the text that was there. */
  stopWaiting() {
    const early = this.waiting && this.stopping;
    this.waiting = false;
    this.stopping = false;
    this.draw();
    const { words } = this.text;
    if (early) this.part.live.textContent = this.part.status.textContent = words.stopped_early;
  }

  /** Sliders moved: only the bars change. */
  move(settings) {
    if (!this.text.words) return;
    this.text.settings = settings;
    this.drawNext();
  }

  /** The page is about to be loaded in another language. */
  keep() {
    const { source, told, finished } = this.text;
    if (source === "live") KeptRun.keep(told, finished !== null, this.tokens.pinned);
  }

  /** Shows again what was kept. */
  restore({ payload, pinned }) {
    this.read(payload);
    this.part.live.textContent = "";
    if (pinned !== null) this.tokens.pin(pinned);
  }

  // ---- what is drawn ----

  drawFrame() {
    const { part, text } = this;
    const { words } = text;
    part.badge.hidden = text.source !== "recorded";
    part.badge.textContent = words.recorded;
    part.meta.textContent = text.meta[lineage.lang];
    part.notes.replaceChildren(...text.notes.map((note) => lineage.element("p", {}, note[lineage.lang])));
    part.prompt.textContent = text.prompt;
    GenerateFormat.speakEnglish(part.prompt, text.prompt);
    this.tokens.label(words.tokens);
    part.live.textContent = "";
    this.tellError("");
    part.legend.hidden = text.empty;
    part.legend.querySelector(".generate-legend-name").textContent = words.legend_name;
    part.legend.querySelector(".generate-legend-low").textContent = words.legend_low;
    part.legend.querySelector(".generate-legend-high").textContent = words.legend_high;
    part.legend.querySelector(".generate-legend-scale").style.background = GenerateFormat.scale();
    part.next.hidden = text.empty;
  }

  tellError(sentence) {
    this.part.error.textContent = sentence;
    this.part.error.hidden = !sentence;
    this.part.story.classList.toggle("generate-earlier", Boolean(sentence));
  }

  draw() {
    if (!this.text.words) return; // they come with a text, and the first one may be refused
    this.drawStatus();
    if (this.text.empty) return;
    this.tokens.draw();
    if (this.unread) this.readOut();
    this.drawNext();
  }

  drawStatus() {
    const { part, text } = this;
    const { words } = text;
    if (this.stopping) part.status.textContent = words.stopping;
    else if (this.waiting) part.status.textContent = words.waiting;
    else part.status.textContent = text.empty ? "" : this.howFar();
    part.story.setAttribute("aria-busy", String(!text.empty && !text.finished));
  }

  howFar() {
    const { fill, grouped } = GenerateFormat;
    const { words, progress, steps, most, source, finished } = this.text;
    const rate = progress && progress.seconds > 0 ? progress.tokens / progress.seconds : 0;
    const values = { tokens: grouped(steps.length), most: grouped(most), rate: grouped(Math.round(rate)) };
    const counted = source === "recorded" ? fill(words.counted, values) : fill(words.progress, values);
    return finished ? `${this.text.ending()} ${counted}` : counted;
  }

  /** To a screen reader, once, when the text is there. */
  readOut() {
    const written = lineage.element("span", {}, this.tokens.read());
    GenerateFormat.speakEnglish(written, written.textContent);
    this.part.live.replaceChildren(`${this.text.ending()} `, written);
    this.unread = false;
  }

  drawNext() {
    const { text } = this;
    const index = this.tokens.shown();
    const step = text.steps[index];
    this.part.next.hidden = !step;
    if (!step) return;
    if (text.isKnown(step)) this.next.draw(text, step, index, text.idsBefore(index));
    else this.fetchLater();
  }

  /** Another token of a recording than the last is looked at for the first time. */
  async fetchLater() {
    const came = await this.text.fetchLater();
    if (came === null) return;
    this.tellError(came ? "" : lineage.say("unfetched"));
    if (came) this.drawNext();
  }
}
