/* How attention is coloured and drawn: one scale from paper to ink, small maps, tokens beside them. */

const AttentionPicture = (() => {
  // Cividis (Nuñez, Anderton and Renslow 2018), readable by colour-blind eyes; on light paper from light to dark.
  const CIVIDIS = ["00204c", "00306e", "2b446d", "4d566d", "6b696f", "878077", "a59676", "c6ae6b", "e9c953", "ffe945"]
    .map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const MASKED = { light: [232, 228, 220], dark: [44, 47, 52] };
  const PAPER = { light: [251, 250, 247], dark: [21, 23, 26] };
  const scales = new Map();

  const isDark = () => document.documentElement.classList.contains("dark");

  /** 256 colours from nothing to all: on light paper from pale to dark, on dark paper from dark to bright. */
  function scale(dark = isDark()) {
    if (!scales.has(dark)) {
      const stops = [PAPER[dark ? "dark" : "light"], ...(dark ? CIVIDIS : [...CIVIDIS].reverse())];
      scales.set(dark, Array.from({ length: 256 }, (_, step) => {
        const place = (step / 255) * (stops.length - 1);
        const below = Math.min(Math.floor(place), stops.length - 2);
        return stops[below].map((from, channel) => Math.round(from + (stops[below + 1][channel] - from) * (place - below)));
      }));
    }
    return scales.get(dark);
  }

  /** The same as 32-bit pixels, little-endian. */
  const pixels = new Map();
  function words(dark) {
    if (!pixels.has(dark)) {
      pixels.set(dark, Uint32Array.from(scale(dark), ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0));
    }
    return pixels.get(dark);
  }
  const word = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

  /** Where a share between 0 and 1 stands on the scale: small ones are lifted, else most of a map would be empty. */
  const step = (share) => Math.round(255 * Math.sqrt(Math.min(1, Math.max(0, share))));
  const SHADES = new Map([...AttentionNumbers.SCALES].map(([steps, scale]) => [steps, Uint8Array.from(scale, step)]));

  /** Puts the weights of one head, as they travelled, on a canvas of one pixel a pair. */
  function paintSteps(canvas, steps, scale, width, height) {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const out = new Uint32Array(image.data.buffer);
    const colours = words(isDark());
    const shades = SHADES.get(scale);
    for (let place = 0; place < out.length; place += 1) out[place] = colours[shades[steps[place]]];
    context.putImageData(image, 0, 0);
  }

  /** Values on a canvas of one pixel a pair, `most` being the end of the scale; `hidden(place)` ones stand back. */
  function paint(canvas, values, width, height, most, hidden, dark = isDark()) {
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    const out = new Uint32Array(image.data.buffer);
    const colours = words(dark);
    const back = word(MASKED[dark ? "dark" : "light"]);
    for (let place = 0; place < out.length; place += 1) out[place] = hidden(place) ? back : colours[step(values[place] / most)];
    context.putImageData(image, 0, 0);
  }

  const css = (share, dark = isDark()) => `rgb(${scale(dark)[step(share)].join(" ")})`;

  /** A token as a reader sees it: line ends and lone spaces made visible. */
  function named(token) {
    return token.replaceAll("\n", "⏎").trim() || "␣";
  }

  const short = (token, longest = 12) => {
    const characters = [...named(token)];
    return characters.length > longest ? `${characters.slice(0, longest - 1).join("")}…` : characters.join("");
  };

  return { paint, paintSteps, css, named, short, isDark };
})();
