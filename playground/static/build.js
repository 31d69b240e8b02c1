// Build: what the browser does by itself. Formulas that the reader opened stay open when the numbers change, and the
// chart takes its colours from the page, so that they follow light and dark.

const Build = (() => {
  const open = new Set();

  function remember(event) {
    const key = event.target.dataset?.figure;
    if (!key || !event.target.isConnected) return;
    if (event.target.open) open.add(key);
    else open.delete(key);
  }

  function reopen(root) {
    for (const details of root.querySelectorAll("details[data-figure]")) {
      if (open.has(details.dataset.figure)) details.open = true;
    }
  }

  // Plotly writes colours into the bars; the kinds of the parts came with the trace.
  function colour(root) {
    const plot = root.querySelector("#build-chart .js-plotly-plot");
    const kinds = plot?.data?.[0]?.customdata;
    if (!kinds) return;
    plot.querySelectorAll(".bars .point path").forEach((bar, index) => {
      bar.style.setProperty("fill", `var(--kind-${kinds[index]})`, "important");
    });
  }

  function mount(element) {
    const root = element.closest("#build-picture") ?? document.body;
    root.addEventListener("toggle", remember, true);
    new MutationObserver(() => {
      reopen(root);
      colour(root);
    }).observe(root, { childList: true, subtree: true });
    colour(root);
  }

  return { mount };
})();
