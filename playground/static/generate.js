/* Generate: the text as it streams, each token coloured by the probability that the model gave it. This file
 * connects it with the page's events; generate_text.js reads it, generate_view.js draws it.
 */

const Generate = (() => {
  const OPENING = "opening:";                             // marks a value that is no run of the visitor's
  let shown = null;

  /** Connects one component; called once by its js_on_load. */
  function mount(element, props, watch) {
    const view = new GenerateView(element);
    shown = view.text;
    let kept = KeptRun.take();
    let turn = 0;
    let folded = false;
    const read = async () => {
      const value = props.value;
      if (!value) return;
      if (!folded) foldSettings();                        // with the first value the rest of the page is there, too
      folded = true;
      const mine = (turn += 1);
      const opening = value.startsWith(OPENING);
      if (!opening || kept?.model !== lineage.state.model) kept = null;
      if (kept) return view.restore(kept);
      const payload = opening ? await GenerateText.fetched(value.slice(OPENING.length)).catch(() => null) : value;
      if (mine !== turn) return;                          // a newer value has come while this one was fetched
      if (payload === null) view.tellError(lineage.say("unfetched"));
      else view.read(payload);
    };
    watch("value", read);
    read();
    const chips = document.querySelectorAll("#tab-generate .chip");
    chips.forEach((chip) => GenerateFormat.speakEnglish(chip, chip.textContent));
    addEventListener("lineage:sampling", (event) => view.move(event.detail));
    addEventListener("lineage:ended", () => view.stopWaiting());
    addEventListener("lineage:leaving", () => view.keep());
    document.addEventListener("click", (event) => {
      if (event.target.closest("#generate-run")) view.wait();
      else if (event.target.closest("#generate-stop")) view.stop();
    });
  }

  /** On narrow pages the settings fold, so that the picture comes soon after the prompt. */
  function foldSettings() {
    if (!matchMedia("(max-width: 900px)").matches) return;
    document.querySelectorAll("#tab-generate .controls .label-wrap.open").forEach((heading) => heading.click());
  }

  /** The sampling sliders' values, from Gradio's own change events; nothing goes to the server. */
  function moved(temperature, top_k, top_p, min_p, repetition_penalty) {
    const detail = { temperature, top_k, top_p, min_p, repetition_penalty };
    const usable = GenerateText.STAGES.every((name) => typeof detail[name] === "number"
      && !document.querySelector(`#generate-${name.replaceAll("_", "-")} input:out-of-range`));
    if (!usable) return;                                  // a number field being retyped
    dispatchEvent(new CustomEvent("lineage:sampling", { detail }));
  }

  /** A run has come to its end, with a text or without. */
  function ended() {
    dispatchEvent(new CustomEvent("lineage:ended"));
  }

  // On leaving a slider's number field Gradio would put another number in the place of one beyond the slider's ends, or
  // of none. What was typed stays as it is, and a run is refused with the reason.
  addEventListener("blur", (event) => {
    if (event.target.matches?.("#tab-generate .tab-like-container input")) event.stopPropagation();
  }, true);

  addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const button = document.getElementById("generate-run");
    if (button && button.offsetParent && !button.disabled) {
      event.preventDefault();
      button.click();
    }
  });

  /** The visitor's run that is shown, see `GenerateText.written`; null where there is none. */
  return { mount, moved, ended, written: () => shown?.written() ?? null };
})();
