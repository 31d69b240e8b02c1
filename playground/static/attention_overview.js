/* Attention, section "maps": every head of every layer as a small map, marked by what it does. Pointer and keys choose one. */

const AttentionOverview = (() => {
  const { element, fill } = lineage;
  const MOST_DRAWN = 1_200; // small maps of a group; a grid of more could not be told apart

  /** Gives { draw, repaint, markChosen }: all anew, only what the maps show, only which of them is chosen. */
  function mount(host, view) {
    const repaint = () => view.groups.forEach((group) => paintGroup(placeOf(host, group), view, group));
    const draw = () => {
      const { words, groups } = view;
      host.replaceChildren(...groups.map((group) => gridOf(group, view)), AttentionLabels.legend(words, groups), AttentionOverviewTwin.tableOf(view));
      Downloads.bar(host, { name: "attention-heads", svg: () => AttentionOverviewTwin.svg(view), csv: () => AttentionOverviewTwin.csv(view) });
      repaint();
    };
    return { draw, repaint, markChosen: () => markChosen(host, view) };
  }

  const placeOf = (host, group) => host.querySelector(`[data-group="${group.name}"]`);

  // ---- the grid of a group ----------------------------------------------------------------------------------------------

  /** A row a layer, a column a head; brackets over the heads that share keys and values. */
  function gridOf(group, view) {
    const { words } = view;
    const layers = Math.min(group.layers, Math.max(1, Math.floor(MOST_DRAWN / group.heads)));
    const buttons = [];
    const grid = element("div", { class: "maps-grid", role: "group", "aria-label": fill(words.grid_label, { group: words[`group_${group.name}`] }) });
    grid.style.setProperty("--heads", String(group.heads));
    grid.append(element("span", { class: "maps-corner" }));
    if (group.kv_heads < group.heads) grid.append(...bracketsOf(group, words), element("span", { class: "maps-corner" }));
    for (let head = 0; head < group.heads; head += 1) grid.append(element("span", { class: "maps-axis", "aria-hidden": "true" }, String(head + 1)));
    for (let layer = 0; layer < layers; layer += 1) {
      grid.append(element("span", { class: "maps-axis maps-layer", "aria-hidden": "true" }, String(layer + 1)));
      for (let head = 0; head < group.heads; head += 1) {
        const button = cell(group, layer, head, view);
        buttons.push(button);
        grid.append(button);
      }
    }
    point(grid, group, view);
    walk(grid, buttons, group, view);
    const title = `${words[`group_${group.name}`]} · ${fill(words.group_size, { layers: group.layers, heads: group.heads })}`;
    const parts = [element("h3", {}, title), element("div", { class: "maps-scroll" }, grid)];
    if (layers < group.layers) parts.push(element("p", { class: "obj-note" }, fill(words.layers_left, { shown: layers, layers: group.layers })));
    if (group.kv_heads < group.heads) parts.push(element("p", { class: "obj-note" }, fill(words.said_shared, { heads: group.heads, kv: group.kv_heads })));
    return element("div", { class: "maps-group", "data-group": group.name }, ...parts);
  }

  function bracketsOf(group, words) {
    return Array.from({ length: group.kv_heads }, (_, kv) => {
      const mine = Array.from({ length: group.heads }, (_, head) => head).filter((head) => group.kvHead(head) === kv);
      const bracket = element("span", { class: "maps-bracket", title: fill(words.bracket_title, { number: kv + 1, count: mine.length }) }, fill(words.bracket, { number: kv + 1 }));
      bracket.style.gridColumn = `span ${mine.length}`;
      return bracket;
    });
  }

  function cell(group, layer, head, view) {
    const { words } = view;
    const names = group.labels[layer][head];
    const labels = names.length ? AttentionLabels.listed(words, names) : words.no_label;
    const title = fill(words.head_title, { group: words[`group_${group.name}`], layer: layer + 1, head: head + 1, labels });
    const button = element("button", { type: "button", class: "bare maps-cell", "data-layer": String(layer), "data-head": String(head), "aria-label": title });
    const canvas = element("canvas", { "aria-hidden": "true" });
    canvas.style.aspectRatio = `${group.width} / ${group.height}`;
    const marks = element("span", { class: "maps-marks", "aria-hidden": "true" }, ...names.map((name) => AttentionLabels.mark(name)));
    button.append(canvas, marks);
    return button;
  }

  // ---- pointer and keyboard ---------------------------------------------------------------------------------------------

  const headAt = (group, button) => ({ group, layer: Number(button.dataset.layer), head: Number(button.dataset.head) });

  function choose(view, { group, layer, head }) {
    view.hovered = null;
    view.chosen.put(group, layer, head);
    view.settle();
  }

  /** Over a map it is shown enlarged; a click keeps it. */
  function point(grid, group, view) {
    const at = ({ target }) => {
      const button = target.closest?.(".maps-cell");
      return button ? headAt(group, button) : null;
    };
    grid.addEventListener("pointerover", (event) => {
      if (event.pointerType === "touch") return;
      view.hovered = at(event);
      view.showPreview();
    });
    grid.addEventListener("pointerleave", () => {
      view.hovered = null;
      view.showPreview();
    });
    grid.addEventListener("click", (event) => {
      const found = at(event);
      if (found) choose(view, found);
    });
  }

  /** The arrows go from map to map, of which the keyboard reaches one: `grid.reach(layer, head)` says which. */
  function walk(grid, buttons, group, view) {
    const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: group.heads, ArrowUp: -group.heads };
    buttons.forEach((button, place) => { button.tabIndex = place ? -1 : 0; });
    let reached = 0;
    const reach = (index) => {
      buttons[reached].tabIndex = -1;
      buttons[index].tabIndex = 0;
      reached = index;
    };
    grid.addEventListener("keydown", (event) => {
      const from = buttons.indexOf(document.activeElement);
      const to = event.key === "Home" ? 0 : event.key === "End" ? buttons.length - 1 : from + (moves[event.key] ?? 0);
      if (from < 0 || to === from || to < 0 || to >= buttons.length) return;
      event.preventDefault();
      reach(to);
      buttons[to].focus();
      choose(view, headAt(group, buttons[to]));
    });
    grid.reach = (layer, head) => reach(Math.min(layer * group.heads + head, buttons.length - 1));
  }

  // ---- what the maps show -----------------------------------------------------------------------------------------------

  function paintGroup(place, view, group) {
    for (const button of place.querySelectorAll(".maps-cell")) {
      const { layer, head } = headAt(group, button);
      paintHead(button.firstChild, view, group, layer, head);
    }
  }

  /** A small map; as it was packed where nothing is left out of it. */
  function paintHead(canvas, view, group, layer, head) {
    const hidden = view.hiddenIn(group);
    if (!hidden && !view.chosen.contribution) AttentionPicture.paintSteps(canvas, group.steps(layer, head), group.probabilities.length - 1, group.width, group.height);
    else {
      const values = group.shown(layer, head, view.chosen.contribution);
      AttentionPicture.paint(canvas, values, group.width, group.height, view.chosen.contribution ? view.most(values, hidden) : 1, hidden ?? (() => false));
    }
  }

  function markChosen(host, view) {
    const { group, layer, head } = view.chosen;
    host.querySelector(".maps-cell[aria-current]")?.removeAttribute("aria-current");
    const place = placeOf(host, group);
    place.querySelector(`.maps-cell[data-layer="${layer}"][data-head="${head}"]`)?.setAttribute("aria-current", "true");
    place.querySelector(".maps-grid").reach(layer, head);
  }

  return { mount, paintHead };
})();
