/* Generate: how probabilities, numbers, gaps in sentences and languages are put on the page. */

const GenerateFormat = (() => {
  const CIVIDIS = ["#00204c", "#00346e", "#3c4a6b", "#5b5f6d", "#757575", "#928c78", "#b0a572", "#d1bf66", "#ffe945"]
    .map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));

  /** The sequential colour of a share between 0 and 1. */
  function colour(share) {
    const place = Math.min(Math.max(share, 0), 1) * (CIVIDIS.length - 1);
    const below = Math.min(Math.floor(place), CIVIDIS.length - 2);
    const mixed = CIVIDIS[below].map((from, channel) => from + (CIVIDIS[below + 1][channel] - from) * (place - below));
    return `rgb(${mixed.map(Math.round).join(" ")})`;
  }

  /** The same as it is seen in a line or a legend: on the dark page the low end is lifted off the paper. */
  const seen = (share) => `color-mix(in srgb, ${colour(share)} var(--purity), #b9c4dd)`;

  /** All colours from left to right, as a background. */
  function scale() {
    const stops = CIVIDIS.map((_, stop) => seen(stop / (CIVIDIS.length - 1)));
    return `linear-gradient(to right, ${stops.join(", ")})`;
  }

  const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  function percent(share) {
    const value = 100 * share;
    if (value === 0) return "0\u202f%";
    if (value < 0.01) return "<0.01\u202f%";
    return `${value.toFixed(value < 1 ? 2 : 1)}\u202f%`;
  }

  /** The shipped models know English only; a screen reader shall not read it in the voice of a Chinese page. */
  function speakEnglish(element, text) {
    if (/[a-z]/i.test(text) && !/\p{Script=Han}/u.test(text)) element.lang = "en";
    else element.removeAttribute("lang");
  }

  return { colour, scale, fill, grouped, percent, speakEnglish };
})();
