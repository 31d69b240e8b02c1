// The KV cache against the length of the context, on log scales. A curve is a few numbers; batch, window, formats and
// which curves are shown change here, without the server.

const KvContext = (() => {
  const TOKENS = [8, 24]; // powers of two: 256 … 16 Mi tokens
  const BYTES = [24, 42]; // 16 MiB … 4 TiB
  const COLUMNS = [8192, 32768, 131072, 1048576]; // tokens, in the table
  const BATCHES = [0, 10]; // powers of two
  const WINDOWS = [7, 17];
  const HEIGHT = 520;
  const DASHES = { own: "", mha: "", gqa: "9 4", mqa: "2 4", mla: "14 4 2 4", sliding: "5 3" };

  const { element } = lineage;
  const fill = (words, gaps) => words.replace(/\{(\w+)\}/g, (whole, name) => gaps[name] ?? whole);
  const digits = (number) => (number >= 99.95 ? number.toFixed(0) : number >= 9.995 ? number.toFixed(1) : number.toFixed(2));
  const spaced = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  function bytes(value) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    const power = Math.min(Math.max(Math.floor(Math.log2(Math.max(value, 1) * 1.0005) / 10), 0), 5);
    return `${power ? digits(value / 1024 ** power) : value}\u202f${units[power]}`;
  }

  function tokens(value) {
    if (value < 1000) return String(Math.floor(value));
    const [size, unit] = value >= 999500 ? [1e6, "M"] : [1e3, "K"];
    return value >= 9.995e8 ? spaced(Math.round(value / 1e6)) + "\u202fM" : `${digits(value / size)}\u202f${unit}`;
  }

  // ---- numbers -----------------------------------------------------------------------------------------------------

  const windowOf = (curve, choice) => curve.window ?? choice.window;
  const kept = (curve, context, choice) =>
    choice.batch * choice.size * (curve.growing * context + curve.windowed * Math.min(context, windowOf(curve, choice)));
  const weightsOf = (curve, choice) => curve.params * choice.weight;

  /** How many tokens fit in `room` bytes: a whole number, or Infinity where the cache stops growing before. */
  function fitting(curve, room, choice) {
    const each = choice.batch * choice.size;
    const window = windowOf(curve, choice);
    const before = Math.floor(room / (each * (curve.growing + curve.windowed)));
    if (!curve.windowed || before <= window) return before;
    return curve.growing ? Math.floor((room / each - curve.windowed * window) / curve.growing) : Infinity;
  }

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

  // ---- the picture -------------------------------------------------------------------------------------------------

  function draw(name, attributes, text) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function named(node, words) {
    node.append(draw("title", {}, words));
    return node;
  }

  function picture(sheet, choice, width, description) {
    const narrow = width < 560;
    const left = 60;
    const right = width - (narrow ? 92 : 150);
    const [top, ground] = [16, HEIGHT - 48];
    const x = (context) => left + ((Math.log2(context) - TOKENS[0]) / (TOKENS[1] - TOKENS[0])) * (right - left);
    const y = (size) => ground - ((Math.log2(size) - BYTES[0]) / (BYTES[1] - BYTES[0])) * (ground - top);
    const inside = (size) => Math.min(Math.max(size, 2 ** BYTES[0]), 2 ** BYTES[1]);
    const svg = draw("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": description });

    // Memories: from one size to the next, shaded in turn.
    sheet.memories.forEach((memory, index) => {
      const below = index ? sheet.memories[index - 1] : memory / 2;
      const [high, low] = [y(memory * 2 ** 30), y(below * 2 ** 30)];
      const band = draw("rect", { class: index % 2 ? "band odd" : "band", x: left, y: high, width: right - left, height: low - high });
      svg.append(named(band, `${memory} GB`));
      svg.append(draw("text", { class: "memory", x: left + 4, y: high + 10 }, index ? `${memory}` : `${memory} GB`));
    });

    for (let power = BYTES[0]; power <= BYTES[1]; power += 2) {
      svg.append(draw("path", { class: "rule", d: `M${left} ${y(2 ** power)}H${right}` }));
      svg.append(draw("text", { class: "tick", x: left - 6, y: y(2 ** power) + 4 }, bytes(2 ** power).replace(/\.0+(?=\D)/, "")));
    }
    for (let power = TOKENS[0]; power <= TOKENS[1]; power += narrow ? 4 : 2) {
      const words = power >= 20 ? `${2 ** (power - 20)}Mi` : power >= 10 ? `${2 ** (power - 10)}Ki` : `${2 ** power}`;
      svg.append(draw("path", { class: "rule", d: `M${x(2 ** power)} ${top}V${ground}` }));
      svg.append(draw("text", { class: "tick middle", x: x(2 ** power), y: ground + 18 }, words));
    }
    svg.append(draw("text", { class: "tick middle", x: (left + right) / 2, y: ground + 38 }, sheet.words.tokens));

    // The model's weights, and how far it was made to read.
    const weights = weightsOf(sheet.curves[0], choice);
    const level = y(inside(weights));
    svg.append(draw("path", { class: "weights", d: `M${left} ${level}H${right}` }));
    svg.append(draw("text", { class: "weights", x: left + (narrow ? 30 : 60), y: level - (narrow ? 12 : 6) }, fill(sheet.words.weights, { size: bytes(weights) })));
    const limit = x(Math.min(Math.max(sheet.longest, 2 ** TOKENS[0]), 2 ** TOKENS[1]));
    svg.append(named(draw("path", { class: "longest", d: `M${limit} ${top}V${ground}` }), fill(sheet.words.longest, { tokens: spaced(sheet.longest) })));
    const flipped = limit > (left + right) / 2;
    svg.append(draw("text", { class: flipped ? "longest end" : "longest", x: limit + (flipped ? -5 : 5), y: ground - 6 }, fill(sheet.words.longest, { tokens: spaced(sheet.longest) })));

    curves(svg, sheet, choice, { x, y, inside, left, right, top, ground, narrow });
    return svg;
  }

  /** The curves with their names at the right, and where each is as large as its weights. */
  function curves(svg, sheet, choice, { x, y, inside, left, right, top, ground }) {
    const end = 2 ** TOKENS[1];
    const labels = [];
    for (const curve of choice.shown) {
      const known = sheet.known.includes(curve);
      const points = [];
      for (let power = TOKENS[0]; power <= TOKENS[1]; power += 0.125) {
        const size = kept(curve, 2 ** power, choice);
        if (size >= 2 ** BYTES[0] && size <= 2 ** BYTES[1]) points.push(`${x(2 ** power).toFixed(1)} ${y(size).toFixed(1)}`);
      }
      const style = `curve ${known ? "known" : "kind"}${curve.own ? " own" : ""}`;
      const dash = known ? "1 3" : DASHES[curve.key];
      if (points.length) svg.append(named(draw("path", { class: style, d: `M${points.join("L")}`, "stroke-dasharray": dash }), curve.long));
      labels.push({ curve, style, dash, at: y(inside(kept(curve, end, choice))), size: kept(curve, end, choice) });

      const crossing = fitting(curve, weightsOf(curve, choice), choice);
      const level = weightsOf(curve, choice);
      if (crossing >= 2 ** TOKENS[0] && crossing <= end && level >= 2 ** BYTES[0] && level <= 2 ** BYTES[1]) {
        const words = fill(sheet.words.crossing, { name: curve.name, tokens: tokens(crossing) });
        const [cx, cy] = [x(crossing), y(level)];
        svg.append(named(draw("circle", { class: `crossing ${style}`, cx, cy, r: curve.own ? 6 : 4.5 }), words));
        if (curve.own) svg.append(draw("text", { class: "crossing", x: cx, y: cy + 20 }, tokens(crossing)));
      }
    }
    labels.sort((one, other) => other.size - one.size);
    labels.forEach((label, index) => {
      label.at = Math.max(label.at, index ? labels[index - 1].at + 16 : top);
    });
    for (let index = labels.length - 1, low = ground; index >= 0; index -= 1, low -= 16) {
      labels[index].at = Math.min(labels[index].at, low);
    }
    for (const { curve, style, dash, at } of labels) {
      svg.append(draw("path", { class: style, d: `M${right + 4} ${at}h18`, "stroke-dasharray": dash }));
      svg.append(named(draw("text", { class: `label ${style}`, x: right + 26, y: at + 4 }, curve.name), curve.long));
    }
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
      plot.replaceChildren(picture(sheet, choice, width, `${words.heading}. ${told.textContent}`));
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
