/* Which tokenizers are compared: those that are here to tick, those that are not with how to get them, and a visitor's own. */

const TokenPicker = (() => {
  const { element, fill, grouped } = lineage;

  function draw(place, tab, known, chosen, choose) {
    const { words, opening } = tab;
    const focused = document.activeElement?.dataset?.tokenizer;
    const tick = (item) => {
      const box = element("input", { type: "checkbox", "data-tokenizer": item.name });
      box.checked = chosen.includes(item.name);
      box.disabled = box.checked ? chosen.length <= opening.limits.least : chosen.length >= opening.limits.most;
      box.addEventListener("change", () => choose(box.checked ? [...chosen, item.name] : chosen.filter((name) => name !== item.name)));
      return box;
    };
    const boxes = (items) => items.map((item) => {
      const size = item.vocab_size === null ? "" : grouped(item.vocab_size);
      const label = element("label", {}, tick(item), element("span", {}, item.title), element("small", {}, size));
      if (!item.shipped) label.title = [item.algorithm, item.licence].filter(Boolean).join(" · ");
      return label;
    });
    // Ours come in three sizes: a line for each algorithm.
    const sized = (items) => {
      const grid = element("div", { class: "toks-sizes" });
      for (const item of items.filter(({ size }) => size)) {
        if (items.find(({ algorithm, size }) => size && algorithm === item.algorithm) === item) grid.append(element("span", {}, item.algorithm));
        const box = tick(item);
        box.setAttribute("aria-label", item.title);
        const label = element("label", {}, box, element("small", {}, item.size));
        grid.append(label);
      }
      return [grid, ...boxes(items.filter(({ size }) => !size))];
    };
    const groups = [
      ["own", tab.own],
      ["shipped", opening.tokenizers.filter((item) => item.shipped && item.available)],
      ["real", opening.tokenizers.filter((item) => !item.shipped && item.available)],
    ];
    const parts = groups.filter(([, items]) => items.length).map(([name, items]) =>
      element("fieldset", {}, element("legend", {}, words[`group_${name}`]),
        ...(name === "shipped" ? sized : boxes)(items)));
    const open = place.querySelector("details")?.open;
    const absent = opening.tokenizers.filter((item) => !item.available);
    if (absent.length) {
      const rows = absent.map((item) => {
        const about = element("small", {}, [grouped(item.vocab_size ?? ""), item.licence].filter(Boolean).join(" · "));
        return element("li", {}, element("span", { class: "absent" }, item.title), " ", about, element("code", {}, item.command ?? ""));
      });
      const details = element("details", {}, element("summary", {}, fill(words.group_absent, { count: absent.length })));
      if (absent.some(({ command }) => command && opening.install.includes(command.split(" ").at(-1)))) {
        details.append(element("p", { class: "toks-note" }, words.install_all, element("code", {}, opening.install)));
      }
      details.append(element("ul", {}, ...rows));
      details.open = Boolean(open);
      parts.push(details);
    }
    const count = element("p", { class: "toks-note" }, fill(words.chosen, { count: chosen.length, most: opening.limits.most }));
    place.replaceChildren(element("h3", {}, words.pick), count, ...parts);
    if (focused) [...place.querySelectorAll("input")].find((box) => box.dataset.tokenizer === focused)?.focus();
  }

  /** A file or a hub id of the visitor's own. */
  function bringing(tab, arrived) {
    const { words, opening } = tab;
    const file = element("input", { type: "file", id: "toks-file", accept: ".json,.model,.tiktoken,.txt" });
    const hub = element("input", { type: "text", id: "toks-hub", spellcheck: "false", maxlength: "200", placeholder: "owner/name" });
    const get = element("button", { type: "button" }, words.hub_get);
    const outcome = element("output", { class: "toks-outcome" });
    const during = async (work) => {
      get.disabled = file.disabled = true;
      outcome.textContent = words.opening;
      try {
        const item = await work();
        outcome.textContent = fill(words.opened, { title: item.title, count: grouped(item.vocab_size) });
        arrived(item);
      } catch (caught) {
        if (!(caught instanceof Asking.Refused)) throw caught;
        outcome.textContent = caught.message;
      } finally {
        get.disabled = file.disabled = false;
        file.value = "";
      }
    };
    file.addEventListener("change", () => file.files[0] && during(async () => {
      const [blob] = file.files;
      const values = { size: grouped(blob.size), limit: grouped(opening.limits.file) };
      if (blob.size > opening.limits.file) throw new Asking.Refused(fill(words.too_long, values));
      return tab.ask("bring", { file: blob.name, sent: await TokenPieces.sendPieces(tab.ask, blob, "file") });
    }));
    const fetchHub = () => hub.value.trim() && during(() => tab.ask("bring", { hub: hub.value }));
    get.addEventListener("click", fetchHub);
    hub.addEventListener("keydown", (event) => event.key === "Enter" && fetchHub());
    return element("details", { class: "toks-bring" }, element("summary", {}, words.bring),
      element("label", { for: "toks-file" }, fill(words.file, { limit: opening.limit_words.file })), file,
      element("label", { for: "toks-hub" }, words.hub), element("div", { class: "toks-row" }, hub, get), outcome);
  }

  return { draw, bringing };
})();
