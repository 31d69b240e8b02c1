/* What views that are drawn in the browser have in common: asking the server for plain values, and keeping what was typed. */

/** Fills the gaps of a sentence: "{count} tokens". */
lineage.fill = (words, gaps) => words.replace(/\{(\w+)\}/g, (whole, name) => gaps[name] ?? whole);

/** A count with narrow spaces between groups of three digits. */
lineage.grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");

const Asking = (() => {
  const TEXTS = ["prompt", "text", "obj_text", "mask_fill", "pair_first", "pair_second", "att_text", "att_second", "exp_text", "exp_target"]; // the long ones: together they must fit into an address

  const AGAIN = 5_000; // milliseconds until a server that did not answer is asked once more

  class Refused extends Error {}

  /** `ask(name, request)`: what the server's function of that name answers; throws `Refused` with a sentence. */
  function asker(server, unreachable) {
    return async (name, request = {}) => {
      let reply;
      try {
        reply = JSON.parse(await server[name](JSON.stringify({ lang: lineage.lang, ...request })));
      } catch (error) {
        console.debug("the server did not answer", error);
        throw new Refused(unreachable());
      }
      if (reply.refused) throw new Refused(reply.refused);
      return reply;
    };
  }

  /** `attempt(work)`: what `work` gives; or null, once `place` says why it was refused. */
  const attempter = (place) => async (work) => {
    try {
      const done = await work();
      place.hidden = true;
      return done;
    } catch (caught) {
      if (!(caught instanceof Refused)) throw caught;
      place.textContent = caught.message;
      place.hidden = false;
      return null;
    }
  };

  /** Whether an address has room for a text beside the others. */
  function fits(name, text) {
    const others = TEXTS.filter((other) => other !== name).map((other) => lineage.state[other] ?? "");
    return lineage.encoded([text, ...others].join("")).length <= lineage.MAX_ENCODED;
  }

  const leftOut = () => (lineage.state.left_out ?? "").split(",").filter(Boolean);

  /** Whether the page was opened by a link that had no room for this text, which is not known here. */
  const isMissing = (name) => leftOut().includes(name) && lineage.remember("sessionStorage", name) === null;

  /** Keeps a text: in the address where it has room, else for as long as this window lasts. */
  function keepText(name, text) {
    const carried = fits(name, text);
    // An address leaves out what is empty; a space says that a text was taken away which stands there at first.
    lineage.write(name, !carried ? "" : text || (lineage.boot.defaults[name] ? " " : ""));
    const others = leftOut().filter((other) => other !== name);
    lineage.write("left_out", [...others, ...(carried ? [] : [name])].join(","));
    lineage.remember("sessionStorage", name, carried ? null : text);
    return carried;
  }

  const keptText = (name) => lineage.remember("sessionStorage", name) ?? lineage.state[name] ?? "";

  /** How a view begins that asks the server: once, as soon as the address has been read, with a place for errors at the head of
      `place`, and with what the server answers to `opening`. Gives { error, ask, attempt, opening }; null where it has begun. */
  async function begun(place, server, opening) {
    if (place.dataset.mounted) return null;
    place.dataset.mounted = "true";
    await ready();
    const error = lineage.element("p", { class: "obj-error", role: "alert", hidden: "" });
    place.prepend(error);
    const unreachable = place.dataset[lineage.lang === "zh" ? "unreachableZh" : "unreachableEn"];
    const ask = asker(server, () => unreachable);
    const attempt = attempter(error);
    let reply = null;
    while (!(reply = await attempt(() => ask(opening)))) await new Promise((resolve) => setTimeout(resolve, AGAIN));
    return { error, ask, attempt, opening: reply };
  }

  /** Waits until the address has been read. */
  const ready = () => new Promise((resolve) => {
    const look = () => (lineage.writing ? resolve() : setTimeout(look, 15));
    look();
  });

  /** Calls `act(design)` when another model is in hand; while `place` is out of sight, once it is looked at: the model may
      change many times before it is. */
  function onModel(place, act) {
    let waiting = null;
    addEventListener("lineage:model", ({ detail }) => {
      waiting = place.checkVisibility() ? null : detail; // one that waited until the place is scrolled to is no longer in hand
      if (waiting === null) act(detail);
    });
    new IntersectionObserver((entries) => {
      if (waiting === null || !entries.some(({ isIntersecting }) => isIntersecting)) return;
      const design = waiting;
      waiting = null;
      act(design);
    }).observe(place);
  }

  return { Refused, asker, attempter, begun, fits, isMissing, keepText, keptText, onModel, ready };
})();
