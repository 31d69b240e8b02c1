/* A router's choice in the browser, from stored logits: the stages of models/inspection/router_steps.py on the same numbers,
   and the losses of models/parts/balancing.py. No picture is drawn here. */

const Routers = (() => {
  const BEST_FIRST = ["topk_softmax", "noisy_topk"]; // the choice goes by the logits, and softmax follows it
  const SMALLEST_SUM = 1e-20;
  const { fround, exp, log, sqrt, cos, imul, PI } = Math;

  // ---- numbers ---------------------------------------------------------------------------------------------------------

  function softmax(row) {
    const most = Math.max(...row);
    const powers = row.map((value) => exp(value - most));
    const sum = powers.reduce((total, value) => total + value, 0);
    return powers.map((value) => fround(value / sum));
  }

  const sigmoid = (value) => fround(1 / (1 + exp(-value)));

  /** The places of the k largest numbers, largest first; of equal ones the earlier. */
  const best = (row, k) => row.map((_, place) => place).sort((one, other) => (row[other] === row[one] ? one - other : row[other] - row[one])).slice(0, k);

  function hashed(value) {
    let x = value >>> 0;
    x ^= x >>> 16;
    x = imul(x, 0x7feb352d);
    x ^= x >>> 15;
    x = imul(x, 0x846ca68b);
    return (x ^ (x >>> 16)) >>> 0;
  }

  /** Standard normal numbers (T, E), each from the seed and its place alone: those that the server draws. */
  function normalNumbers(seed, layer, nTokens, nExperts) {
    const start = (hashed(hashed(seed) + layer)) >>> 0;
    const drawn = (place) => (hashed(place + start) + 0.5) / 2 ** 32;
    return Array.from({ length: nTokens }, (_, t) => Array.from({ length: nExperts }, (__, e) => {
      const place = 2 * (t * nExperts + e);
      return sqrt(-2 * log(drawn(place))) * cos(2 * PI * drawn(place + 1));
    }));
  }

  /** The standard deviation of logits (T, E) around each token's mean. */
  function spread(logits) {
    let sum = 0;
    for (const row of logits) {
      const mean = row.reduce((total, value) => total + value, 0) / row.length;
      for (const value of row) sum += (value - mean) ** 2;
    }
    return sqrt(sum / (logits.length * logits[0].length));
  }

  /** What `amount` times the noise is, (T, E); null for none. `size` (T, E): that of training, where a router has one. */
  function noise(logits, { amount, seed, layer, size }) {
    if (!amount) return null;
    const wide = size ? null : spread(logits);
    return normalNumbers(seed, layer, logits.length, logits[0].length)
      .map((row, t) => row.map((value, e) => amount * value * (size ? size[t][e] : wide)));
  }

  // ---- the stages ------------------------------------------------------------------------------------------------------

  /** Every stage for logits (T, E), as lists: {noisy, scores, preference, groups, limited, ids, raw, weights, takenIds,
   *  takenWeights}. rule: the fields of RouterRule; bias (E,) or null; added (T, E) or null: noise. */
  function steps(logits, rule, bias = null, added = null) {
    const noisy = added ? logits.map((row, t) => row.map((value, e) => fround(value + added[t][e]))) : logits;
    const scores = noisy.map((row) => (rule.router === "sigmoid" ? row.map(sigmoid) : softmax(row)));
    const goesBy = BEST_FIRST.includes(rule.router) ? noisy : scores;
    const preference = bias ? goesBy.map((row) => row.map((value, e) => fround(value + bias[e]))) : goesBy;
    const groups = rule.n_groups ? preference.map((row) => groupsOf(row, rule)) : null;
    const limited = groups ? preference.map((row, t) => row.map((value, e) => (groups[t].kept.includes(groups[t].of(e)) ? value : -Infinity))) : preference;
    const all = rule.router === "dense" && rule.chosen >= rule.n_experts;
    const ids = limited.map((row) => (all ? row.map((_, e) => e) : best(row, Math.min(rule.chosen, rule.n_experts))));
    const raw = ids.map((chosen, t) => (BEST_FIRST.includes(rule.router) ? softmax(chosen.map((e) => noisy[t][e])) : chosen.map((e) => scores[t][e])));
    const weights = raw.map((row) => {
      const sum = rule.normalise ? row.reduce((total, value) => total + value, 0) + SMALLEST_SUM : 1;
      return row.map((value) => fround(fround(value / sum) * rule.weight_scale));
    });
    return { noisy, scores, preference, groups, limited, ids, raw, weights, ...within(ids, weights, rule) };
  }

  /** The scores of a token's groups, and which of them it may choose from. */
  function groupsOf(row, rule) {
    const size = row.length / rule.n_groups;
    const of = (e) => Math.floor(e / size);
    const scores = Array.from({ length: rule.n_groups }, (_, group) => {
      const own = row.slice(group * size, (group + 1) * size);
      return best(own, rule.group_score === "max" ? 1 : 2).reduce((total, place) => total + own[place], 0);
    });
    return { scores, kept: best(scores, rule.n_groups_per_token), of };
  }

  /** An expert takes its first `capacity` choices, in the order of the tokens and, within one, of its choices. */
  function within(ids, weights, rule) {
    if (!rule.capacity) return { takenIds: ids, takenWeights: weights };
    const taken = new Array(rule.n_experts).fill(0);
    const fits = ids.map((chosen) => chosen.map((e) => (taken[e] += 1) <= rule.capacity));
    return {
      takenIds: ids.map((chosen, t) => chosen.map((e, place) => (fits[t][place] ? e : -1))),
      takenWeights: weights.map((row, t) => row.map((value, place) => (fits[t][place] ? value : 0))),
    };
  }

  // ---- loads and losses ------------------------------------------------------------------------------------------------

  /** How many choices each expert took, (E,), and how many nobody took. */
  function load(takenIds, nExperts) {
    const counts = new Array(nExperts).fill(0);
    let dropped = 0;
    for (const row of takenIds) for (const e of row) (e < 0 ? (dropped += 1) : (counts[e] += 1));
    return { counts, dropped };
  }

  /** Entropy in bits of counts. */
  function entropy(counts) {
    const sum = counts.reduce((total, value) => total + value, 0);
    return sum ? -counts.reduce((total, value) => (value ? total + (value / sum) * Math.log2(value / sum) : total), 0) + 0 : 0;
  }

  const squaredVariation = (values) => {
    const mean = values.reduce((total, value) => total + value, 0) / values.length;
    return values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length / mean ** 2;
  };

  /** The mean over tokens of logsumexp(logits)². */
  const zLoss = (logits) => logits.reduce((total, row) => {
    const most = Math.max(...row);
    return total + (most + log(row.reduce((sum, value) => sum + exp(value - most), 0))) ** 2;
  }, 0) / logits.length;

  /** What training adds for balance in one layer, with the numbers that it is made of, expert by expert: {kind, value, even,
   *  first, second}: `even` is what it would be if all were used alike; the parts of `kind` are "product" (E · Σ f P), "sequence" (Σ f P) or "variation" (CV² of the importance, and of the load). */
  function balance(made, rule) {
    const nTokens = made.scores.length;
    const E = rule.n_experts;
    const k = made.ids[0].length;
    const sums = (rows) => rows.reduce((total, row) => total.map((value, e) => value + row[e]), new Array(E).fill(0));
    const chosen = new Array(E).fill(0);
    for (const row of made.scores) for (const e of best(row, k)) chosen[e] += 1;
    if (rule.router === "noisy_topk" || rule.router === "dense") {
      const importance = new Array(E).fill(0);
      made.takenIds.forEach((row, t) => row.forEach((e, place) => { if (e >= 0) importance[e] += made.takenWeights[t][place]; }));
      const { counts } = load(made.takenIds, E);
      const value = squaredVariation(importance) + (rule.router === "dense" ? 0 : squaredVariation(counts));
      return { kind: "variation", value, even: 0, first: importance, second: rule.router === "dense" ? null : counts };
    }
    if (rule.router === "sigmoid") {
      const first = chosen.map((count) => (count * E) / (k * nTokens));
      const second = sums(made.scores.map((row) => { const sum = row.reduce((a, b) => a + b, 0); return row.map((value) => value / sum); })).map((sum) => sum / nTokens);
      return { kind: "sequence", even: 1, value: first.reduce((total, f, e) => total + f * second[e], 0), first, second };
    }
    const first = chosen.map((count) => count / nTokens);
    const second = sums(made.scores).map((sum) => sum / nTokens);
    return { kind: "product", even: k, value: E * first.reduce((total, f, e) => total + f * second[e], 0), first, second };
  }

  /** One step of balance by a bias: experts with more than the mean lose `rate`, the others gain it. */
  function biasStep(bias, counts, rate) {
    const mean = counts.reduce((total, value) => total + value, 0) / counts.length;
    return bias.map((value, e) => fround(value + rate * Math.sign(mean - counts[e])));
  }

  // ---- mixing without a choice -----------------------------------------------------------------------------------------

  /** SMEAR: one routing a sequence, of the mean of its logits; (E,). */
  const merged = (logits) => softmax(logits[0].map((_, e) => logits.reduce((total, row) => total + row[e], 0) / logits.length));

  /** Soft MoE with a slot an expert: dispatch (T, E), whose columns sum to one, and combine (T, E), whose rows do. */
  function slots(logits) {
    const columns = logits[0].map((_, e) => softmax(logits.map((row) => row[e])));
    return { dispatch: logits.map((_, t) => columns.map((column) => column[t])), combine: logits.map(softmax) };
  }

  return { steps, noise, normalNumbers, spread, load, entropy, balance, zLoss, biasStep, merged, slots, best, softmax, squaredVariation };
})();
