/* What goes to the server in pieces, and models that go out as a file and come in again. */

const TrainFiles = (() => {
  const { element, fill, grouped } = lineage;
  const PIECE = 480_000; // bytes that are sent at once

  const base64 = (blob) => new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });

  const token = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

  async function send(ask, blob, kind) {
    const name = token();
    for (let index = 0; index === 0 || index * PIECE < blob.size; index += 1) {
      await ask("piece", { name, index, data: await base64(blob.slice(index * PIECE, (index + 1) * PIECE)), kind });
    }
    return name;
  }

  /** Makes a model the current one: the header, and with it every tab, hears of it through the page's own field. */
  function take(model) {
    const field = document.querySelector("#model textarea");
    field.value = model;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  async function download(tab, model) {
    const reply = await tab.attempt(() => tab.ask("download", { model }));
    if (!reply) return;
    const bytes = Uint8Array.from(atob(reply.zip), (character) => character.charCodeAt(0));
    const url = URL.createObjectURL(new Blob([bytes], { type: "application/zip" }));
    element("a", { href: url, download: reply.name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  /** A model that was downloaded here before. */
  function bringing(tab) {
    const { words, opening } = tab;
    const file = element("input", { type: "file", id: "train-file", accept: ".zip,application/zip" });
    const outcome = element("output", { class: "train-outcome", for: "train-file" });
    const again = TrainView.button(words.take, () => take(brought.model));
    again.hidden = true;
    let brought = null;

    /** Says of what was brought whether it is the current model. */
    function tell(model) {
      if (!brought) return;
      again.hidden = model === brought.model;
      outcome.textContent = again.hidden ? brought.in_hand : brought.aside;
    }

    tab.follow = tell;
    file.addEventListener("change", async () => {
      const [blob] = file.files;
      if (!blob) return;
      file.disabled = true;
      brought = null;
      again.hidden = true;
      outcome.textContent = words.opening;
      try {
        const values = { size: grouped(blob.size), limit: opening.limits.file_words };
        if (blob.size > opening.limits.file) throw new Asking.Refused(fill(words.too_large, values));
        brought = await tab.ask("bring", { sent: await send(tab.ask, blob, "file") });
        take(brought.model);
        tell(brought.model);
      } catch (caught) {
        if (!(caught instanceof Asking.Refused)) throw caught;
        outcome.textContent = caught.message;
      } finally {
        file.disabled = false;
        file.value = "";
      }
    });
    return element("details", { class: "train-bring" }, element("summary", {}, words.bring),
      element("label", { for: "train-file" }, fill(words.file, { limit: opening.limits.file_words })), file, outcome, again);
  }

  return { send, token, take, download, bringing };
})();
