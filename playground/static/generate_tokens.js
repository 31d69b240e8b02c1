/* Generate: the tokens of a text as a list, each coloured by its probability; a visitor points at one or chooses one.
 * Everything that a model wrote is put on the page as textContent.
 */

class GenerateTokens {
  /** `box` is the list within `story`, which scrolls; `look` is called when another token is looked at. */
  constructor({ tokens: box, story }, text, look) {
    Object.assign(this, { box, story, text, look });
    this.listen();
    this.clear();
  }

  clear() {
    this.cells = [];
    this.pinned = null;                                   // the token that the visitor chose; null: the newest
    this.hovered = null;
    this.box.replaceChildren();
  }

  // ---- what is drawn ----

  /** Before there are words there are no tokens: a list without a name is announced as nothing. */
  label(words) {
    this.box.setAttribute("role", "listbox");
    this.box.setAttribute("aria-orientation", "horizontal");
    this.box.setAttribute("aria-label", words);
  }

  draw() {
    const { box, text } = this;
    const isFirst = this.cells.length === 0;
    const isFollowed = isFirst || this.atEnd();
    const cells = TokenCells.cells(text.steps.map((step) => text.bytes(step.id)), text.finished !== null);
    cells.forEach((cell, index) => {
      const old = this.cells[index];
      if (old && old.kind === cell.kind && old.text === cell.text) return;
      const span = box.children[index] ?? box.appendChild(lineage.element("span", { role: "option" }));
      this.drawToken(span, cell, text.steps[index]);
    });
    this.cells = cells;
    this.mark();
    if (text.source !== "recorded" && isFollowed) this.follow(isFirst);
  }

  atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.story;
    return scrollHeight - scrollTop - clientHeight < 48;
  }

  /** Keeps the newest token in sight while a text is written, unless the visitor has scrolled back to read. */
  follow(isFirst) {
    const { story } = this;
    story.scrollTop = story.scrollHeight;
    if (isFirst) story.scrollIntoView({ block: "nearest" });
  }

  drawToken(span, cell, step) {
    const { fill, grouped, percent, colour } = GenerateFormat;
    const { words } = this.text;
    let shown = cell.kind === "bytes" ? `⟨${cell.text}⟩` : cell.text;
    if (cell.kind === "special") shown = this.text.name(step.id);
    else if (cell.kind === "text") shown = shown.split("\n").map(TokenCells.visible).join("↵\n");
    span.className = `token token-${cell.kind}${/^\s+$/.test(cell.text) ? " token-space" : ""}`;
    span.textContent = shown;
    span.style.setProperty("--value", colour(step.raw));
    const values = { token: this.text.name(step.id), probability: percent(step.raw), rank: grouped(step.rank) };
    span.setAttribute("aria-label", fill(words.token, values));
    span.title = fill(words.token, values);
  }

  mark() {
    const current = this.pinned ?? this.text.steps.length - 1;
    Array.from(this.box.children).forEach((span, index) => {
      span.setAttribute("aria-selected", String(index === current));
      span.tabIndex = index === current ? 0 : -1;
      span.classList.toggle("token-shown", index === this.shown());
    });
  }

  /** Which token is looked at: the hovered, else the chosen, else the newest. */
  shown() { return this.hovered ?? this.pinned ?? this.text.steps.length - 1; }

  /** What the tokens say together. */
  read() { return this.cells.map((cell) => cell.text).join(""); }

  // ---- what a visitor does with them ----

  listen() {
    const { box } = this;
    const indexOf = (event) => Array.prototype.indexOf.call(box.children, event.target);
    box.addEventListener("pointerover", (event) => event.pointerType !== "touch" && this.point(indexOf(event)));
    box.addEventListener("pointerleave", () => this.point(-1));
    box.addEventListener("click", (event) => indexOf(event) >= 0 && this.pin(indexOf(event)));
    box.addEventListener("focusin", (event) => indexOf(event) >= 0 && this.pin(indexOf(event)));
    box.addEventListener("keydown", (event) => {
      const here = indexOf(event);
      const last = this.text.steps.length - 1;
      const next = here + 1;
      const before = here - 1;
      const goals = { ArrowRight: next, ArrowDown: next, ArrowLeft: before, ArrowUp: before, Home: 0, End: last };
      const goal = goals[event.key];
      if (here < 0 || goal === undefined) return;
      event.preventDefault();
      box.children[Math.min(Math.max(goal, 0), last)].focus();
    });
  }

  /** Looks at a token for as long as the pointer is over it; −1: at none. */
  point(index) {
    this.hovered = index >= 0 ? index : null;
    this.mark();
    this.look();
  }

  /** Chooses a token; the newest one is not held, so that the bars go on with the stream. */
  pin(index) {
    this.pinned = index === this.text.steps.length - 1 ? null : index;
    this.hovered = null;
    this.mark();
    this.look();
  }
}
