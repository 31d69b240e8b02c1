/* Attention, section "maps". */

const AttentionMaps = (() => {
  function mount(panel, server, shared) {
    return { refresh() {} };
  }

  return { mount };
})();
