// The KV cache against the length of the context, on log scales. A curve is a few numbers; batch, window, formats and
// which curves are shown change here, without the server.

const KvContext = (() => {
  const COLUMNS = [8192, 32768, 131072, 1048576]; // tokens, in the table
  const BATCHES = [0, 10]; // powers of two
  const WINDOWS = [7, 17];

  const { element } = lineage;
  const { fill, spaced, bytes, tokens, kept, weightsOf, fitting } = KvSizes;

  // ---- what was chosen ---------------------------------------------------------------------------------------------

  function chosen(sheet) {
    const { state } = lineage;
    const known = sheet.curves.concat(sheet.known);
    const shown = String(state.kv_shown).split(",");
    return {
      shown: known.filter((curve) => shown.includes(curve.key) || curve.key === "own"),
      batch: Number(state.kv_batch),
      window: Number(state.kv_window),
      size: sheet.bytes[state.kv_dtype],
      weight: sheet.bytes[state.weights_dtype],
    };
  }

  // ---- controls ----------------------------------------------------------------------------------------------------

  function slider(name, label, [low, high], redraw) {
    const value = element("output");
    const input = element("input", { type: "range", min: low, max: high, step: 1, name });
    input.value = Math.round(Math.log2(lineage.state[name]));
    value.textContent = spaced(lineage.state[name]);
    input.addEventListener("input", () => {
      lineage.write(name, 2 ** Number(input.value));
      value.textContent = spaced(2 ** Number(input.value));
      redraw();
    });
    return element("label", {}, element("span", {}, label), input, value);
  }

  function select(name, label, options, redraw) {
    const input = element("select", { name });
    for (const option of options) input.append(element("option", { value: option }, option));
    input.value = lineage.state[name];
    input.addEventListener("change", () => {
      lineage.write(name, input.value);
      redraw();
    });
    return element("label", {}, element("span", {}, label), input);
  }

  function boxes(title, curves, redraw) {
    const group = element("fieldset", {}, element("legend", {}, title));
    for (const curve of curves) {
      const input = element("input", { type: "checkbox", value: curve.key });
      input.checked = String(lineage.state.kv_shown).split(",").includes(curve.key);
      input.addEventListener("change", () => {
        const list = new Set(String(lineage.state.kv_shown).split(",").filter(Boolean));
        list[input.checked ? "add" : "delete"](curve.key);
        lineage.state.kv_shown = [...list].join(","); // may be empty, which `write` takes for the default
        lineage.flush();
        redraw();
      });
      group.append(element("label", { title: curve.long }, input, curve.name));
    }
    return group;
  }

  function controls(sheet, redraw) {
    const { words } = sheet;
    const formats = Object.keys(sheet.bytes);
    return element(
      "div",
      { class: "kv-controls" },
      boxes(words.shown, sheet.curves.filter((curve) => curve.key !== "own"), redraw),
      boxes(words.known, sheet.known, redraw),
      element(
        "div",
        { class: "kv-numbers" },
        slider("kv_batch", words.batch, BATCHES, redraw),
        slider("kv_window", words.window, WINDOWS, redraw),
        select("kv_dtype", words.dtype, formats, redraw),
        select("weights_dtype", words.weights_dtype, formats, redraw),
      ),
    );
  }

  // ---- words and tables --------------------------------------------------------------------------------------------

  function sentence(sheet, choice) {
    const { words } = sheet;
    const own = sheet.curves.find((curve) => curve.own);
    const crossing = fitting(own, weightsOf(own, choice), choice);
    const others = sheet.curves
      .filter((curve) => !curve.own && choice.shown.includes(curve))
      .map((curve) => fill(words.other, { size: bytes(kept(curve, crossing, choice)), kind: curve.name }));
    return fill(words.outgrows, {
      batch: spaced(choice.batch),
      tokens: spaced(crossing),
      model: sheet.model,
      kind: own.name,
      size: bytes(weightsOf(own, choice)),
      others: others.join(words.join),
    });
  }

  function table(heads, rows) {
    const head = element("tr", {}, ...heads.map((words, index) => element("th", { scope: "col", class: index ? "number" : "" }, words)));
    const body = rows.map(([name, ...cells]) =>
      element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", { class: "number" }, cell))),
    );
    const whole = element("table", { class: "ruled" }, element("thead", {}, head), element("tbody", {}, ...body));
    return element("div", { class: "scroll", tabindex: "0" }, whole);
  }

  const count = (value, words) => (value === Infinity ? words.never : spaced(value));

  function sizes(sheet, choice) {
    const { words } = sheet;
    const rows = choice.shown.map((curve) => [
      curve.long,
      bytes(kept(curve, 1, choice)),
      ...COLUMNS.map((context) => bytes(kept(curve, context, choice))),
      count(fitting(curve, weightsOf(curve, choice), choice), words),
    ]);
    return table([words.kind, words.per_token, ...COLUMNS.map((context) => tokens(context)), words.crosses], rows);
  }

  function fits(sheet, choice) {
    const { words } = sheet;
    const rows = choice.shown.map((curve) => [
      curve.long,
      ...sheet.memories.map((memory) => {
        const room = memory * 2 ** 30 - weightsOf(curve, choice);
        if (room <= 0) return "–";
        const most = fitting(curve, room, choice);
        return most === Infinity ? words.unlimited : tokens(most);
      }),
    ]);
    return table([words.kind, ...sheet.memories.map((memory) => `${memory} GB`)], rows);
  }

  // ---- together ----------------------------------------------------------------------------------------------------

  function mount(host, props, watch) {
    let sheet = null;
    const place = () => host.querySelector(".kv");
    const plot = element("div", { class: "kv-plot" });
    const told = element("p", { class: "headline", "aria-live": "polite" });
    const tables = element("div", { class: "kv-tables" });

    const redraw = () => {
      const width = Math.floor(plot.clientWidth);
      if (!sheet || !width) return;
      const choice = chosen(sheet);
      const { words } = sheet;
      told.textContent = sentence(sheet, choice);
      plot.replaceChildren(KvPicture.picture(sheet, choice, width, `${words.heading}. ${told.textContent}`));
      const summary = element("summary", {}, words.table);
      const open = tables.querySelector("details")?.open;
      const details = element("details", {}, summary, sizes(sheet, choice));
      details.open = Boolean(open);
      tables.replaceChildren(details, element("h3", {}, words.fits), element("p", {}, words.fits_about), fits(sheet, choice));
    };

    const read = () => {
      if (!props.value || !place()) return;
      sheet = JSON.parse(props.value);
      place().replaceChildren(told, controls(sheet, redraw), element("h3", {}, sheet.words.heading), plot, tables);
      redraw();
    };
    let width = 0;
    new ResizeObserver(() => {
      if (plot.clientWidth === width) return;
      width = plot.clientWidth;
      redraw();
    }).observe(plot);
    watch("value", read);
    read();
  }

  return { mount };
})();
