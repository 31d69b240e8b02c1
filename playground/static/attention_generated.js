/* Attention, section "maps": the text that Generate wrote, or a model of two stacks, step by step. */

const AttentionGenerated = (() => {
  const { element, fill } = lineage;
  const TICK = 600; // milliseconds between two steps that are played

  function mount(view) {
    return element("div", { hidden: "" });
  }

  return { mount };
})();
