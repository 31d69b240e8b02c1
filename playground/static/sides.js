/* The section "sides" of the tab of objectives: one text under every objective. All of it comes in one answer; choosing
   blanks or a denoiser asks for nothing more. */

const Sides = (() => {
  const { element, fill, grouped } = lineage;
  const CHOICES = { blank_infilling: "side_blank", mixture_of_denoisers: "side_denoiser" };
  const MODELS = 4; // families that the table names

  const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}\u202f%`;
  const nRead = (side) => side.inputs.length + (side.decoder_inputs?.length ?? 0);

  /** Fills the panel; `open` is called each time the section is shown. */
  function mount(panel, server, shared) {
    const words = shared.opening.words.sides;
    let view = null;
    let latest = 0;
    let shown = "";
    let controls = null;

    async function update() {
      const { text, seed } = shared.chosen;
      latest += 1; // what was asked before, and has not come, is of another text
      if (JSON.stringify([text, seed]) === shown) return;
      const mine = latest;
      const payload = await shared.attempt(() => shared.ask("sides_make", { text, seed }));
      if (mine !== latest) return;
      shown = payload ? JSON.stringify([text, seed]) : "";
      if (payload) draw(payload);
      else view.replaceChildren(); // what is there is of another text
    }

    function draw(payload) {
      const groups = new Map();
      for (const side of payload.sides) groups.set(side.objective, [...(groups.get(side.objective) ?? []), side]);
      const table = element("div", {});
      const redraw = () => table.replaceChildren(...summary(groups, payload));
      const cards = [...groups].map(([objective, sides]) => card(objective, sides, payload, redraw));
      redraw();
      view.replaceChildren(element("p", { class: "obj-sentence" }, headline(groups)), element("p", { class: "obj-note" }, notes(payload)), table,
        legend(), ...cards);
    }

    function notes(payload) {
      const told = [];
      if (payload.n_tokens > payload.most) told.push(fill(words.cut, { n_tokens: grouped(payload.n_tokens), most: payload.most }));
      if (payload.unknown) told.push(fill(words.unknown, { count: payload.unknown }));
      return told.join(" ");
    }

    /** Which of an objective's examples is chosen. */
    function chosen(objective, sides) {
      const field = CHOICES[objective];
      if (!field) return sides[0];
      const wanted = lineage.state[field];
      return sides[Number(wanted)] ?? sides.find(({ variant }) => variant === wanted) ?? sides[0];
    }

    function headline(groups) {
      const usable = [...groups].map(([objective, sides]) => [objective, chosen(objective, sides)]).filter(([, side]) => !side.refused);
      const share = ([, side]) => side.n_paid / nRead(side);
      const ordered = usable.sort((one, other) => share(one) - share(other));
      const [least, most] = [ordered[0], ordered.at(-1)];
      if (!least) return words.headline_none;
      return fill(words.headline, { most: words[`name_${most[0]}`], high: percent(share(most)), least: words[`name_${least[0]}`], low: percent(share(least)) });
    }

    function summary(groups, payload) {
      const heads = [["read", true], ["paid", true], ["share", true], ["per_token", true], ["directions"], ["models"]];
      const head = element("tr", {}, element("th", { scope: "col" }, words.head_objective),
        ...heads.map(([name, number]) => element("th", { scope: "col", class: number ? "number" : "" }, words[`head_${name}`])));
      const rows = [...groups].map(([objective, sides]) => {
        const side = chosen(objective, sides);
        const go = element("button", { type: "button", class: "bare side-jump" }, words[`name_${objective}`]);
        go.addEventListener("click", () => {
          const title = view.querySelector(`#side-${objective} h3`);
          title.scrollIntoView({ block: "start" });
          title.focus({ preventScroll: true });
        });
        const figures = side.refused ? ["–", "–", "–", "–"]
          : [grouped(nRead(side)), grouped(side.n_paid), percent(side.n_paid / nRead(side)), percent(side.n_text_paid / side.n_text)];
        const cells = figures.map((text) => element("td", { class: "number" }, text));
        cells[2].style.setProperty("--part", String(side.refused ? 0 : side.n_paid / nRead(side)));
        cells[2].classList.add("side-share");
        const families = payload.suited[objective];
        const more = families.length > MODELS ? fill(words.more_models, { count: families.length - MODELS }) : "";
        return element("tr", {}, element("th", { scope: "row" }, go), ...cells, element("td", {}, words[`directions_${objective}`]),
          element("td", {}, words[`structure_${side.structure}`] + words.colon + families.slice(0, MODELS).join(words.join) + more));
      });
      const scroll = element("div", { class: "obj-scroll", tabindex: "0", role: "region", "aria-label": words.summary },
        element("table", { class: "ruled side-summary" }, element("caption", {}, fill(words.caption, { tokens: grouped(payload.ids.length) })),
          element("thead", {}, head), element("tbody", {}, ...rows)));
      return [scroll, element("p", { class: "obj-note" }, words.counted), element("p", { class: "obj-note" }, words.drawn_here)];
    }

    const legend = () => element("p", { class: "side-legend" }, ...["paid", "mark", "in-prefix"].map((kind) =>
      element("span", { class: `key ${kind}` }, words[`legend_${kind.replace("-", "_")}`])));

    function card(objective, sides, payload, redraw) {
      const body = element("div", { class: "side-body" });
      const fillBody = () => {
        const side = chosen(objective, sides);
        if (side.refused) {
          body.replaceChildren(element("p", { class: "obj-note" }, side.refused));
          return;
        }
        const share = fill(words.pays, { paid: side.n_paid, read: nRead(side), share: percent(side.n_paid / nRead(side)) });
        const pair = side.is_next === null ? "" : words[side.is_next ? "pair_next" : "pair_random"];
        const masks = element("div", { class: "side-masks" }, ...side.masks.map((one) => SideTokens.mask(one, side, payload, words)));
        const rows = SideTokens.rowsOf(side).map((row) => SideTokens.tokens(row, payload, words));
        const twin = element("details", {}, element("summary", {}, words.as_table));
        twin.addEventListener("toggle", () => twin.children.length === 1 && twin.append(...SideTokens.table(side, payload, words)));
        body.replaceChildren(element("p", { class: "obj-note" }, `${share} ${pair}`), element("div", { class: `side-picture${side.masks.length > 1 ? " many" : ""}` }, element("div", { class: "side-rows" }, ...rows), masks), twin);
      };
      const pick = sides.length > 1 ? variants(objective, sides, () => {
        fillBody();
        redraw();
      }) : "";
      fillBody();
      return element("section", { class: "side-card", id: `side-${objective}` }, element("h3", { tabindex: "-1" }, words[`name_${objective}`]),
        element("p", { class: "obj-about" }, words[`about_${objective}`]), pick, body);
    }

    function variants(objective, sides, changed) {
      const field = CHOICES[objective];
      const value = (side, index) => (objective === "mixture_of_denoisers" ? String(index) : side.variant);
      const options = sides.map((side, index) => [value(side, index), words[`variant_${side.variant}`]]);
      const current = value(chosen(objective, sides), sides.indexOf(chosen(objective, sides)));
      return lineage.choice(`side-pick-${objective}`, words[`pick_${objective}`], options, current, (picked) => {
        lineage.write(field, picked);
        changed();
      });
    }

    const open = () => {
      if (!view) {
        controls = shared.controls({ prefix: "side", model: false, changed: update });
        view = element("div", { class: "side-view" });
        panel.append(element("p", { class: "obj-about" }, words.about),
          element("div", { class: "split" }, element("div", { class: "controls" }, ...controls.parts, element("p", { class: "obj-note" }, words.vocabulary)),
            element("div", { class: "picture" }, view)));
      }
      controls.refresh();
      update();
    };
    return { open };
  }

  return { mount };
})();
