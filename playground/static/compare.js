// Compare: which section is shown, and the walk along a lineage. All steps of a route come in one answer;
// going from one to the next needs no server.

const Compare = (() => {
  const section = (name) => {
    document.documentElement.dataset.section = name;
  };
  section(new URLSearchParams(location.search).get("section") ?? lineage.boot.defaults.section);

  // ---- the lineage -----------------------------------------------------------------------------------------------

  /** The step that the address asks for, within the route. */
  const stepOf = (view) => Math.min(Math.max(Number(lineage.state.step) || 0, 0), Number(view.dataset.last));

  function show(view, step) {
    const last = Number(view.dataset.last);
    for (const card of view.querySelectorAll("[data-step]")) {
      const hidden = Number(card.dataset.step) !== step;
      if (card.hidden !== hidden) card.hidden = hidden;
    }
    for (const mark of view.querySelectorAll(".here")) mark.style.insetInlineStart = `${(100 * step) / last}%`;
    view.querySelector("input[type=range]").value = step;
    for (const button of view.querySelectorAll("[data-by]")) {
      button.disabled = step + Number(button.dataset.by) < 0 || step + Number(button.dataset.by) > last;
    }
    let current = null;
    for (const stop of view.querySelectorAll("[data-go]")) {
      stop.removeAttribute("aria-current");
      if (Number(stop.dataset.go) <= step) current = stop;
    }
    current?.setAttribute("aria-current", Number(current.dataset.go) === step ? "step" : "true");
  }

  function walk(element) {
    let route = null; // what the element shows; another one begins at its beginning

    const go = (view, step) => {
      lineage.write("step", step);
      show(view, step);
    };

    // Gradio changes the elements of one route into those of the next where they stand.
    const draw = () => {
      const view = element.querySelector(".lineage-view");
      if (!view) return;
      if (route !== null && route !== view.dataset.route) lineage.write("step", 0);
      route = view.dataset.route;
      show(view, stepOf(view));
    };

    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-go], [data-by]");
      const view = element.querySelector(".lineage-view");
      if (!button || !view) return;
      go(view, "go" in button.dataset ? Number(button.dataset.go) : stepOf(view) + Number(button.dataset.by));
    });
    element.addEventListener("input", (event) => {
      if (event.target.type === "range") go(event.target.closest(".lineage-view"), Number(event.target.value));
    });
    new MutationObserver(draw).observe(element, { childList: true, subtree: true, attributeFilter: ["data-route", "hidden"] });
    draw();
  }

  return { section, lineage: walk };
})();
