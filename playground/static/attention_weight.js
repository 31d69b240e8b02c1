/* Attention, section "weight": one attention weight, from q·k to the probability that the pass had. Which head and which two
   tokens is chosen here; the steps are drawn by attention_weight_steps.js, the catalogue of masks by attention_sights.js. */

const AttentionWeight = (() => {
  const { element, fill } = lineage;
  const { row: tokenRow } = MaskingParts;
  const { label, counted } = AttentionPlots;

  function mount(panel, server, shared) {
    const words = shared.words.weight;
    const store = AttentionHeads.store(shared);
    const heads = element("div", { class: "weight-choice" });
    const pairs = element("div", { class: "weight-choice" });
    const said = element("p", { class: "obj-sentence weight-said", "aria-live": "polite" });
    const steps = element("div", { class: "att-panel weight-steps" });
    const catalogue = element("div", { class: "att-panel weight-catalogue" });
    panel.append(heads, pairs, said, steps, catalogue);
    let sliders = null; // of layer and head, for one group of one reading
    let one = null;
    let asked = ""; // the head that was asked for last
    let sights = null;
    let width = 0;

    const textsOf = (sequence) => sequence.texts ?? sequence.tokens;
    const sequences = () => [one.group.queries, one.group.keys].map((name) => textsOf(shared.reading.sequences[name]));

    /** Takes the head that the address names, and draws it. */
    async function take(at) {
      asked = at;
      panel.setAttribute("aria-busy", "true");
      const { version } = shared;
      const found = await store.get(at);
      panel.setAttribute("aria-busy", "false");
      if (version !== shared.version || at !== asked) return true;
      if (!found) {
        said.textContent = "";
        steps.replaceChildren(element("p", { class: "obj-note" }, words.nothing));
        return false;
      }
      one = found;
      draw();
      return true;
    }

    const go = (at) => {
      lineage.write("att_head", at);
      take(at);
    };

    /** The two places that are looked at: those of the address, else the last token and what it looks at most beside itself. */
    function pair() {
      const { n_queries: n, n_keys: m } = one.layer;
      const [query, key] = lineage.state.weight_pair.split(".").map(Number);
      if (lineage.state.weight_pair && query < n && key < m) return [query, key];
      const own = one.group.queries === one.group.keys;
      const { weights } = AttentionHeads.row(one, n - 1);
      let best = -1;
      weights.forEach((weight, at) => {
        if ((!own || (at > 0 && at < n - 1)) && (best < 0 || weight > weights[best])) best = at;
      });
      return [n - 1, Math.max(best, 0)];
    }

    const choose = (query, key) => {
      lineage.write("weight_pair", `${query}.${key}`);
      draw();
    };

    function draw() {
      if (!one || !panel.clientWidth) return;
      width = panel.clientWidth;
      const [query, key] = pair();
      const focused = pairs.contains(document.activeElement) ? focusKey(document.activeElement) : null;
      showHeads();
      pairs.replaceChildren(...pairChoice(query, key));
      for (const chosen of pairs.querySelectorAll("[aria-current]")) {
        const line = chosen.parentElement;
        line.scrollTop = chosen.offsetTop - line.clientHeight / 2;
      }
      if (focused) pairs.querySelector(focused)?.focus();
      const [queries, keys] = sequences();
      const drawn = { one, query, key, queries, keys, words, width, pick: (place) => choose(query, place) };
      const { sentence, figures } = AttentionWeightSteps.draw(drawn);
      said.textContent = sentence;
      steps.replaceChildren(...figures);
      sights ??= AttentionSights.mount(catalogue, shared);
    }

    const focusKey = (active) => `[data-row="${active.closest("[data-row]").dataset.row}"] [data-place="${active.dataset.place}"]`;

    /** The controls for group, layer and head: made anew for another group only, since a slider that is dragged must stay. */
    function showHeads() {
      const { group, groups, index, head } = one;
      const name = `${shared.version} ${group.name}`;
      if (sliders?.name === name) {
        sliders.layer.put(index);
        sliders.head.put(head);
        return;
      }
      sliders = {
        name,
        layer: AttentionPlots.slider("weight-layer", words.layer, { low: 0, high: group.n_layers - 1, value: index, shown: counted, change: (value) => go(`${group.name}.${value}.${one.head}`) }),
        head: AttentionPlots.slider("weight-head", words.head, { low: 0, high: group.n_heads - 1, value: head, shown: (value) => shownHead(group, value), change: (value) => go(`${group.name}.${one.index}.${value}`) }),
      };
      const between = lineage.choice("weight-group", words.attention, groups.map((each) => [each.name, words[`group_${each.name}`]]), group.name, (other) => {
        const next = groups.find((each) => each.name === other);
        lineage.write("weight_pair", "");
        go(`${other}.${Math.min(one.index, next.n_layers - 1)}.${Math.min(one.head, next.n_heads - 1)}`);
      });
      heads.replaceChildren(...(groups.length > 1 ? [between] : []), element("div", { class: "weight-sliders" }, sliders.layer, sliders.head));
    }

    /** A head's number, with the key-value head that it reads where heads share some. */
    const shownHead = (group, head) => (group.n_kv_heads === group.n_heads ? counted(head) : fill(words.head_of, { head: counted(head), kv: counted(Math.floor((head * group.n_kv_heads) / group.n_heads)) }));

    function pairChoice(query, key) {
      const [queries, keys] = sequences();
      const weights = AttentionHeads.row(one, query).weights;
      const line = (name, tokens, at, pick, dress) => {
        const made = tokenRow(tokens.map((token) => label(token)), { label: words[name], at, pick, dress(span, place) {
          span.classList.add("plain-token");
          span.setAttribute("aria-pressed", String(place === at));
          dress(span, place);
        } });
        made.dataset.row = name;
        return element("div", { class: "weight-line" }, element("span", { class: "weight-name" }, words[name]), made);
      };
      return [
        line("query", queries, query, (place) => choose(place, Math.min(key, one.layer.n_keys - 1)), () => {}),
        line("key", keys, key, (place) => choose(query, place), (span, place) => {
          span.classList.add("attended");
          span.style.setProperty("--p", String(Math.sqrt(weights[place])));
          if (!AttentionHeads.isAllowed(one, query, place)) span.classList.add("unseen");
        }),
      ];
    }

    new ResizeObserver(() => {
      if (one && panel.clientWidth && Math.abs(panel.clientWidth - width) > 1) draw();
    }).observe(panel);

    return { refresh: () => take(shared.head), follow: () => shared.head !== asked && take(shared.head) };
  }

  return { mount };
})();
