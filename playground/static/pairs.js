/* The section "pairs" of the tab of objectives. */

const Pairs = (() => {
  /** Fills the panel; `open` is called each time the section is shown. */
  function mount(panel, server, shared) {
    const open = () => {};
    return { open };
  }

  return { mount };
})();
