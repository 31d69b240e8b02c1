/* The numbers of a pass as the server packs them (playground/attention_payload.py), and what is computed from them here:
   contributions, averages and maxima over heads, rollout. */

const AttentionNumbers = (() => {
  const COARSE = 255;
  const FINEST = 65535;
  const scaleOf = (steps) => Float32Array.from({ length: steps + 1 }, (_, step) => Math.sin((step * Math.PI) / (2 * steps)) ** 2);
  const SCALES = new Map([[COARSE, scaleOf(COARSE)], [FINEST, scaleOf(FINEST)]]); // by how many steps weights travel in

  async function unpacked(text) {
    const stream = new Blob([MaskingParts.bytes(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /** The groups of a reply, each ready to be looked at. */
  const read = (reply) => Promise.all(reply.groups.map(groupOf));

  async function groupOf(packed) {
    const [weights, masks, norms] = await Promise.all([unpacked(packed.weights), unpacked(packed.masks), packed.norms && unpacked(packed.norms.steps)]);
    return new Group(packed, packed.steps === COARSE ? weights : new Uint16Array(weights.buffer), masks, norms && new Uint16Array(norms.buffer));
  }

  class Group {
    constructor({ weights: _, masks: __, norms, steps, ...about }, weights, masks, lengths) {
      Object.assign(this, about);
      this.size = this.height * this.width;
      this.packed = weights;
      this.fine = steps > COARSE;
      this.probabilities = SCALES.get(steps);
      this.masks = masks;
      this.lengths = lengths;
      this.longest = norms?.most ?? 0;
      this.cache = new Map();
    }

    /** The weights of one head as they travelled, query by query. */
    steps(layer, head) {
      const start = (layer * this.heads + head) * this.size;
      return this.packed.subarray(start, start + this.size);
    }

    /** The probabilities of one head, query by query. */
    probs(layer, head) {
      return this.kept(`p ${layer} ${head}`, () => {
        const steps = this.steps(layer, head);
        const found = new Float32Array(this.size);
        for (let place = 0; place < this.size; place += 1) found[place] = this.probabilities[steps[place]];
        return found;
      });
    }

    /** Whether the mask leaves a query of a head a key. */
    sees(layer, head, query, key) {
      const bits = Math.ceil(this.size / 8);
      const place = query * this.width + key;
      return Boolean(this.masks[this.mask_of[layer * this.heads + head] * bits + (place >> 3)] & (128 >> (place & 7)));
    }

    /** ‖v·W_O‖ of each key's value for a head; null where no such length is known. */
    norms(layer, head) {
      if (!this.lengths) return null;
      const start = (layer * this.heads + head) * this.width;
      return Float32Array.from(this.lengths.subarray(start, start + this.width), (step) => (step / FINEST) * this.longest);
    }

    /** One head's weights, or with `contribution` the lengths that its keys add: ‖p·v·W_O‖. */
    shown(layer, head, contribution) {
      const probs = this.probs(layer, head);
      if (!contribution || !this.lengths) return probs;
      return this.kept(`c ${layer} ${head}`, () => {
        const norms = this.norms(layer, head);
        return probs.map((p, place) => p * norms[place % this.width]);
      });
    }

    /** All heads of a layer as one picture: their average ("mean") or greatest ("max"). */
    together(layer, how, contribution) {
      return this.kept(`${how} ${layer} ${contribution}`, () => {
        const found = new Float32Array(this.size);
        for (let head = 0; head < this.heads; head += 1) {
          const one = this.shown(layer, head, contribution);
          for (let place = 0; place < this.size; place += 1) {
            found[place] = how === "max" ? Math.max(found[place], one[place]) : found[place] + one[place] / this.heads;
          }
        }
        return found;
      });
    }

    /** Attention rollout up to a layer (Abnar and Zuidema 2020), as models/inspection/rollout.py has it. */
    rollout(layer) {
      return this.kept(`rollout ${layer}`, () => {
        const n = this.width;
        const mean = this.together(layer, "mean", false);
        const mixed = new Float32Array(this.size);
        for (let query = 0; query < n; query += 1) {
          let sum = 0;
          for (let key = 0; key < n; key += 1) sum += mean[query * n + key];
          for (let key = 0; key < n; key += 1) mixed[query * n + key] = 0.5 * mean[query * n + key];
          mixed[query * n + query] += 1 - 0.5 * sum;
        }
        return layer ? product(mixed, this.rollout(layer - 1), n) : mixed;
      });
    }

    kept(name, make) {
      if (!this.cache.has(name)) {
        if (this.cache.size > 400) this.cache.delete(this.cache.keys().next().value);
        this.cache.set(name, make());
      }
      return this.cache.get(name);
    }

    /** The key-value head that a query head reads. */
    kvHead(head) { return Math.floor((head * this.kv_heads) / this.heads); }
  }

  /** The product of two matrices n × n, the first of which is often half empty. */
  function product(first, second, n) {
    const found = new Float32Array(n * n);
    for (let row = 0; row < n; row += 1) {
      for (let inner = 0; inner < n; inner += 1) {
        const share = first[row * n + inner];
        if (share === 0) continue;
        for (let column = 0; column < n; column += 1) found[row * n + column] += share * second[inner * n + column];
      }
    }
    return found;
  }

  return { read, SCALES, COARSE };
})();
