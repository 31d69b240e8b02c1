/* The heads of one pass, and the arithmetic that takes a weight apart. The numbers are single precision, as the pass had them;
   what is made of them here is double. Nothing here draws. */

const AttentionHeads = (() => {
  const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const floats = (text) => new Float32Array(bytesOf(text).buffer);

  /** Eight a byte, the first in the highest bit. */
  function bits(text, count) {
    const packed = bytesOf(text);
    return Uint8Array.from({ length: count }, (_, index) => (packed[index >> 3] >> (7 - (index & 7))) & 1);
  }

  function unpacked(layer) {
    const { n_queries: n, n_keys: m } = layer;
    const made = { ...layer };
    for (const name of ["q", "k", "v", "probs", "out"]) made[name] = floats(layer[name]);
    made.counts = layer.counts && floats(layer.counts);
    made.allowed = bits(layer.allowed, layer.same_mask ? n * m : made.probs.length);
    if (layer.of_global) made.of_global = { rows: layer.of_global.rows, q: floats(layer.of_global.q), k: floats(layer.of_global.k), v: floats(layer.of_global.v) };
    return made;
  }

  // ---- asking --------------------------------------------------------------------------------------------------------

  const stores = new WeakMap();

  /** What the sections share of one text and model: `get(at)` gives the head of that name, asking once for what is not here. */
  function store(shared) {
    if (!stores.has(shared)) stores.set(shared, { version: -1, layers: new Map(), positions: {}, groups: [], asked: new Map() });
    const kept = stores.get(shared);
    async function ask(at) {
      const { version } = shared;
      if (kept.version !== version) Object.assign(kept, { version, layers: new Map(), positions: {}, groups: [], asked: new Map() });
      const known = find(kept, at);
      if (known) return known;
      if (!kept.asked.has(at)) kept.asked.set(at, shared.attempt(() => shared.ask("weight_heads", { ...shared.request(), at })));
      const reply = await kept.asked.get(at);
      if (kept.version !== version || !reply) {
        kept.asked.delete(at);
        return null;
      }
      kept.groups = reply.groups;
      Object.assign(kept.positions, reply.positions);
      for (const [name, layer] of Object.entries(reply.layers)) {
        const made = unpacked(layer);
        const whole = made.q.length === reply.groups.find((group) => group.name === name.split(".")[0]).n_heads * made.n_queries * made.d_head;
        kept.layers.set(whole ? name : reply.at, made);
      }
      return find(kept, reply.at);
    }
    return { get: ask };
  }

  function find(kept, at) {
    const [name, layer, head] = at.split(".");
    const group = kept.groups.find((one) => one.name === name);
    const found = kept.layers.get(`${name}.${layer}`) ?? kept.layers.get(at);
    if (!group || !found || Number(head) >= group.n_heads) return null;
    return { at, group, groups: kept.groups, index: Number(layer), head: Number(head), layer: found, position: kept.positions[name] };
  }

  // ---- vectors and rows ------------------------------------------------------------------------------------------------

  const part = (values, row, width) => values.subarray(row * width, (row + 1) * width);
  const kvHead = ({ layer, head }) => Math.floor(head / layer.heads_per_kv);
  const isGlobal = ({ layer }, query) => Boolean(layer.of_global) && query < layer.of_global.rows;

  const queryVector = (one, query) => {
    const { layer, head } = one;
    return part(isGlobal(one, query) ? layer.of_global.q : layer.q, (head - layer.first_head) * layer.n_queries + query, layer.d_head);
  };
  const keyVector = (one, query, key) => {
    const { layer } = one;
    return part(isGlobal(one, query) ? layer.of_global.k : layer.k, (kvHead(one) - layer.first_kv_head) * layer.n_keys + key, layer.d_head);
  };
  const valueVector = (one, query, key) => {
    const { layer } = one;
    return part(isGlobal(one, query) ? layer.of_global.v : layer.v, (kvHead(one) - layer.first_kv_head) * layer.n_keys + key, layer.d_value);
  };
  const outVector = ({ layer, head }, query) => part(layer.out, (head - layer.first_head) * layer.n_queries + query, layer.d_value);

  const place = ({ layer, head }, query, key) => ((head - layer.first_head) * layer.n_queries + query) * layer.n_keys + key;
  const isAllowed = (one, query, key) => Boolean(one.layer.allowed[one.layer.same_mask ? query * one.layer.n_keys + key : place(one, query, key)]);
  const tapped = (one, query, key) => one.layer.probs[place(one, query, key)];
  const countOf = (one, query, key) => (one.layer.counts ? one.layer.counts[place(one, query, key)] : 1);

  function dot(a, b, from = 0, to = a.length) {
    let sum = 0;
    for (let index = from; index < to; index += 1) sum += a[index] * b[index];
    return sum;
  }

  /** What ALiBi or T5 add to the score of a key so many places from the query, in this head. */
  function biasAt({ position, head }, keyMinusQuery) {
    if (position.kind === "alibi") return -Math.fround(position.slopes[head] * Math.abs(keyMinusQuery));
    if (position.kind === "relative") return position.values[head][position.buckets[keyMinusQuery - position.start]];
    return 0;
  }

  /** The whole row of a query: products, scores (-Infinity where the mask hides a key), and the softmax's parts. */
  function row(one, query) {
    const { n_keys: n, scale } = one.layer;
    const q = queryVector(one, query);
    const products = Float64Array.from({ length: n }, (_, key) => dot(q, keyVector(one, query, key)));
    const scores = products.map((product, key) => (isAllowed(one, query, key) ? product * scale + biasAt(one, key - query) + Math.log(countOf(one, query, key)) : -Infinity));
    const highest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
    const powers = scores.map((score) => (score === -Infinity ? 0 : Math.exp(score - highest)));
    const sum = powers.reduce((total, power) => total + power, 0);
    return { products, scores, highest, powers, sum, weights: powers.map((power) => (sum ? power / sum : 0)) };
  }

  /** The furthest that any weight of the head, made here, is from the one that the pass had. */
  function apart(one) {
    one.layer.apart ??= new Map();
    if (!one.layer.apart.has(one.head)) one.layer.apart.set(one.head, furthest(one));
    return one.layer.apart.get(one.head);
  }

  function furthest(one) {
    let most = 0;
    for (let query = 0; query < one.layer.n_queries; query += 1) {
      row(one, query).weights.forEach((weight, key) => { most = Math.max(most, Math.abs(weight - tapped(one, query, key))); });
    }
    return most;
  }

  // ---- the rotation ----------------------------------------------------------------------------------------------------

  const turns = (one) => Boolean(one.position.first);

  /** Radians that a pair has turned at a place, by where that is in the text or in its block: the pass has rounded them. */
  const angle = ({ position }, pair, at) => Math.fround(Math.fround(position.frequencies[pair]) * position.places[position.rows[pair]][at]);

  /** How far a key is before a query: in the text, and in the block where positions count within one. */
  const distances = ({ position }, query, key) => position.places.map((places) => places[query] - places[key]);

  /** A query or key as it was before the rotation. */
  function turnedBack(one, vector, at) {
    const { first, second, factor } = one.position;
    const back = Float64Array.from(vector);
    first.forEach((a, pair) => {
      const b = second[pair];
      const [cos, sin] = [Math.cos(angle(one, pair, at)), Math.sin(angle(one, pair, at))];
      back[a] = (vector[a] * cos + vector[b] * sin) / factor;
      back[b] = (vector[b] * cos - vector[a] * sin) / factor;
    });
    return back;
  }

  /** q·k of vectors that are not turned, if the key were so many places before the query in the text and in its block. */
  function productAt(one, q, k, apart) {
    const { first, second, frequencies, rows, factor } = one.position;
    let sum = dot(q, k);
    first.forEach((a, pair) => {
      const b = second[pair];
      const together = q[a] * k[a] + q[b] * k[b];
      const turn = frequencies[pair] * apart[rows[pair]];
      sum += factor * factor * (together * Math.cos(turn) + (q[a] * k[b] - q[b] * k[a]) * Math.sin(turn)) - together;
    });
    return sum;
  }

  return { floats, bits, store, queryVector, keyVector, valueVector, outVector, isAllowed, tapped, countOf, dot, biasAt, row, apart, turns, angle, distances, turnedBack, productAt };
})();
