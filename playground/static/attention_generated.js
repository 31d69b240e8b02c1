/* Attention, section "maps": a text that a model wrote, step by step. All steps are rows of the one pass that is there: what
   a token looked at when it was read does not change with those that follow. */

const AttentionGenerated = (() => {
  const { element, fill } = lineage;
  const TICK = 500; // milliseconds between two steps that are played

  function mount(view) {
    const { words } = view;
    const slider = element("input", { type: "range", id: "maps-step", min: "1", step: "1" });
    const told = element("p", { class: "maps-step-said", "aria-live": "polite" });
    const play = element("button", { type: "button" }, words.play);
    const host = element("div", { class: "maps-steps", hidden: "" }, element("label", { for: "maps-step" }, words.step), slider, play, told);
    let timer = 0;

    const texts = () => view.sequences.text.texts;
    const count = () => texts().length - view.reading.written_from;
    const current = () => {
      const step = Number(lineage.state.att_step);
      return step && step <= count() ? step : count();
    };
    const go = (step) => {
      lineage.write("att_step", step >= count() ? 0 : step);
      lineage.write("att_row", -1);
      draw();
      view.repaint();
    };
    const stop = () => {
      clearInterval(timer);
      timer = 0;
      play.textContent = words.play;
    };
    const draw = () => {
      const from = view.reading?.written_from;
      host.hidden = from === null || from === undefined;
      if (host.hidden) return stop();
      slider.max = String(count());
      slider.value = String(current());
      told.textContent = fill(words.said_step, { step: current(), steps: count(), token: AttentionPicture.named(texts()[from + current() - 1]) });
    };
    slider.addEventListener("input", () => {
      stop();
      go(Number(slider.value));
    });
    play.addEventListener("click", () => {
      if (timer) return stop();
      play.textContent = words.pause;
      if (current() === count()) go(1);
      timer = setInterval(() => {
        if (!host.checkVisibility() || current() === count()) return stop();
        go(current() + 1);
      }, TICK);
    });
    view.drawSteps = draw;
    return host;
  }

  return { mount };
})();
