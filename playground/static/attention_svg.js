/* Pictures that are taken away: an SVG's markup from [name, attributes, ...children]; texts are escaped. */

const AttentionSvg = (() => {
  const escape = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

  function markup(part) {
    if (typeof part === "string") return escape(part);
    const [name, attributes, ...children] = part;
    const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escape(value)}"`).join("");
    return `<${name}${written}>${children.map(markup).join("")}</${name}>`;
  }

  /** A whole picture on white paper, which is what is printed. */
  const picture = (width, height, parts) => markup(["svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, "font-family": "sans-serif", "font-size": 13 },
    ["rect", { width: "100%", height: "100%", fill: "#ffffff" }], ...parts]);

  /** A colour between white and `to`, a list of red, green and blue. */
  const between = (share, to) => `rgb(${to.map((part) => Math.round(255 + Math.min(1, Math.max(0, share)) * (part - 255))).join(",")})`;

  /** Orange for what is negative, blue for what is positive, as far as `share` says. */
  const tint = (share) => between(0.75 * Math.abs(share), share < 0 ? [179, 71, 0] : [11, 102, 168]);

  return { picture, between, tint };
})();
