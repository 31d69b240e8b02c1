/* A text or file that is too long for one request goes to the server in pieces. */

const TokenPieces = (() => {
  const { fill, grouped } = lineage;
  const LONG = 200_000; // bytes of a text from which on it is sent in pieces
  const PIECE = 480_000;

  const base64 = (blob) => new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });

  /** Sends a file or text in pieces; returns the name under which the server has it. */
  async function sendPieces(ask, blob, kind) {
    const name = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    for (let index = 0; index === 0 || index * PIECE < blob.size; index += 1) {
      const data = await base64(blob.slice(index * PIECE, (index + 1) * PIECE));
      await ask("piece", { name, index, data, kind });
    }
    return name;
  }

  /** A text as a request carries it. */
  async function textRequest(ask, text, limits, words) {
    const blob = new Blob([text]);
    if (blob.size <= LONG) return { text };
    if (blob.size > limits.text) throw new Asking.Refused(fill(words.too_long, { size: grouped(blob.size), limit: grouped(limits.text) }));
    return { sent: await sendPieces(ask, blob, "text") };
  }

  return { sendPieces, textRequest };
})();
