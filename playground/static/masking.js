/* The section "bert" of the tab of objectives. */

const Masking = (() => {
  /** Fills the panel; `open` is called each time the section is shown. */
  function mount(panel, server, shared) {
    const open = () => {};
    return { open };
  }

  return { mount };
})();
