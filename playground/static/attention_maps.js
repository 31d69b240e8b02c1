/* Attention, section "maps": one request a text, and the head that is chosen; everything after that happens in the browser. All
   heads are drawn by attention_overview.js, the one under the pointer by attention_preview.js, the chosen one large by
   attention_head.js. */

const AttentionMaps = (() => {
  const { element, fill } = lineage;

  let current = null;

  function mount(panel, server, shared) {
    const { view, refresh } = viewOf(panel, shared);
    current = view;
    return { refresh, follow: () => view.groups.length && view.settle() };
  }

  function viewOf(panel, shared) {
    const words = shared.words.maps;
    const view = { shared, words, groups: [], chosen: chosenIn(() => view) };
    const error = element("p", { class: "obj-error", role: "alert", hidden: "" });
    const summary = element("p", { class: "obj-sentence maps-summary", "aria-live": "polite" });
    const maps = element("div", { class: "maps-overview" });
    const large = element("section", { class: "maps-large", "aria-label": words.one_head });
    const overview = AttentionOverview.mount(maps, view);
    const head = AttentionHead.mount(large, view);
    panel.append(error, AttentionGenerated.mount(view), summary, head.controls, element("div", { class: "maps-columns" }, maps, AttentionPreview.mount(view)), large);
    const attempt = Asking.attempter(error);

    view.draw = () => {
      overview.draw();
      head.rebuild();
      view.drawSteps();
      view.settle();
    };
    /** The head that is shown: the one under the pointer, or else the chosen one. Draws what depends on it. */
    view.settle = () => {
      view.showPreview();
      head.update();
      overview.markChosen();
    };
    view.repaint = () => {
      overview.repaint();
      view.settle();
    };
    new MutationObserver(() => view.groups.length && panel.checkVisibility() && view.repaint()).observe(document.documentElement, { attributeFilter: ["class"] });

    let latest = 0;
    const refresh = async () => {
      const mine = ++latest;
      const { reading } = shared;
      const request = shared.request();
      panel.setAttribute("aria-busy", "true");
      const reply = await attempt(() => shared.ask("attention_maps", request));
      if (mine !== latest) return true;
      panel.removeAttribute("aria-busy");
      if (!reply) return false;
      performance.mark("attention:arrived");
      view.unpack = () => AttentionNumbers.read(reply);
      const groups = await view.unpack();
      if (mine !== latest) return true;
      // A pointer does not leave a map that is taken away from under it.
      Object.assign(view, { groups, reading, request, sequences: reading.sequences, seconds: reply.seconds, hovered: null });
      shared.opened = AttentionLabels.clearest(groups);
      summary.textContent = said(view);
      view.draw();
      performance.mark("attention:drawn");
      performance.measure("attention:first-picture", "attention:arrived", "attention:drawn");
      return true;
    };
    return { view, refresh };
  }

  /** How many heads there are, and how many of them bear which name. */
  function said(view) {
    const { words, groups, reading } = view;
    const counts = {};
    let heads = 0;
    let none = 0;
    for (const names of groups.flatMap(({ labels }) => labels.flat())) {
      heads += 1;
      if (names.length) counts[names[0]] = (counts[names[0]] ?? 0) + 1;
      else none += 1;
    }
    const list = Object.entries(counts).sort((one, other) => other[1] - one[1]).map(([name, count]) => fill(words[`count_${name}`], { count }));
    // Attention to an encoder is part of the decoder's layers.
    const layers = groups.filter(({ queries, keys }) => queries === keys).reduce((sum, group) => sum + group.layers, 0);
    const values = { title: reading.title, heads, layers, tokens: Object.values(view.sequences).map(({ texts }) => texts.length).join(" + "), none };
    return fill(list.length ? words.said_overview : words.said_overview_none, { ...values, list: list.join(words.comma) });
  }

  // ---- what is chosen, kept in the address --------------------------------------------------------------------------

  function chosenIn(view) {
    const whole = (text, most) => Math.max(0, Math.min(Number(text) || 0, most));
    return {
      get group() { return view().groups.find(({ name }) => name === view().shared.head.split(".")[0]) ?? view().groups[0]; },
      get layer() { return whole(view().shared.head.split(".")[1], this.group.layers - 1); },
      get head() { return whole(view().shared.head.split(".")[2], this.group.heads - 1); },
      /** The query that is read as a sentence: the one that was chosen, else the last that is there. */
      get row() {
        const last = view().limit(this.group) - 1;
        const wanted = Number(lineage.state.att_row);
        const row = wanted < 0 || wanted > last ? last : wanted;
        if (this.pairs === "all") return row;
        const { segments, kinds } = view().sequences[this.group.queries];
        const looking = "ab".indexOf(this.pairs[0]);
        if (segments[row] === looking) return row;
        const places = segments.flatMap((segment, place) => (segment === looking && place <= last ? [place] : []));
        return places.findLast((place) => kinds[place] === "t") ?? places.at(-1) ?? row;
      },
      get contribution() { return lineage.state.att_measure === "contribution" && Boolean(this.group.lengths); },
      get combine() { return lineage.state.att_combine; },
      get hide() { return new Set(lineage.state.att_hide.split(",")); },
      get pairs() { return view().segmented(this.group) ? lineage.state.att_pairs : "all"; },
      put(group, layer, head) { lineage.write("att_head", `${group.name}.${layer}.${head}`); },
    };
  }

  return { mount, shown: () => current };
})();
