/* Attention, section "What if": silence heads and layers, swap the mask, drop the positions, and see what the model then says.
   The board of heads and the logit lens are drawn by attention_whatif_board.js and attention_whatif_lens.js. */

const AttentionWhatIf = (() => {
  const { element, fill } = lineage;
  const { percent, row, table, twin } = MaskingParts;
  const NOTHING = "none";

  /** A number with its sign, as change is written. */
  const signed = (value, digits = 2) => `${value < 0 ? "−" : value > 0 ? "+" : ""}${Math.abs(value).toFixed(digits)}`;

  /** A token as a list names it: its spaces and line ends visible; and as a sentence does, without the space before a word. */
  const spelled = (text) => text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "␣");
  const visible = (text) => spelled(text.replace(/^ (?=\S)/, ""));

  function mount(panel, server, shared) {
    const words = shared.opening.words.whatif;
    const view = { shared, words, heads: null, visible, spelled, signed, latest: 0, text: shared.text, design: shared.design };
    const where = element("div", { class: "mask-content" });
    const controls = element("div", { class: "mask-content what-controls" });
    const answer = element("div", { class: "what-answer", "aria-live": "polite" });
    const heads = element("div", { class: "mask-content" });
    const lens = element("div", { class: "mask-content" });
    panel.append(answer, where, controls, heads, lens);

    view.off = () => (lineage.state.what_off === NOTHING ? [] : lineage.state.what_off.split(","));
    view.set = (name, value) => {
      lineage.write(name, value);
      draw();
    };
    view.toggle = (part) => {
      const off = view.off();
      const left = off.includes(part) ? off.filter((one) => one !== part) : [...off, part];
      view.set("what_off", left.join(",") || NOTHING);
    };
    view.request = () => {
      const { state } = lineage;
      return { ...shared.request(), place: Number(state.what_place), off: state.what_off, method: state.what_method, mask: state.what_mask,
        width: Number(state.what_width), order: state.what_order === "true", token: state.what_token ? Number(state.what_token) : null };
    };

    /** Asks for the answer with the changes; heads and lens only where something that they depend on has changed. */
    async function draw() {
      const mine = ++view.latest;
      panel.setAttribute("aria-busy", "true");
      if (!answer.childElementCount) answer.append(element("p", { class: "obj-note" }, words.computing));
      const reply = await asked(mine);
      if (mine !== view.latest) return;
      panel.removeAttribute("aria-busy");
      for (const part of [where, controls, heads, lens]) part.hidden = !reply || Boolean(reply.without);
      if (!reply || reply.without) return answer.replaceChildren(...(reply ? [said(reply.without)] : []));
      Object.assign(view, { reply, watched: reply.rows.find(({ id }) => id === reply.watched) });
      answer.replaceChildren(...answerOf(view));
      where.replaceChildren(...whereOf(view));
      controls.replaceChildren(...controlsOf(view));
      AttentionBoard.refresh(view, heads);
      AttentionLens.refresh(view, lens);
    }

    /** The answer to what is asked now; what the model in hand does not have is no longer changed. */
    async function asked(mine) {
      const ask = () => shared.ask("whatif_changes", view.request());
      return shared.attempt(async () => {
        try {
          return await ask();
        } catch (refused) {
          if (!(refused instanceof Asking.Refused) || !view.moved || mine !== view.latest) throw refused;
          for (const name of ["what_mask", "what_token", "what_order", "what_off"]) lineage.write(name, null);
          return ask();
        } finally {
          view.moved = false;
        }
      });
    }

    function refresh() {
      const moved = view.design !== shared.design;
      if (moved || view.text !== shared.text) {
        lineage.write("what_place", null);
        lineage.write("what_token", null);
      }
      Object.assign(view, { moved, design: shared.design, text: shared.text, fresh: true });
      draw();
    }
    return { refresh };
  }

  // ---- where the model is asked ------------------------------------------------------------------------------------------

  function whereOf(view) {
    const { reply, words } = view;
    const how = element("p", { class: "obj-note" }, words[`where_${reply.kind}`]);
    if (reply.kind === "class") return [how];
    const line = row(reply.tokens.map(view.visible), { label: words.where, at: reply.place,
      pick(place) {
        lineage.write("what_token", null);
        view.set("what_place", place);
      },
      dress: (span, place) => span.classList.add(reply.kinds[place] === "s" ? "mark" : "plain-token") });
    return [element("h3", {}, words.where), how, line];
  }

  // ---- what is changed ---------------------------------------------------------------------------------------------------

  function controlsOf(view) {
    const { reply, words } = view;
    const method = lineage.choice("what-method", words.method, ["zero", "mean"].map((name) => [name, words[`method_${name}`]]), lineage.state.what_method, (name) => view.set("what_method", name));
    const parts = [element("div", { class: "obj-field" }, element("span", {}, words.method), method)];
    if (reply.masks.length) parts.push(maskOf(view));
    parts.push(orderOf(view));
    return [element("h3", {}, words.changes), element("div", { class: "what-fields" }, ...parts)];
  }

  function maskOf(view) {
    const { reply, words } = view;
    const titles = new Map(reply.masks);
    const select = element("select", { id: "what-mask" }, element("option", { value: "" }, fill(words.mask_own, { mask: reply.mask.map((name) => titles.get(name) ?? name).join(", ") })),
      ...reply.masks.map(([name, title]) => element("option", { value: name }, title)));
    select.value = lineage.state.what_mask;
    select.addEventListener("change", () => view.set("what_mask", select.value));
    const width = element("input", { type: "number", id: "what-width", min: "1", max: "64", value: lineage.state.what_width, "aria-label": words.mask_width, title: words.mask_width });
    width.disabled = !select.value;
    width.addEventListener("change", () => view.set("what_width", Math.min(64, Math.max(1, Math.round(Number(width.value)) || 1))));
    const note = element("p", { class: "obj-note" }, reply.structure === "encoder_decoder" ? words.mask_decoder : words.mask_content);
    return element("div", { class: "obj-field" }, element("label", { for: "what-mask" }, words.mask), element("div", { class: "what-mask" }, select, width), note);
  }

  function orderOf(view) {
    const { reply, words } = view;
    if (!reply.position) return element("p", { class: "obj-note" }, words.order_none);
    const box = element("input", { type: "checkbox", id: "what-order" });
    box.checked = lineage.state.what_order === "true";
    box.addEventListener("change", () => view.set("what_order", box.checked));
    return element("label", { class: "what-check" }, box, element("span", {}, fill(words.order, { position: reply.position })));
  }

  const capital = (name) => name[0].toUpperCase() + name.slice(1);

  /** The changes, each of which can be undone. */
  function changedOf(view) {
    const { reply, words } = view;
    const { state } = lineage;
    const undo = (what, take) => {
      const button = element("button", { type: "button", class: "chip", "aria-label": fill(words.undo, { what }) }, `${what} ×`);
      button.addEventListener("click", take);
      return button;
    };
    const chips = view.off().map((part) => undo(capital(AttentionBoard.nameOf(view, part)), () => view.toggle(part)));
    const mask = reply.masks.find(([name]) => name === state.what_mask);
    if (mask) chips.push(undo(`${words.mask}: ${mask[1]}`, () => view.set("what_mask", "")));
    if (state.what_order === "true") chips.push(undo(fill(words.order, { position: reply.position }), () => view.set("what_order", false)));
    const reset = element("button", { type: "button", id: "what-reset" }, words.reset);
    reset.addEventListener("click", () => {
      lineage.write("what_mask", null);
      lineage.write("what_order", null);
      view.set("what_off", NOTHING);
    });
    return element("div", { class: "obj-chips", role: "group", "aria-label": words.changed }, element("span", { class: "obj-note" }, words.changed), ...chips, reset);
  }

  // ---- what the model says -----------------------------------------------------------------------------------------------

  function answerOf(view) {
    const { reply, words } = view;
    const [top, topAfter] = reply.top.map((id) => reply.rows.find((one) => one.id === id));
    const values = { before: view.visible(top.text), p_before: percent(top.before), after: view.visible(topAfter.text), p_after: percent(topAfter.after) };
    if (!reply.changed) return [element("div", { class: "what-said" }, said(fill(words.said_none, values))), ...bars(view)];
    const { watched } = view;
    const lines = [fill(top === topAfter ? words.said_same : words.said_other, values),
      fill(words.said_token, { token: view.visible(watched.text), nats: signed(watched.nats), factor: times(Math.exp(watched.nats)) })];
    // Nobody has chosen this yet: it stands here so that there is something to see.
    const example = () => (view.off().join() === lineage.boot.defaults.what_off && !lineage.state.what_mask && lineage.state.what_order !== "true" ? [element("p", { class: "obj-note" }, words.example)] : []);
    const kl = element("p", {}, fill(words.said_kl, { kl: reply.kl < 0.0005 ? "<\u202f0.001" : reply.kl.toFixed(reply.kl < 0.095 ? 3 : 2) }));
    return [element("div", { class: "what-said" }, said(lines.join(" ")), changedOf(view), ...example()), ...bars(view), kl];
  }

  const said = (text) => element("p", { class: "obj-sentence" }, text);
  const times = (factor) => (factor >= 0.01 && factor < 1000 ? String(Number(factor.toPrecision(2))) : factor.toExponential(1));

  function bars(view) {
    const { reply, words } = view;
    const both = reply.changed;
    const most = Math.max(...reply.rows.map((one) => Math.max(one.before, one.after)));
    const track = (share, side) => {
      const inside = element("span", { class: `what-fill ${side}` });
      inside.style.inlineSize = `${100 * share / most}%`;
      return element("span", { class: "what-track" }, inside);
    };
    const lines = reply.rows.slice(0, 12).map((one) => {
      const name = element("button", { type: "button", class: "bare what-name", "aria-pressed": String(one.id === reply.watched), title: fill(words.watch, { token: view.spelled(one.text) }) }, view.spelled(one.text));
      name.addEventListener("click", () => view.set("what_token", one.id));
      const figures = both ? `${percent(one.before)} → ${percent(one.after)}` : percent(one.before);
      return element("div", { class: "what-bar" }, name, element("span", { class: "what-tracks", "aria-hidden": "true" }, track(one.before, "before"), ...(both ? [track(one.after, "after")] : [])),
        element("span", { class: "mfigure" }, figures));
    });
    const legend = both ? [element("p", { class: "what-legend" }, element("span", { class: "before" }, words.before), element("span", { class: "after" }, words.after))] : [];
    const unit = reply.kind === "class" ? words.class : words.token;
    const rows = reply.rows.map((one) => [view.spelled(one.text), percent(one.before), percent(one.after), signed(one.nats)]);
    const folded = twin(words.as_table, table([[unit], [words.before, true], [words.after, true], [words.change, true]], rows, fill(words.table_answer, { n: lineage.grouped(reply.n) })),
      element("p", { class: "obj-note" }, fill(words.entropy, { before: reply.entropy[0].toFixed(2), after: reply.entropy[1].toFixed(2) })));
    const box = element("div", { class: "mask-content" }, element("h3", {}, words[`answer_${reply.kind}`]), ...legend, element("div", { class: "what-bars" }, ...lines), folded);
    Downloads.bar(box, { name: "what-if", svg: () => barsPicture(view),
      csv: () => Downloads.csv([["id", "token", "before", "after", "nats"], ...reply.rows.map((one) => [one.id, one.text, one.before, one.after, one.nats])]) });
    return [box];
  }

  /** The bars as markup of an SVG on white paper. */
  function barsPicture(view) {
    const { words } = view;
    const { rows, changed: both } = view.reply;
    const [BEFORE, AFTER] = ["#0b66a8", "#b34700"];
    const most = Math.max(...rows.map((one) => Math.max(one.before, one.after)));
    const parts = rows.flatMap((one, index) => {
      const y = 36 + 34 * index;
      return [["text", { x: 150, y: y + 14, "text-anchor": "end", fill: "#1c1f23" }, view.spelled(one.text)],
        ["rect", { x: 160, y, width: 300 * one.before / most, height: 10, fill: BEFORE }], ...(both ? [["rect", { x: 160, y: y + 12, width: 300 * one.after / most, height: 10, fill: AFTER }]] : []),
        ["text", { x: 472, y: y + 14, fill: "#57606a" }, both ? `${percent(one.before)} → ${percent(one.after)}` : percent(one.before)]];
    });
    const keys = both ? [["before", BEFORE, 160], ["after", AFTER, 280]].flatMap(([name, fill_, x]) => [["rect", { x, y: 8, width: 16, height: 10, fill: fill_ }], ["text", { x: x + 22, y: 18, fill: "#57606a" }, words[name]]]) : [];
    return AttentionSvg.picture(600, 60 + 34 * rows.length, [...keys, ...parts]);
  }

  return { mount };
})();
