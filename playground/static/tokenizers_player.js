/* A row of steps to walk through: buttons, a slider, and the keys of both. Everything is in the browser already. */

const StepPlayer = (() => {
  const { element } = lineage;

  /** The controls of `count` steps; `show(step)` draws one, and `reach()` is the last that can be gone to by now. Returns the
      element and `go`. */
  function controls(count, words, show, reach = () => count - 1) {
    const last = count - 1;
    let step = 0;
    const button = (name, by) => {
      const made = element("button", { type: "button", "data-by": by }, words[name]);
      made.addEventListener("click", () => go(step + by));
      return made;
    };
    const first = button("first", -Infinity);
    const previous = button("previous", -1);
    const next = button("next", 1);
    const end = button("last", Infinity);
    const slider = element("input", { type: "range", min: "0", max: String(last), step: "1", "aria-label": words.step });
    const told = element("output", {});
    function go(to) {
      step = Math.min(Math.max(to, 0), reach());
      slider.value = String(step);
      told.textContent = lineage.fill(words.step_of, { step, last, number: step + 1, count });
      for (const back of [first, previous]) back.disabled = step === 0;
      for (const forward of [next, end]) forward.disabled = step === reach();
      show(step);
    }
    slider.addEventListener("input", () => go(Number(slider.value)));
    const row = element("div", { class: "toks-player", role: "group", "aria-label": words.steps }, first, previous, slider, next, end, told);
    return { row, go };
  }

  return { controls };
})();
