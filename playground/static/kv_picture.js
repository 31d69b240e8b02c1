// The picture of the KV cache against the length of the context, both on log scales.

const KvPicture = (() => {
  const TOKENS = [8, 24]; // powers of two: 256 … 16 Mi tokens
  const BYTES = [24, 42]; // 16 MiB … 4 TiB
  const HEIGHT = 520;
  const DASHES = { own: "", mha: "", gqa: "9 4", mqa: "2 4", mla: "14 4 2 4", sliding: "5 3" };

  const { fill, spaced, bytes, tokens, kept, weightsOf, fitting } = KvSizes;

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
    const svg = draw("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": description });
    const frame = placed(width);
    memories(svg, sheet, frame);
    rules(svg, sheet, frame);
    weights(svg, sheet, choice, frame);
    longest(svg, sheet, frame);
    names(svg, curves(svg, sheet, choice, frame), frame);
    return svg;
  }

  /** Where things stand in a picture of this width: `x` of a count of tokens, `y` of a size in bytes. */
  function placed(width) {
    const narrow = width < 560;
    const left = 60;
    const right = width - (narrow ? 92 : 150);
    const [top, ground] = [16, HEIGHT - 48];
    const x = (context) => left + ((Math.log2(context) - TOKENS[0]) / (TOKENS[1] - TOKENS[0])) * (right - left);
    const y = (size) => ground - ((Math.log2(size) - BYTES[0]) / (BYTES[1] - BYTES[0])) * (ground - top);
    return { narrow, left, right, top, ground, x, y };
  }
  const inside = (value, [low, high]) => Math.min(Math.max(value, 2 ** low), 2 ** high);

  /** Memories: from one size to the next, shaded in turn. */
  function memories(svg, sheet, { y, left, right }) {
    sheet.memories.forEach((memory, index) => {
      const below = index ? sheet.memories[index - 1] : memory / 2;
      const [high, low] = [y(memory * 2 ** 30), y(below * 2 ** 30)];
      const band = draw("rect", { class: index % 2 ? "band odd" : "band", x: left, y: high, width: right - left, height: low - high });
      svg.append(named(band, `${memory} GB`));
      svg.append(draw("text", { class: "memory", x: left + 4, y: high + 10 }, index ? `${memory}` : `${memory} GB`));
    });
  }

  function rules(svg, sheet, { x, y, left, right, top, ground, narrow }) {
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
  }

  /** How large the model's weights are. */
  function weights(svg, sheet, choice, { y, left, right, narrow }) {
    const size = weightsOf(sheet.curves[0], choice);
    const level = y(inside(size, BYTES));
    svg.append(draw("path", { class: "weights", d: `M${left} ${level}H${right}` }));
    svg.append(draw("text", { class: "weights", x: left + (narrow ? 30 : 60), y: level - (narrow ? 12 : 6) }, fill(sheet.words.weights, { size: bytes(size) })));
  }

  /** How far the model was made to read. */
  function longest(svg, sheet, { x, left, right, top, ground }) {
    const limit = x(inside(sheet.longest, TOKENS));
    const words = fill(sheet.words.longest, { tokens: spaced(sheet.longest) });
    svg.append(named(draw("path", { class: "longest", d: `M${limit} ${top}V${ground}` }), words));
    const flipped = limit > (left + right) / 2;
    svg.append(draw("text", { class: flipped ? "longest end" : "longest", x: limit + (flipped ? -5 : 5), y: ground - 6 }, words));
  }

  /** The curves, and where each is as large as its weights. Gives what their names need, which stand where they end. */
  function curves(svg, sheet, choice, { x, y }) {
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
      labels.push({ curve, style, dash, at: y(inside(kept(curve, end, choice), BYTES)), size: kept(curve, end, choice) });

      const crossing = fitting(curve, weightsOf(curve, choice), choice);
      const level = weightsOf(curve, choice);
      if (crossing >= 2 ** TOKENS[0] && crossing <= end && level >= 2 ** BYTES[0] && level <= 2 ** BYTES[1]) {
        const words = fill(sheet.words.crossing, { name: curve.name, tokens: tokens(crossing) });
        const [cx, cy] = [x(crossing), y(level)];
        svg.append(named(draw("circle", { class: `crossing ${style}`, cx, cy, r: curve.own ? 6 : 4.5 }), words));
        if (curve.own) svg.append(draw("text", { class: "crossing", x: cx, y: cy + 20 }, tokens(crossing)));
      }
    }
    return labels;
  }

  /** The names of the curves at the right, below each other. */
  function names(svg, labels, { right, top, ground }) {
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

  return { picture };
})();
