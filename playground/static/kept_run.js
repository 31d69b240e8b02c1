/* A text across a change of language. The page is then loaded anew, with the recording of the model in hand; a text that
 * the visitor has had written is kept for that one load, and shown in the recording's place.
 */

const KeptRun = (() => {
  const LONGEST = 4_500_000;                              // characters: browsers keep about five million for a site
  const STOPPED = '{"kind":"end","finish":"cancelled"}\n';  // with the page, a run that goes on ends

  /** Keeps the payload of a run, and which token was `pinned`, for the page that is about to be loaded at this address. */
  function keep(payload, isFinished, pinned) {
    if (payload.length > LONGEST) return;
    const about = { address: location.href, model: lineage.state.model, pinned };
    lineage.remember("sessionStorage", "run", `${JSON.stringify(about)}\n${payload}${isFinished ? "" : STOPPED}`);
  }

  /** What was kept for this page, as {model, pinned, payload}, or null. To be asked once. */
  function take() {
    const kept = lineage.remember("sessionStorage", "run");
    lineage.remember("sessionStorage", "run", null);
    if (!kept) return null;
    const start = kept.indexOf("\n") + 1;
    const { address, ...about } = JSON.parse(kept.slice(0, start));
    return address === location.href ? { ...about, payload: kept.slice(start) } : null;
  }

  return { keep, take };
})();
