/* What a picture offers to take away: itself as SVG and PNG, and its numbers as CSV. */

const Downloads = (() => {
  const { element } = lineage;
  const SCALE = 2; // pixels of a PNG for each of the picture's

  /** A row of buttons in `host`: Downloads.bar(host, { name, svg: () => markup, png: () => canvas or Blob, csv: () => text }).
   *
   * Each may be left out, and may give a promise; `name` may be a function. Without `png`, the PNG is drawn from the SVG.
   * A file's name begins with the design in the `data-model` of what is around it, so that files tell whose numbers they hold.
   */
  function bar(host, { name, svg, png, csv }) {
    const offers = [];
    if (svg) offers.push(["svg", async () => new Blob([await svg()], { type: "image/svg+xml" })]);
    if (png || svg) offers.push(["png", async () => toBlob(png ? await png() : await drawn(await svg()))]);
    if (csv) offers.push(["csv", async () => new Blob(["\ufeff", await csv()], { type: "text/csv" })]); // so that spreadsheets read UTF-8
    const buttons = offers.map(([kind, make]) => {
      const button = element("button", { type: "button", class: `download-${kind}` }, kind.toUpperCase());
      button.addEventListener("click", async () => {
        button.disabled = true;
        try {
          save(await make(), `${ofModel(host)}${typeof name === "function" ? name() : name}.${kind}`);
        } finally {
          button.disabled = false;
        }
      });
      return button;
    });
    const made = element("div", { class: "obj-row downloads", role: "group", "aria-label": lineage.say("download") }, element("span", { class: "obj-note" }, lineage.say("download")), ...buttons);
    host.append(made);
    return made;
  }

  function ofModel(host) {
    const [base, ...changes] = (host.closest("[data-model]")?.dataset.model ?? "").split("~");
    if (!base) return "";
    return `${base.replace(/[^\w.-]+/g, "-")}-${changes.length ? "changed-" : ""}`;
  }

  function save(blob, name) {
    const link = element("a", { href: URL.createObjectURL(blob), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  const toBlob = (made) => (made instanceof Blob ? made : new Promise((resolve) => made.toBlob(resolve, "image/png")));

  /** A canvas with the picture of an SVG's markup, which needs a width and a height. */
  function drawn(markup) {
    return new Promise((resolve, reject) => {
      const image = new Image();
      const url = URL.createObjectURL(new Blob([markup], { type: "image/svg+xml" }));
      image.addEventListener("load", () => {
        const canvas = element("canvas", { width: String(SCALE * image.width), height: String(SCALE * image.height) });
        canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
        URL.revokeObjectURL(url);
        resolve(canvas);
      });
      image.addEventListener("error", () => {
        URL.revokeObjectURL(url);
        reject(new Error("the picture could not be drawn"));
      });
      image.src = url;
    });
  }

  /** A list of rows as CSV; texts are quoted where they must be, and formulas of spreadsheets are not run. */
  const csv = (rows) => rows.map((row) => row.map(cell).join(",")).join("\r\n");
  function cell(value) {
    if (typeof value === "number") return String(value);
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  return { bar, csv };
})();
