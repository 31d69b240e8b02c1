/* Generate: a text as its payload tells it, without drawing anything.
 *
 * The payload is a growing text of JSON lines (written by playground/views/generation.py): "start", then for each token
 * a "step", in between "progress", for large vocabularies one "logits", last "end"; or "refused" alone. It only ever
 * grows within a run, so only the new lines are read. Of a recording, the logits of all tokens but the last are at the
 * address `later`.
 */

class GenerateText {
  static STAGES = ["temperature", "top_k", "top_p", "min_p", "repetition_penalty"];

  constructor() {
    this.first = null;                                    // the first line, which tells a run from another
    this.consumed = 0;
    this.told = "";                                       // the payload of the text that is shown
    this.steps = [];
  }

  /** What was sent: the payload itself, or its address. */
  static async fetched(content) {
    if (content.startsWith("{")) return content;
    const answer = await fetch(content);
    if (!answer.ok) throw new Error(`${content}: ${answer.status}`);
    return answer.text();
  }

  /** Takes in the lines that are new in `payload`; gives them as messages. */
  take(payload) {
    const first = payload.slice(0, payload.indexOf("\n") + 1);
    if (first !== this.first) {
      this.first = first;
      this.consumed = 0;
    }
    const complete = payload.lastIndexOf("\n") + 1;
    if (complete <= this.consumed) return [];
    const lines = payload.slice(this.consumed, complete).split("\n").filter(Boolean);
    this.consumed = complete;
    return lines.map((line) => this.hear(line));
  }

  hear(line) {
    const message = JSON.parse(line);
    const { kind, ...content } = message;
    this[`on_${kind}`](content);
    if (kind !== "refused") this.told += `${line}\n`;
    return message;
  }

  on_start(content) {
    Object.assign(this, { bars: null, later: null }, content, { steps: [], progress: null, finished: null, told: "" });
    this.words = content.words[lineage.lang];
    this.design = lineage.state.model;
    this.settings = Object.fromEntries(GenerateText.STAGES.map((name) => [name, Number(lineage.state[name])]));
    this.pieces = content.vocabulary.map((piece) => (piece === null ? new Uint8Array() : TokenCells.fromLatin1(piece)));
  }

  /** The run could not begin: what was there stays. */
  on_refused() {}

  on_step(step) {
    if (step.halves) step.logits = Sampling.decodeHalves(step);
    this.steps.push(step);
  }

  on_logits({ first, steps }) {
    steps.forEach((late, index) => { this.steps[first + index].logits = Sampling.decodeHalves(late); });
  }

  on_progress(progress) { this.progress = progress; }

  on_end(end) { this.finished = end; }

  isRunning() { return this.source === "live" && !this.finished; }

  /** The visitor's run, `{ design, promptIds, ids, running }`; null where the text is none. */
  written() {
    if (this.source !== "live" || !this.words) return null;
    const ids = this.steps.map(({ id }) => id);
    return { design: this.design, promptIds: this.prompt_ids, ids, running: this.isRunning() };
  }

  /** Why the run ended. */
  ending() { return this.finished.sentence?.[lineage.lang] ?? this.words.stopped; }

  // ---- its tokens ----

  bytes(id) { return this.pieces[id] ?? new Uint8Array(); }

  /** A token by itself, for lists. */
  name(id) {
    if (id in this.specials) return this.specials[id];
    if (id >= this.pieces.length) return `⟨${id}⟩`;
    return TokenCells.name(this.pieces[id]);
  }

  idsBefore(index) { return this.begun_ids.concat(this.steps.slice(0, index).map(({ id }) => id)); }

  /** Whether it is here what `step` was drawn from. */
  isKnown(step) {
    if (step.codes) step.logits ??= Sampling.decodeCodes(step, this.scale);
    return Boolean(step.logits || step.top);
  }

  /** Fetches what the other tokens of a recording were drawn from; gives whether it came. Gives null where it is on its
   *  way already, or where another text came instead. */
  async fetchLater() {
    const { later, steps } = this;
    if (!later) return null;
    this.later = null;
    const sent = await GenerateText.fetched(later).catch(() => null);
    if (steps !== this.steps) return null;
    if (sent === null) this.later = later;                // the next look asks again
    else JSON.parse(sent).steps.forEach((coded, index) => Object.assign(steps[index], coded));
    return sent !== null;
  }
}
