/* Attention, section "weight": one attention weight, from q·k to the probability that the pass had. Which head and which two
   tokens is chosen here; the steps are drawn by attention_weight_steps.js, the catalogue of masks by attention_sights.js. */

const AttentionWeight = (() => {
  const { element, fill } = lineage;
  const { row: tokenRow } = MaskingParts;
  const { label } = AttentionPlots;

  function mount(panel, server, shared) {
    const words = shared.words.weight;
    const store = AttentionHeads.store(shared);
    const steps = element("div", { class: "att-panel weight-steps", "aria-live": "polite" });
    const choice = element("div", { class: "weight-choice" });
    const catalogue = element("div", { class: "att-panel weight-catalogue" });
    panel.append(choice, steps, catalogue);
    let one = null;
    let sights = null;
    let width = 0;

    const textsOf = (sequence) => sequence.texts ?? sequence.tokens;
    const sequences = () => [one.group.queries, one.group.keys].map((name) => textsOf(shared.reading.sequences[name]));

    /** Takes the head that the address names, and draws it. */
    async function take(at) {
      panel.setAttribute("aria-busy", "true");
      const { version } = shared;
      const found = await store.get(at);
      panel.setAttribute("aria-busy", "false");
      if (version !== shared.version) return;
      if (!found) {
        steps.replaceChildren(element("p", { class: "obj-note" }, words.nothing));
        return;
      }
      one = found;
      draw();
    }

    const go = (at) => {
      lineage.write("weight_at", at);
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
      const focused = document.activeElement?.closest?.(".weight-choice") ? focusKey(document.activeElement) : null;
      choice.replaceChildren(...headChoice(), ...pairChoice(query, key));
      if (focused) choice.querySelector(focused)?.focus();
      const [queries, keys] = sequences();
      const drawn = { one, query, key, queries, keys, words, width, pick: (place) => choose(query, place), trained: shared.reading.trained };
      steps.replaceChildren(...AttentionWeightSteps.draw(drawn));
      sights ??= AttentionSights.mount(catalogue, shared);
    }

    const focusKey = (active) => (active.id ? `#${CSS.escape(active.id)}` : `[data-row="${active.closest("[data-row]")?.dataset.row}"] [data-place="${active.dataset.place}"]`);

    function headChoice() {
      const { group, groups, index, head } = one;
      const made = [];
      if (groups.length > 1) {
        made.push(lineage.choice("weight-group", words.attention, groups.map(({ name }) => [name, words[`group_${name}`]]), group.name, (name) => {
          const other = groups.find((each) => each.name === name);
          lineage.write("weight_pair", "");
          go(`${name}.${Math.min(index, other.n_layers - 1)}.${Math.min(head, other.n_heads - 1)}`);
        }));
      }
      const to = (layer, other) => go(`${group.name}.${layer}.${other}`);
      made.push(element("div", { class: "weight-sliders" },
        AttentionPlots.slider("weight-layer", words.layer, { low: 0, high: group.n_layers - 1, value: index, shown: (value) => `${value}`, change: (value) => to(value, one.head) }),
        AttentionPlots.slider("weight-head", words.head, { low: 0, high: group.n_heads - 1, value: head, shown: (value) => shownHead(group, value), change: (value) => to(one.index, value) })));
      return made;
    }

    /** A head's number, with the key-value head that it reads where heads share some. */
    const shownHead = (group, head) => (group.n_kv_heads === group.n_heads ? `${head}` : fill(words.head_of, { head, kv: Math.floor((head * group.n_kv_heads) / group.n_heads) }));

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

    return { refresh: () => take(lineage.state.weight_at) };
  }

  return { mount };
})();
