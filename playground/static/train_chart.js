/* Charts of a training, drawn by the Plotly that Gradio carries. */

const TrainChart = (() => {
  // Okabe and Ito's colours for colour-blind eyes, as in playground/views/zoo_chart.py.
  const COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8c8c8c", "#8B4A9C"];
  const DASHES = ["solid", "dash"];
  const CONFIG = { displayModeBar: false, responsive: true };
  const GRID = "rgba(128,128,128,0.2)";
  const HEIGHT = 360;

  const library = () => import(new URL(lineage.boot.plotly, document.baseURI)).then(() => window.Plotly);

  function layout(x, y, { xRange, yRange, ...more } = {}) {
    const axis = (words, range) => ({ title: { text: words, standoff: 8 }, gridcolor: GRID, zeroline: false, fixedrange: true, ...(range ? { range } : {}) });
    return {
      height: HEIGHT,
      margin: { l: 56, r: 8, t: 8, b: 96 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: "#808890", family: "system-ui, sans-serif", size: 13 },
      legend: { orientation: "h", y: -0.2, yanchor: "top" },
      hovermode: "closest",
      xaxis: axis(x, xRange),
      yaxis: axis(y, yRange),
      ...more,
    };
  }

  /** The loss of each design against the tokens it has read: training thin, held-out with marks. */
  function losses(place, about, lanes, words) {
    const { fill } = lineage;
    const traces = [];
    lanes.forEach((lane, index) => {
      const color = COLORS[index % COLORS.length];
      const trained = lane.points.filter(([, loss]) => loss !== null);
      const held = lane.points.filter(([, , loss]) => loss !== null);
      traces.push({
        x: trained.map(([tokens]) => tokens), y: trained.map(([, loss]) => loss), mode: "lines", opacity: 0.65,
        line: { color, width: 1.2 }, name: fill(words.trace_train, { name: about[index].title }),
      }, {
        x: held.map(([tokens]) => tokens), y: held.map(([, , loss]) => loss), mode: "lines+markers",
        line: { color, width: 2.4, dash: DASHES[index % 2] }, marker: { size: 6, symbol: ["circle", "diamond", "square", "cross"][index % 4] },
        name: fill(words.trace_held, { name: about[index].title }),
      });
    });
    const longest = Math.max(1, ...lanes.map((lane) => lane.budget));
    return draw(place, traces, layout(words.axis_tokens, words.axis_loss, { xRange: [0, longest] }));
  }

  /** The share of each expert of one layer against the tokens, on one scale for all layers; a line stands where another way
      to balance began. */
  function shares(place, loads, layer, words, balances) {
    const { fill } = lineage;
    const count = loads.length ? loads[0][1][layer].length : 0;
    const most = Math.max(0, ...loads.flatMap(([, layers]) => layers.flat()));
    const traces = Array.from({ length: count }, (_, expert) => ({
      x: loads.map(([tokens]) => tokens), y: loads.map(([, layers]) => layers[layer][expert]), mode: "lines",
      line: { color: COLORS[expert % COLORS.length], width: 2, dash: DASHES[Math.floor(expert / COLORS.length) % 2] },
      name: fill(words.expert, { number: expert + 1 }),
    }));
    const changes = loads.filter(([, , way], index) => index > 0 && way !== loads[index - 1][2]);
    const names = Object.fromEntries(balances);
    const shapes = changes.map(([tokens]) => ({ type: "line", x0: tokens, x1: tokens, y0: 0, y1: 1, yref: "paper", line: { color: "#808890", width: 1, dash: "dot" } }));
    const annotations = changes.map(([tokens, , way]) => ({
      x: tokens, y: 1, yref: "paper", xanchor: "left", yanchor: "top", showarrow: false, align: "left",
      text: fill(words.now_balanced, { balance: names[way] ?? "" }),
    }));
    return draw(place, traces, layout(words.axis_tokens, words.axis_share, { yRange: [0, 1.05 * most], shapes, annotations, height: 340 }));
  }

  async function draw(place, traces, design) {
    const plotly = await library();
    if (!place.isConnected || !place.clientWidth) return;
    await plotly.react(place, traces, design, CONFIG);
  }

  return { losses, shares, COLORS };
})();
