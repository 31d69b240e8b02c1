/* Attention, section "flash". */

const AttentionFlash = (() => {
  function mount(panel, server, shared) {
    return { refresh() {} };
  }

  return { mount };
})();
