/* Attention, section "before". */

const AttentionBefore = (() => {
  function mount(panel, server, shared) {
    return { refresh() {} };
  }

  return { mount };
})();
