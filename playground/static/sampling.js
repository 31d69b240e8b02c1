/* The stages of models/sampling.py on the logits of one position, in the browser: the same order, the same ties.
 *
 * repetition penalty → temperature → top-k → top-p → min-p. With them the bars show what the stages leave of the model's
 * own probabilities while a slider moves, over the whole vocabulary and without asking the server.
 */

const Sampling = (() => {
  const EXCLUDED = -Infinity;
  const KEPT = 0;                                        // what removedBy says of a token …
  const TOP_K = 1;
  const TOP_P = 2;
  const MIN_P = 3;
  const GREEDY = 4;

  let table = null;                                      // the values of all 65 536 half-precision numbers
  function halfPrecision() {
    if (table) return table;
    table = new Float32Array(65536);
    for (let bits = 0; bits < 65536; bits += 1) {
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      let value;
      if (exponent === 0) value = fraction * 2 ** -24;
      else if (exponent === 31) value = fraction === 0 ? Infinity : NaN;
      else value = (1 + fraction / 1024) * 2 ** (exponent - 15);
      table[bits] = bits & 0x8000 ? -value : value;
    }
    return table;
  }

  /** Logits (V,) from their distances to the highest, `peak`, as little-endian float16 in base64. */
  function decodeHalves({ halves: base64, peak }) {
    const values = halfPrecision();
    const raw = atob(base64);
    const logits = new Float32Array(raw.length >> 1);
    for (let id = 0; id < logits.length; id += 1) {
      logits[id] = peak + values[raw.charCodeAt(2 * id) | (raw.charCodeAt(2 * id + 1) << 8)];
    }
    return logits;
  }

  /** Logits (V,) from one character a token, an index into `distances` below `peak`, and some [id, distance] exactly. */
  function decodeCodes({ codes, exact, peak, shift }, { first, distances }) {
    const logits = Float32Array.from(codes, (code) => peak + shift - distances[code.charCodeAt(0) - first]);
    for (const [id, distance] of exact) logits[id] = peak - distance;
    return logits;
  }

  /** Softmax of scores (V,), as Float64Array; excluded tokens get 0. */
  function softmax(scores) {
    let top = -Infinity;
    for (let id = 0; id < scores.length; id += 1) if (scores[id] > top) top = scores[id];
    const probabilities = new Float64Array(scores.length);
    let sum = 0;
    for (let id = 0; id < scores.length; id += 1) sum += probabilities[id] = Math.exp(scores[id] - top);
    for (let id = 0; id < scores.length; id += 1) probabilities[id] /= sum;
    return probabilities;
  }

  /** Ids from the highest score to the lowest; of equal scores the lower id comes first. */
  function ranking(scores) {
    return Uint32Array.from(scores, (_, id) => id).sort((a, b) => scores[b] - scores[a] || a - b);
  }

  function penalise(logits, seen, penalty) {
    const scores = Float64Array.from(logits);
    if (penalty === 1) return scores;
    for (const id of new Set(seen)) scores[id] = scores[id] > 0 ? scores[id] / penalty : scores[id] * penalty;
    return scores;
  }

  /**
   * @param {Float32Array} logits  raw, (V,)
   * @param {number[]} seen  ids of the prompt and of the text so far
   * @param {{temperature, top_k, top_p, min_p, repetition_penalty}} settings
   * @param {Uint32Array} [order]  ranking(logits), if it is known: only the repetition penalty changes it
   * @returns {{probabilities: Float64Array, removedBy: Uint8Array}}  what the next token is drawn from, and which stage
   *   removed each of the other tokens
   */
  function stages(logits, seen, settings, order) {
    const scores = penalise(logits, seen, settings.repetition_penalty);
    const removedBy = new Uint8Array(scores.length);
    const ranked = order && settings.repetition_penalty === 1 ? order : ranking(scores);
    if (settings.temperature === 0) {
      removedBy.fill(GREEDY);
      removedBy[ranked[0]] = KEPT;
      scores.fill(EXCLUDED);
      scores[ranked[0]] = 0;
      return { probabilities: softmax(scores), removedBy };
    }
    for (let id = 0; id < scores.length; id += 1) scores[id] /= settings.temperature;

    let count = ranked.length;                           // tokens left: always the first ones of the ranking
    const keep = (wanted, stage) => {
      for (; count > wanted; count -= 1) {
        removedBy[ranked[count - 1]] = stage;
        scores[ranked[count - 1]] = EXCLUDED;
      }
    };
    if (settings.top_k > 0 && settings.top_k < count) {
      const threshold = scores[ranked[settings.top_k - 1]];
      let wanted = settings.top_k;
      while (wanted < count && scores[ranked[wanted]] === threshold) wanted += 1;
      keep(wanted, TOP_K);
    }
    if (settings.top_p < 1) {
      const probabilities = softmax(scores);
      let before = 0;
      let wanted = 0;
      while (wanted < count && (wanted === 0 || before < settings.top_p)) before += probabilities[ranked[wanted++]];
      keep(wanted, TOP_P);
    }
    if (settings.min_p > 0) {
      const probabilities = softmax(scores);
      const least = settings.min_p * probabilities[ranked[0]];
      let wanted = count;
      while (wanted > 1 && probabilities[ranked[wanted - 1]] < least) wanted -= 1;
      keep(wanted, MIN_P);
    }
    return { probabilities: softmax(scores), removedBy };
  }

  return { decodeHalves, decodeCodes, softmax, ranking, stages };
})();
