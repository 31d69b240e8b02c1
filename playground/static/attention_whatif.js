/* Attention, section "whatif". */

const AttentionWhatIf = (() => {
  function mount(panel, server, shared) {
    return { refresh() {} };
  }

  return { mount };
})();
