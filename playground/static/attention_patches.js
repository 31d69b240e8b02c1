/* Attention, section "maps", of a model that reads a picture: the picture, each patch as bright as the chosen place looks at
   it. */

const AttentionPatches = (() => {
  const { element, fill } = lineage;
  const SIDE = 280; // pixels of the picture on the page
  const DARKEST = 0.85; // the shade over a patch that nobody looks at

  /** The figure, and `draw(shown, query)`, which shades it for a row of the head that is shown; `pick(place)` is called for a
      patch that is clicked. Place 0 is the class token, which is no patch. */
  function mount(view, pick) {
    const { words } = view;
    const original = painted(view.reading.picture);
    const canvas = element("canvas", { class: "maps-picture", width: String(SIDE), height: String(SIDE), role: "img" });
    const caption = element("figcaption", { class: "obj-note" });
    const figure = element("figure", { class: "maps-patches" }, canvas, caption);
    let now = null;

    function draw(shown, query) {
      const texts = view.sequences.image.texts;
      now = { query, shades: shadesOf(shown, query), side: Math.round(Math.sqrt(texts.length - 1)) };
      const cell = SIDE / now.side;
      const context = canvas.getContext("2d");
      context.drawImage(original, 0, 0, SIDE, SIDE);
      now.shades.forEach(({ shade }, patch) => {
        context.fillStyle = `rgb(0 0 0 / ${shade})`;
        context.fillRect((patch % now.side) * cell, Math.floor(patch / now.side) * cell, cell, cell);
      });
      if (query) {
        context.lineWidth = 3;
        context.strokeStyle = "#ffb000";
        context.strokeRect(((query - 1) % now.side) * cell + 1.5, Math.floor((query - 1) / now.side) * cell + 1.5, cell - 3, cell - 3);
      }
      caption.textContent = fill(words.picture_seen, { token: texts[query] });
      canvas.setAttribute("aria-label", caption.textContent);
    }

    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      const [column, row] = [event.clientX - box.left, event.clientY - box.top].map((at) => Math.min(now.side - 1, Math.max(0, Math.floor((at / box.width) * now.side))));
      pick(1 + row * now.side + column);
    });
    Downloads.bar(figure, { name: "attention-picture", svg: () => svg(original, now), png: () => canvas, csv: () => csv(now) });
    return { figure, draw };
  }

  /** RGB bytes as a canvas. */
  function painted({ size, pixels }) {
    const canvas = element("canvas", { width: String(size), height: String(size) });
    const context = canvas.getContext("2d");
    const image = context.createImageData(size, size);
    MaskingParts.bytes(pixels).forEach((value, at) => { image.data[4 * Math.floor(at / 3) + (at % 3)] = value; });
    for (let at = 3; at < image.data.length; at += 4) image.data[at] = 255;
    context.putImageData(image, 0, 0);
    return canvas;
  }

  /** Of each patch what the row gives it, and how dark it stands beside the one that gets most. */
  function shadesOf({ group, values, hidden }, query) {
    const start = query * group.width;
    const row = Array.from(values.subarray(start + 1, start + group.width), (value, patch) => (hidden?.(start + 1 + patch) ? 0 : value));
    const most = Math.max(...row) || 1;
    return row.map((value) => ({ value, shade: DARKEST * (1 - value / most) }));
  }

  function svg(original, { shades, side }) {
    const cell = SIDE / side;
    return AttentionSvg.picture(SIDE, SIDE, [["image", { width: SIDE, height: SIDE, preserveAspectRatio: "none", href: original.toDataURL() }],
      ...shades.map(({ shade }, patch) => ["rect", { x: (patch % side) * cell, y: Math.floor(patch / side) * cell, width: cell, height: cell, "fill-opacity": shade.toFixed(3) }])]);
  }

  const csv = ({ shades, side }) => Downloads.csv([["row", "column", "value"], ...shades.map(({ value }, patch) => [Math.floor(patch / side) + 1, (patch % side) + 1, value])]);

  return { mount };
})();
