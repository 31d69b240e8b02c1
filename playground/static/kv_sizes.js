// The arithmetic of a KV cache, and how counts and sizes are written. A curve is a few numbers: how many elements of the
// cache each token adds, `growing` without end, `windowed` within a window. A choice is batch, window, bytes an element.

const KvSizes = (() => {
  const windowOf = (curve, choice) => curve.window ?? choice.window;
  const kept = (curve, context, choice) =>
    choice.batch * choice.size * (curve.growing * context + curve.windowed * Math.min(context, windowOf(curve, choice)));
  const weightsOf = (curve, choice) => curve.params * choice.weight;

  /** How many tokens fit in `room` bytes: a whole number, or Infinity where the cache stops growing before. */
  function fitting(curve, room, choice) {
    const each = choice.batch * choice.size;
    const window = windowOf(curve, choice);
    const before = Math.floor(room / (each * (curve.growing + curve.windowed)));
    if (!curve.windowed || before <= window) return before;
    return curve.growing ? Math.floor((room / each - curve.windowed * window) / curve.growing) : Infinity;
  }

  // ---- how they are written ------------------------------------------------------------------------------------------

  const fill = (words, gaps) => words.replace(/\{(\w+)\}/g, (whole, name) => gaps[name] ?? whole);
  const digits = (number) => (number >= 99.95 ? number.toFixed(0) : number >= 9.995 ? number.toFixed(1) : number.toFixed(2));
  const spaced = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  function bytes(value) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    const power = Math.min(Math.max(Math.floor(Math.log2(Math.max(value, 1) * 1.0005) / 10), 0), 5);
    return `${power ? digits(value / 1024 ** power) : value}\u202f${units[power]}`;
  }

  function tokens(value) {
    if (value < 1000) return String(Math.floor(value));
    const [size, unit] = value >= 999500 ? [1e6, "M"] : [1e3, "K"];
    return value >= 9.995e8 ? spaced(Math.round(value / 1e6)) + "\u202fM" : `${digits(value / size)}\u202f${unit}`;
  }

  return { fill, spaced, bytes, tokens, kept, weightsOf, fitting };
})();
