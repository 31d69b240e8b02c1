/* Attention, section "maps": one head drawn large on a canvas, as a heat map with tokens on both axes, or as lines from token
   to token, the thicker the more one looks at the other. */

const AttentionHeadMap = (() => {
  const WIDEST = 26; // pixels of a cell
  const LABEL = 11; // pixels that a token's name needs beside the map

  // ---- the heat map -----------------------------------------------------------------------------------------------------

  const small = document.createElement("canvas");

  /** Where things stand: `cell` pixels a pair, `left` and `top` for the names. */
  function placed(state, width) {
    const { view, shown } = state;
    const { group } = shown;
    const context = state.canvas.getContext("2d");
    context.font = "12px system-ui, sans-serif";
    const widest = (name) => Math.min(92, Math.max(...view.sequences[name].texts.map((text) => context.measureText(AttentionPicture.short(text)).width)) + 8);
    const left = widest(group.queries);
    const top = widest(group.keys);
    const cell = Math.min(WIDEST, (width - left - 2) / group.width);
    return { left, top, cell, width: left + cell * group.width + 2, height: top + cell * group.height + 2 };
  }

  /** A canvas of this size in the page's pixels, empty, and its context. */
  function scaled(canvas, width, height) {
    const ratio = ratioOf();
    const [wide, tall] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide || canvas.height !== tall) {
      Object.assign(canvas, { width: wide, height: tall });
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  const ratioOf = () => Math.min(2, window.devicePixelRatio || 1);

  /** The page's colours: asking for them takes the browser longer than painting, so they are asked for once a theme. */
  const themes = new Map();
  function colours() {
    const dark = AttentionPicture.isDark();
    if (!themes.has(dark)) {
      const style = getComputedStyle(document.documentElement);
      const named = Object.fromEntries(["ink", "ink-soft", "rule-strong", "accent", "kind-attention"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
      themes.set(dark, named);
    }
    return themes.get(dark);
  }

  /** The names beside the map, on a canvas of their own: they are the same for every head. */
  function axes(state, group) {
    const { left, top, cell, width, height } = state.places;
    const made = document.createElement("canvas");
    const context = scaled(made, width, height);
    const { sequences } = state.view;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.fillStyle = colours()["ink-soft"];
    const every = Math.max(1, Math.ceil(LABEL / cell));
    context.textAlign = "right";
    sequences[group.queries].texts.forEach((text, query) => {
      if (query % every === 0) context.fillText(AttentionPicture.short(text), left - 4, top + (query + 0.5) * cell);
    });
    context.textAlign = "left";
    sequences[group.keys].texts.forEach((text, key) => {
      if (key % every) return;
      context.save();
      context.translate(left + (key + 0.5) * cell, top - 4);
      context.rotate(-Math.PI / 2);
      context.fillText(AttentionPicture.short(text), 0, 0);
      context.restore();
    });
    context.strokeStyle = colours()["rule-strong"];
    context.strokeRect(left - 0.5, top - 0.5, cell * group.width + 1, cell * group.height + 1);
    return made;
  }

  function drawMap(state) {
    const { view, shown, canvas } = state;
    const { group, values, hidden, most } = shown;
    const dark = AttentionPicture.isDark();
    const drawnFor = `${state.width} ${group.name} ${dark}`;
    if (state.drawnFor !== drawnFor || state.drawnOf !== view.sequences) {
      state.places = placed(state, state.width);
      state.axes = axes(state, group);
      Object.assign(state, { drawnFor, drawnOf: view.sequences });
    }
    const { left, top, cell, width, height } = state.places;
    const context = scaled(canvas, width, height);
    const blocked = AttentionPlaces.blockedIn(view, shown);
    AttentionPicture.paint(small, values, group.width, group.height, most, hidden ? (place) => blocked(place) || hidden(place) : blocked, dark);
    context.imageSmoothingEnabled = false;
    context.drawImage(state.axes, 0, 0, width, height);
    context.drawImage(small, left, top, cell * group.width, cell * group.height);
    context.strokeStyle = colours().accent;
    context.lineWidth = 2;
    context.strokeRect(left - 1, top + view.chosen.row * cell - 1, cell * group.width + 2, cell + 2);
  }

  // ---- lines from token to token ------------------------------------------------------------------------------------------

  /** Which lines are drawn: faint ones of all tokens, then those of the token that is read, weak ones among them. */
  function lines({ group, values, hidden, most }, row) {
    const found = [];
    const add = (query, key, isChosen) => {
      const share = values[query * group.width + key] / most;
      if (share < (isChosen ? 0.005 : 0.06) || hidden?.(query * group.width + key)) return;
      found.push({ query, key, isChosen, opacity: isChosen ? Math.max(0.25, Math.min(1, share)) : 0.28 * share, thickness: 0.5 + (isChosen ? 6 : 3.5) * share });
    };
    for (let query = 0; query < group.height; query += 1) {
      if (query !== row) for (let key = 0; key < group.width; key += 1) add(query, key, false);
    }
    for (let key = 0; key < group.width; key += 1) add(row, key, true);
    return found;
  }

  function drawLines(state) {
    const { view, shown } = state;
    const { group } = shown;
    const width = Math.min(720, state.width);
    const step = Math.max(13, Math.min(22, 1_400 / Math.max(group.width, group.height)));
    const height = step * Math.max(group.width, group.height) + 8;
    const context = scaled(state.canvas, width, height);
    const names = Math.min(130, width * 0.3);
    state.places = { lines: true, step, names, width };
    const row = view.chosen.row;
    const { ink, "ink-soft": soft, "kind-attention": accent } = colours();
    state.drawnFor = null; // the map's places are no more
    context.textBaseline = "middle";
    context.lineCap = "round";
    for (const { query, key, isChosen, opacity, thickness } of lines(shown, row)) {
      context.strokeStyle = isChosen ? accent : soft;
      context.globalAlpha = opacity;
      context.lineWidth = thickness;
      context.beginPath();
      context.moveTo(names, (query + 0.5) * step + 4);
      context.lineTo(width - names, (key + 0.5) * step + 4);
      context.stroke();
    }
    context.globalAlpha = 1;
    const size = Math.min(14, step - 1);
    const side = (texts, align, x, current) => {
      context.textAlign = align;
      texts.forEach((text, place) => {
        context.font = `${place === current ? "600 " : ""}${size}px system-ui, sans-serif`;
        context.fillStyle = place === current ? ink : soft;
        context.fillText(AttentionPicture.short(text, 14), x, (place + 0.5) * step + 4, names - 8);
      });
    };
    side(view.sequences[group.queries].texts, "right", names - 6, row);
    side(view.sequences[group.keys].texts, "left", width - names + 6, -1);
  }

  return { drawMap, drawLines, lines, LABEL };
})();
