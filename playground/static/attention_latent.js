/* What latent attention keeps and saves: bytes of a token in the cache beside other attentions with the same heads, and the two
   orders of its products, counted on the text that is looked at. */

const AttentionLatent = (() => {
  const { element, fill, grouped } = lineage;
  const { number, figure, across } = AttentionPlots;
  const { table } = MaskingParts;
  const ORDERS = { naive: ["keys", "values", "scores", "rope", "read"], absorbed: ["queries", "scores", "rope", "read", "outputs"] };

  async function draw(place, shared) {
    const words = shared.words.flash;
    const { version } = shared;
    if (!place.childElementCount) place.replaceChildren(element("p", { class: "obj-note" }, words.waiting));
    const reply = await shared.attempt(() => shared.ask("flash_latents", { ...shared.request(), at: shared.head }));
    if (version !== shared.version) return;
    if (!reply) {
      place.replaceChildren();
      return;
    }
    const width = place.clientWidth || 320;
    place.replaceChildren(element("h2", {}, words.latent), element("p", { class: "obj-about" }, words.latent_about), ...cache(reply, words, width), ...orders(reply, words, width));
  }

  const nameOf = (line, words, cache_) => fill(words[`kept_${line.kind}`] ?? line.kind, { heads: line.n_kv_heads ?? "", attention: words[`attention_${cache_.attention}`] ?? cache_.attention });

  function cache(reply, words, width) {
    if (!reply.cache) return [element("p", { class: "afig-said" }, fill(words.keeps_nothing, { title: reply.title }))];
    const { kept, n_layers: layers, account, rank, d_rope: rope } = reply.cache;
    const own = kept[0];
    const lines = kept.filter((line) => line.kind !== "own");
    const mha = lines.find((line) => line.kind === "mha");
    const list = [own, ...lines.filter((line) => !(line.kind === reply.cache.attention && line.numbers === own.numbers))];
    const picture = across(list.map((line) => ({ value: line.bytes.bf16, kind: line.kind === "own" ? "positive" : "weight", name: nameOf(line, words, reply.cache), told: `${grouped(line.bytes.bf16)}\u202fB` })),
      { width: Math.min(width, 720), named: words.cache });
    const values = { title: reply.title, bytes: grouped(own.bytes.bf16), numbers: grouped(own.numbers), layers, share: AttentionPlots.percent(own.numbers / mha.numbers), mha: grouped(mha.bytes.bf16), rank, rope,
      mla: grouped(lines.find((line) => line.kind === "mla").bytes.bf16) };
    const agrees = Object.entries(account).every(([dtype, value]) => own.bytes[dtype] === value);
    const note = element("p", { class: "obj-note latent-account" }, words[agrees ? "account_agrees" : "account_differs"]);
    note.dataset.agrees = String(agrees);
    const rows = list.map((line) => [nameOf(line, words, reply.cache), line.numbers / layers, line.numbers, line.bytes.int8, line.bytes.bf16, line.bytes.fp32]);
    return [figure({ title: words.cache, said: fill(reply.cache.attention === "mla" ? words.said_cache_mla : words.said_cache, values), picture, more: [note], name: "cache-of-a-token", words,
      numbers: { heads: [[words.kind], [words.numbers_layer, true], [words.numbers_all, true], ["int8", true], ["bf16", true], ["fp32", true]], rows, caption: words.cache } })];
  }

  function orders(reply, words, width) {
    const { orders: found } = reply;
    const { sizes, passes } = found;
    const made = [element("h3", {}, words.absorption)];
    if (reply.example) made.push(element("p", { class: "obj-note" }, fill(words.latent_example, { title: reply.title, example: reply.example.title })));
    const total = (products) => Object.values(products).reduce((sum, count) => sum + count, 0);
    if (!reply.trained) made.push(element("p", { class: "obj-note" }, words.latent_random));
    made.push(element("p", { class: "obj-about" }, fill(words.absorption_about, sizes)));
    for (const name of ["step", "pass"]) {
      const one = passes[name];
      const [naive, absorbed] = [total(one.naive), total(one.absorbed)];
      const values = { n: found.n_tokens, layer: found.layer + 1, naive: grouped(naive), absorbed: grouped(absorbed), times: (Math.max(naive, absorbed) / Math.min(naive, absorbed)).toFixed(2), apart: number(one.apart, 2), apart_double: number(one.apart_double, 2), largest: number(one.largest, 3) };
      const rows = Object.entries(ORDERS).flatMap(([order, products]) => [...products.map((product) => [words[`order_${order}`], words[`product_${order}_${product}`], one[order][product]]), [words[`order_${order}`], words.in_all, total(one[order])]]);
      const said = `${fill(words[`said_${name}_${naive > absorbed ? "absorbed" : "naive"}`], values)} ${fill(words.said_apart, values)}`;
      const note = element("p", { class: "obj-note latent-agrees" }, words[one.agree ? "count_agrees" : "count_differs"]);
      note.dataset.agrees = String(one.agree);
      note.dataset.apart = String(one.apart / Math.max(one.largest, 1e-12));
      const list = rows.filter(([, product]) => product !== words.in_all).map(([, product, count], index) => ({ value: count, kind: index < ORDERS.naive.length ? "positive" : "weight", name: product, told: grouped(count) }));
      const picture = across(list, { width: Math.min(width, 800), named: fill(words.orders_caption, values) });
      const legend = element("p", { class: "weight-legend latent-legend" }, element("span", {}, fill(words.sum_of, { order: words.order_naive, sum: grouped(naive) })), element("span", { class: "of-absorbed" }, fill(words.sum_of, { order: words.order_absorbed, sum: grouped(absorbed) })));
      made.push(figure({ title: words[`orders_${name}`], said, picture, more: [legend, note], name: `absorption-${name}`, words,
        numbers: { heads: [[words.order_name], [words.product], [words.multiply_adds, true]], rows, caption: fill(words.orders_caption, values) } }));
    }
    const rows = found.longer.map(({ context, naive, absorbed }) => [grouped(context), grouped(naive), grouped(absorbed), `${(naive / absorbed).toFixed(naive < 2 * absorbed ? 2 : 1)}×`]);
    const heads = [[words.tokens, true], [words.order_naive, true], [words.order_absorbed, true], [words.saving, true]];
    const counts = found.longer.map(({ context, naive, absorbed }) => [context, naive, absorbed, naive / absorbed]);
    made.push(figure({ title: words.decoding, more: [table(heads, rows, words.decoding_caption)], name: "absorption-decoding", words, isShown: true, numbers: { heads, rows: counts } }));
    return made;
  }

  return { draw };
})();
