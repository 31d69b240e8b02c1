/* Attention, section "weight". */

const AttentionWeight = (() => {
  function mount(panel, server, shared) {
    return { refresh() {} };
  }

  return { mount };
})();
