/* The next-token distribution: a table with bars in it. Each row sets the model's own probability beside what the sampling
 * stages leave of it; both are computed here, over the whole vocabulary, whenever a slider moves.
 */

class NextToken {
  static ROWS = 12;
  static SCALES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];   // full lengths that a bar may have

  constructor(box, format) {
    this.format = format;
    this.title = box.querySelector(".next-title");
    this.sentence = box.querySelector(".next-sentence");
    this.remark = box.querySelector(".next-remark");
    this.table = box.querySelector("table");
    this.body = this.table.tBodies[0];
    this.rest = this.table.tFoot.rows[0];
    this.step = null;
  }

  /** Shows the distribution that `step`, token number `index`, was drawn from. `seen` are the ids before it. */
  draw(view, step, index, seen) {
    const { fill, grouped, percent } = this.format;
    const { words } = view;
    this.heading(view);
    this.title.textContent = fill(words.next_title, { number: grouped(index + 1), total: grouped(view.steps.length) });
    this.table.classList.toggle("next-moves", step === this.step);     // else a bar would grow out of another token's
    this.step = step;
    const spread = step.logits ? this.compute(step, seen, view) : this.recall(step);
    const { rows, kept, keptMass, size } = spread;

    const sentence = size === null ? this.whyFew(view) : kept === 1 ? words.next_one : words.next_many;
    this.sentence.textContent = fill(sentence, {
      kept: grouped(kept), vocabulary: grouped(size ?? 0), mass: percent(keptMass), ...(size === null ? view.bars : {}),
      token: view.name((rows.find(({ left }) => left > 0) ?? rows[0]).id),
    });
    this.remark.textContent = this.remarkOn(view, step, size === null);

    const peak = Math.max(...rows.map(({ raw, left }) => Math.max(raw, left)));
    const full = NextToken.SCALES.find((scale) => scale >= peak * 0.999) ?? 1;
    this.table.tHead.rows[0].cells[1].textContent = fill(words.next_scale, { full: `${full * 100}\u202f%` });
    rows.forEach((row, place) => this.fillRow(this.row(place), row, full, view, row.id === step.id));
    while (this.body.rows.length > rows.length) this.body.deleteRow(-1);
    this.rest.hidden = !(spread.others > 0);
    if (spread.others > 0) {
      this.rest.cells[0].textContent = fill(words.next_rest, { count: grouped(spread.others) });
      this.rest.cells[1].textContent = percent(spread.othersRaw);
      this.rest.cells[2].textContent = percent(spread.othersLeft);
    }
  }

  heading({ words }) {
    if (this.words === words) return;
    this.words = words;
    const [token, , model, left] = this.table.tHead.rows[0].cells;
    token.textContent = words.next_token;
    model.textContent = words.next_model;
    left.textContent = words.next_left;
    this.table.caption.textContent = words.next_caption;
  }

  /** From the logits over the whole vocabulary. They come rounded; what the server said of a token stands, so that its
   *  bar, its place in the text and its name there never say different numbers. */
  compute(step, seen, view) {
    const { settings } = view;
    const said = [...(step.top ?? []), [step.id, step.raw, step.probability]];
    const raw = (step.softmax ??= Sampling.softmax(step.logits));
    const order = (step.order ??= Sampling.ranking(step.logits));
    const { probabilities: left, removedBy } = Sampling.stages(step.logits, seen, settings, order);
    const unmoved = this.isUnmoved(view);
    for (const [id, model, sampling] of said) {
      raw[id] = model;
      if (unmoved) left[id] = sampling;
    }
    let kept = 0;
    let keptMass = 0;
    for (let id = 0; id < raw.length; id += 1) {
      if (left[id] > 0) {
        kept += 1;
        keptMass += raw[id];
      }
    }
    const chosen = new Set(order.slice(0, NextToken.ROWS));
    if (settings.repetition_penalty !== 1) {             // the only stage that changes the order
      Sampling.ranking(left).slice(0, 3).forEach((id) => chosen.add(id));
    }
    chosen.add(step.id);
    const rows = Array.from(chosen, (id) => ({ id, raw: raw[id], left: left[id], removedBy: removedBy[id] }))
      .sort((a, b) => b.raw - a.raw || a.id - b.id);
    const sum = (name) => rows.reduce((total, row) => total + row[name], 0);
    const keptHere = rows.filter((row) => row.left > 0).length;
    return {
      rows, kept, keptMass: Math.min(keptMass, 1), size: raw.length, others: raw.length - rows.length,
      othersRaw: Math.max(1 - sum("raw"), 0), othersLeft: kept > keptHere ? Math.max(1 - sum("left"), 0) : 0,
    };
  }

  /** From the few candidates that the server sent along, where the logits were too many to keep. */
  recall(step) {
    const rows = step.top.map(([id, raw, left]) => ({ id, raw, left }));
    if (!rows.some(({ id }) => id === step.id)) rows.push({ id: step.id, raw: step.raw, left: step.probability });
    return { rows, kept: 0, keptMass: 0, size: null, others: 0 };
  }

  /** Why there are only a few candidates: the newest tokens get all of theirs, but only once the text has ended. */
  whyFew({ words, finished, steps }) {
    if (!finished) return words.next_top_soon;
    return steps.some(({ logits }) => logits) ? words.next_top_dropped : words.next_top;
  }

  /** Whether the bars show the settings that the text was drawn with. */
  isUnmoved({ settings, drawn_with }) {
    return Object.entries(settings).every(([name, value]) => drawn_with[name] === value);
  }

  remarkOn(view, step, fixed) {
    const { fill, grouped, percent } = this.format;
    const { words } = view;
    let sentence = words.next_drawn;
    if (view.drawn_with.temperature === 0) sentence = step.rank === 1 ? words.next_greedy : words.next_greedy_penalised;
    const drawn = fill(sentence, {
      token: view.name(step.id), raw: percent(step.raw), probability: percent(step.probability), rank: grouped(step.rank),
    });
    return fixed || this.isUnmoved(view) ? drawn : `${drawn} ${words.next_moved}`;
  }

  row(place) {
    if (this.body.rows[place]) return this.body.rows[place];
    const row = this.body.insertRow();
    const bars = lineage.element("td", { class: "next-bars", "aria-hidden": "true" });
    bars.append(lineage.element("span", { class: "bar-model" }), lineage.element("span", { class: "bar-left" }));
    row.append(lineage.element("th", { scope: "row" }), bars, lineage.element("td"), lineage.element("td"));
    return row;
  }

  fillRow(row, { id, raw, left, removedBy }, full, view, drawn) {
    const { percent } = this.format;
    const [name, bars, model, rest] = row.cells;
    name.textContent = view.name(id);
    const chosen = view.drawn_with.temperature === 0 ? view.words.next_chosen_greedy : view.words.next_chosen;
    name.title = drawn ? chosen : "";
    row.classList.toggle("next-drawn", drawn);
    row.classList.toggle("next-removed", left === 0);
    bars.children[0].style.setProperty("--length", raw / full);
    bars.children[1].style.setProperty("--length", left / full);
    model.textContent = percent(raw);
    const removed = removedBy ? view.words.next_removed[removedBy - 1] : view.words.removed;
    rest.textContent = left > 0 ? percent(left) : removed;
  }
}
