/* Attention, section "maps": which numbers the large view of a head shows, and which of its places count. Nothing here draws. */

const AttentionPlaces = (() => {
  /** What the visitor has left out, as tests on places; shared with the small maps. */
  function define(view) {
    const { chosen } = view;
    /** How many queries are there at the step of a generation that is looked at. */
    view.limit = (group) => {
      const from = view.reading?.written_from;
      const whole = group.height;
      if (from === null || from === undefined || group.queries !== "text") return whole;
      const step = Number(lineage.state.att_step);
      return step ? Math.min(whole, from + step - 1) : whole;
    };
    view.segmented = (group) => view.reading.structure === "encoder" && new Set(view.sequences[group.keys].segments).size > 1 && new Set(view.sequences[group.queries].segments).size > 1;
    /** A test whether the place of a pair is left out of a head's map; null if none is. */
    view.hiddenIn = (group) => {
      const { hide, pairs } = chosen;
      const limit = view.limit(group);
      const keys = view.sequences[group.keys];
      const queries = view.sequences[group.queries];
      const out = Uint8Array.from(keys.texts, (_, key) => Number((hide.has("first") && key === 0) || (hide.has("separators") && key > 0 && "sd".includes(keys.kinds[key]))));
      const wanted = pairs === "all" ? null : [...pairs].map((letter) => "ab".indexOf(letter));
      if (!wanted && limit === group.height && !out.includes(1)) return null;
      const { width } = group;
      return (place) => {
        const query = Math.floor(place / width);
        const key = place % width;
        return Boolean(out[key]) || query >= limit || (group.keys === group.queries && key >= limit)
          || (wanted !== null && (queries.segments[query] !== wanted[0] || keys.segments[key] !== wanted[1]));
      };
    };
    /** Whether rollout is drawn, which is of weights alone and of one stack. */
    view.rolls = () => chosen.combine === "rollout" && chosen.group.queries === chosen.group.keys;
    view.most = (values, hidden) => {
      let most = 0;
      for (let place = 0; place < values.length; place += 1) if (values[place] > most && !hidden?.(place)) most = values[place];
      return most || 1;
    };
  }

  /** The values of the large view, what is left out of it, and the end of its scale. */
  function shownOf(view) {
    const { group, layer, head, contribution, combine } = view.chosen;
    const rolls = view.rolls();
    const values = rolls ? group.rollout(layer)
      : combine === "mean" || combine === "max" ? group.together(layer, combine, contribution) : group.shown(layer, head, contribution);
    const hidden = view.hiddenIn(group);
    return { group, layer, head, values, hidden, most: view.most(values, hidden), contribution: contribution && !rolls, combine: rolls ? "rollout" : combine === "rollout" ? "head" : combine };
  }

  /** A test whether the mask leaves a pair nothing: of one head its own mask, of several together where all give nothing. */
  function blockedIn(view, shown) {
    const { group, layer, head, combine, values } = shown;
    if (combine !== "head") return (place) => values[place] === 0;
    const bits = group.masks;
    const start = group.mask_of[layer * group.heads + head] * Math.ceil(group.size / 8);
    return (place) => !(bits[start + (place >> 3)] & (128 >> (place & 7)));
  }

  /** One row as [value, key], the greatest first: what is drawn; of the lengths of one head, or of an average, their shares. */
  function rowOf({ group, values, hidden, contribution, combine }, query) {
    const start = query * group.width;
    const row = Array.from(values.subarray(start, start + group.width));
    const whole = contribution && combine !== "max" ? row.reduce((all, value) => all + value, 0) || 1 : 1;
    return row.map((value, key) => [value / whole, key]).filter(([, key]) => !hidden?.(start + key)).sort((one, other) => other[0] - one[0]);
  }

  /** How such a value is told: a length as a number, a share in as many digits as are known of it. */
  function told({ group, contribution, combine }, value) {
    if (contribution && combine === "max") return value.toPrecision(3);
    return share(group, value);
  }
  const share = (group, value) => (group.fine ? MaskingParts.percent(value) : value < 0.005 ? "<\u202f1\u202f%" : `${Math.round(100 * value)}\u202f%`);

  /** What a scale measures, and its end. */
  const scaleName = (words, { contribution, combine }) => words[combine === "rollout" ? "scale_rollout" : contribution ? "scale_contribution" : "scale_weight"];
  const scaleEnd = ({ group, contribution, most }) => (contribution ? most.toPrecision(3) : share(group, most));

  return { define, shownOf, blockedIn, rowOf, told, share, scaleName, scaleEnd };
})();
