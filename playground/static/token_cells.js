/* From the bytes of tokens to what is shown in each token's place.
 *
 * A byte-level token may hold a part of a character, and a character that the reader sees (a grapheme: an emoji with its
 * skin tone, a letter with its accent) may be spread over several tokens. Such tokens form a group: the first one shows
 * the text of all, the others are shown as narrow parts. Bytes that form no character are shown as numbers.
 */

const TokenCells = (() => {
  const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
  const CONTINUATION = (byte) => (byte & 0xc0) === 0x80;

  /** Length of the UTF-8 character that begins with `byte`; 0 if none can. */
  function characterLength(byte) {
    if (byte < 0x80) return 1;
    if (byte >= 0xc2 && byte < 0xe0) return 2;
    if (byte >= 0xe0 && byte < 0xf0) return 3;
    if (byte >= 0xf0 && byte < 0xf5) return 4;
    return 0;
  }

  /** The second byte of a character excludes overlong forms, surrogates and what lies beyond U+10FFFF. */
  function secondByteFits(first, second) {
    if (first === 0xe0) return second >= 0xa0;
    if (first === 0xed) return second < 0xa0;
    if (first === 0xf0) return second >= 0x90;
    if (first === 0xf4) return second < 0x90;
    return true;
  }

  /** Cuts bytes into characters: [{start, end, state}], state "text", "broken" (no character) or "open" (unfinished). */
  function characters(bytes) {
    const found = [];
    let start = 0;
    while (start < bytes.length) {
      const length = characterLength(bytes[start]);
      let end = start + 1;
      while (end < bytes.length && end < start + length && CONTINUATION(bytes[end])
             && (end > start + 1 || secondByteFits(bytes[start], bytes[end]))) end += 1;
      let state = "text";
      if (end < start + length && end === bytes.length) state = "open";
      else if (length === 0 || end < start + length) state = "broken";
      found.push({ start, end, state });
      start = end;
    }
    return found;
  }

  const hexadecimal = (bytes) => Array.from(bytes, (byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");

  /** Ends (in UTF-16 units) of the graphemes of `text`. */
  function graphemeEnds(text) {
    if (typeof Intl.Segmenter === "function") {
      return Array.from(new Intl.Segmenter().segment(text), (piece) => piece.index + piece.segment.length);
    }
    let end = 0;
    return Array.from(text, (character) => (end += character.length));
  }

  /**
   * @param {Uint8Array[]} tokens  the bytes of each token; an empty one is a special token
   * @param {boolean} closed  no more tokens will follow: an unfinished character is broken
   * @returns {{kind: "text"|"part"|"bytes"|"open"|"special", text: string, first: number, last: number}[]}
   *   one cell a token; `first` and `last` bound its group
   */
  function cells(tokens, closed) {
    const size = tokens.reduce((sum, token) => sum + token.length, 0);
    const bytes = new Uint8Array(size);
    const owner = new Int32Array(size);
    let at = 0;
    tokens.forEach((token, index) => {
      bytes.set(token, at);
      owner.fill(index, at, at + token.length);
      at += token.length;
    });

    const groupEnd = Int32Array.from(tokens, (_, index) => index);   // last token that shares a grapheme with this one
    const state = new Array(tokens.length).fill("text");
    const join = (start, end) => {
      const first = owner[start];
      groupEnd[first] = Math.max(groupEnd[first], owner[end - 1]);
    };
    let run = [];                                                    // whole characters that follow one another
    const closeRun = () => {
      if (run.length === 0) return;
      const ends = [];                                               // byte position after each UTF-16 unit's character
      let text = "";
      for (const { start, end } of run) {
        const character = UTF8.decode(bytes.subarray(start, end));
        text += character;
        for (let unit = 0; unit < character.length; unit += 1) ends.push(end);
      }
      let from = run[0].start;
      for (const end of graphemeEnds(text)) {
        join(from, ends[end - 1]);
        from = ends[end - 1];
      }
      run = [];
    };
    for (const character of characters(bytes)) {
      const kind = character.state === "open" && closed ? "broken" : character.state;
      if (kind === "text") {
        run.push(character);
        continue;
      }
      closeRun();
      if (kind === "open") join(character.start, character.end);
      for (let byte = character.start; byte < character.end; byte += 1) state[owner[byte]] = kind;
    }
    closeRun();

    const result = [];
    for (let first = 0; first < tokens.length;) {
      let last = groupEnd[first];
      for (let token = first; token <= last; token += 1) last = Math.max(last, groupEnd[token]);
      result.push(...group(tokens, state, first, last));
      first = last + 1;
    }
    return result;
  }

  function group(tokens, state, first, last) {
    const cell = (kind, text) => ({ kind, text, first, last });
    if (first === last) {
      if (tokens[first].length === 0) return [cell("special", "")];
      if (state[first] === "broken") return [cell("bytes", hexadecimal(tokens[first]))];
    }
    if (state.slice(first, last + 1).includes("open")) {
      return tokens.slice(first, last + 1).map(() => cell("open", "…"));
    }
    if (state.slice(first, last + 1).includes("broken")) {
      return tokens.slice(first, last + 1).map((token) => ({ ...cell("bytes", hexadecimal(token)) }));
    }
    const whole = new Uint8Array(tokens.slice(first, last + 1).flatMap((token) => Array.from(token)));
    const text = UTF8.decode(whole);
    return tokens.slice(first, last + 1).map((_, index) => (index === 0 ? cell("text", text) : cell("part", "")));
  }

  /** One token alone, as lists name it: spaces and line ends visible, incomplete characters as bytes. */
  function name(bytes) {
    if (characters(bytes).some(({ state }) => state !== "text")) return hexadecimal(bytes);
    return visible(UTF8.decode(bytes)).replaceAll(" ", "␣");
  }

  /** Line ends, tabs and other characters without a picture get one. */
  const visible = (text) => text.replaceAll("\r", "␍").replaceAll("\n", "↵").replaceAll("\t", "⇥")
    .replace(/[\u0000-\u001f\u007f]/g, (control) => String.fromCharCode(control === "\u007f" ? 0x2421 : 0x2400 + control.charCodeAt(0)));

  /** Bytes written as characters U+0000–U+00FF, one a byte. */
  const fromLatin1 = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

  return { cells, name, visible, fromLatin1 };
})();
