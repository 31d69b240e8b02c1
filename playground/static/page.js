/* The page itself: language, light and dark, and the address. Runs before Gradio's own scripts.
   `lineage.boot` (defaults, words, fields) is set just before this file by the server. */
"use strict";

lineage.MAX_PROMPT = 1500; // characters of a prompt that an address carries …
lineage.MAX_ENCODED = 7000; // … and its length once encoded: proxies refuse addresses of more than about 8 kB

// Private windows and framed pages may forbid storage: then choices last as long as the page.
lineage.remember = (store, key, value) => {
  try {
    const storage = window[store];
    if (value === undefined) return storage.getItem(`lineage.${key}`);
    if (value === null) storage.removeItem(`lineage.${key}`);
    else storage.setItem(`lineage.${key}`, value);
  } catch (error) {
    console.debug("storage is not available", error);
  }
  return value ?? null;
};

/* ---- Language: Gradio asks navigator.language, once, when it starts ---- */

lineage.lang = (() => {
  const known = (lang) => lineage.boot.languages.find((name) => name === lang);
  const inAddress = known(new URLSearchParams(location.search).get("lang"));
  const ofBrowser = /^zh/i.test(navigator.language) ? "zh" : "en";
  return inAddress || known(lineage.remember("localStorage", "lang")) || ofBrowser;
})();

lineage.say = (key) => lineage.boot.words[lineage.lang][key];

{
  const locale = lineage.lang === "zh" ? "zh-CN" : "en";
  Object.defineProperty(navigator, "language", { get: () => locale, configurable: true });
  Object.defineProperty(navigator, "languages", { get: () => [locale], configurable: true });
  document.documentElement.lang = locale;
  document.title = lineage.boot.titles[lineage.lang];
}

lineage.speak = (lang) => {
  lineage.remember("localStorage", "lang", lang);
  const reload = () => {
    lineage.state.lang = lang;
    lineage.flush();
    dispatchEvent(new Event("lineage:leaving"));
    location.reload();
  };
  setTimeout(reload, 200); // Gradio reports a change a moment after the key that made it
};

/* ---- Light and dark: Gradio follows the system through matchMedia; a visitor's own choice is put in between ---- */

lineage.theme = lineage.remember("localStorage", "theme") || "auto";
{
  const query = "(prefers-color-scheme: dark)";
  const ask = window.matchMedia.bind(window);
  const system = ask(query);
  const chosen = new EventTarget();
  Object.defineProperties(chosen, {
    matches: { get: () => (lineage.theme === "auto" ? system.matches : lineage.theme === "dark") },
    media: { value: query },
  });
  const show = () => {
    const page = document.documentElement;
    page.classList.add("at-once"); // that thousands of parts fade from one colour into another takes half a second
    for (const place of [page, document.body]) place?.classList.toggle("dark", chosen.matches);
    chosen.dispatchEvent(new Event("change"));
    page.getBoundingClientRect(); // the new colours are taken on here
    page.classList.remove("at-once");
  };
  system.addEventListener("change", show);
  window.matchMedia = (text) => (text === query ? chosen : ask(text));
  lineage.setTheme = (theme) => {
    lineage.theme = theme;
    lineage.remember("localStorage", "theme", theme === "auto" ? null : theme);
    show();
  };
  show();
}

/* ---- While the page is opened, its controls hold default values, which are not what the address says ---- */

lineage.awaited = new Set();
lineage.awaits = (part) => {
  lineage.awaited.add(part);
  document.documentElement.dataset.awaits = [...lineage.awaited].join(" ");
};
lineage.arrived = (part) => {
  lineage.awaited.delete(part);
  document.documentElement.dataset.awaits = [...lineage.awaited].join(" ");
};
lineage.awaits("page");
setTimeout(() => [...lineage.awaited].forEach(lineage.arrived), 15_000); // a page that gets no answer can still be read

/* ---- At rest the page draws nothing ---- */

// Gradio's progress timers count in every frame what is shown as seconds, one for every output; that of its own start it
// takes off the page without ending it. Once a second is enough for a clock. Its loader swings on for seconds after it has
// been taken off the page; while there is none, twenty steps a second bring all springs to rest as well.
{
  const TIMER = /performance\.now\(\)\s*-.*\/\s*1e3/;
  const SPRINGS = /\.tasks\.forEach\(/;
  const LOADER = 'svg[viewBox="-1200 -1200 3000 3000"]';
  const ask = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (callback) => {
    if (TIMER.test(callback)) return setTimeout(callback, 1000);
    if (SPRINGS.test(callback) && !document.querySelector(LOADER)) return setTimeout(callback, 50);
    return ask(callback);
  };
}

/* ---- A list that the keyboard leaves is closed, and the next stop is the next control ---- */

// Gradio's lists open at any key, a moment after it: also at the one that leaves them, and then they stay open.
{
  const LEAVING = new Set(["Tab", "Shift", "Control", "Alt", "Meta"]);
  addEventListener("keydown", (event) => {
    if (event.target.role !== "combobox" || !LEAVING.has(event.key)) return;
    event.stopPropagation();
    // A long list scrolls, so that browsers stop at it, too; it goes when it is reached, and the focus with it.
    document.getElementById(event.target.getAttribute("aria-controls"))?.setAttribute("tabindex", "-1");
  }, true);
  addEventListener("focusout", ({ target }) => {
    const close = () => {
      const isLeft = target !== document.activeElement && target.ariaExpanded === "true";
      if (isLeft) target.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
    };
    if (target.role === "combobox") setTimeout(close, 100);
  });
}

/* ---- The address: every choice is in it, written without the server ---- */

lineage.state = {};
lineage.writing = false; // until the server has read the address, nothing may overwrite it
lineage.timer = 0;
lineage.APART = 200; // milliseconds between two changes of the address
lineage.flushed = 0;

/** What the page was opened with, as one string for the server. */
lineage.arrival = () => {
  const query = new URLSearchParams(location.search);
  query.set("lang", lineage.lang);
  const long = query.has("long") ? lineage.remember("sessionStorage", "prompt") : null;
  if (long !== null) {
    query.set("prompt", long);
    query.delete("long");
  }
  return query.toString();
};

/** Takes the server's reading of the address; from now on changes are written. Returns which of `tabs` is open. */
lineage.ready = (query, tabs) => {
  lineage.state = { ...lineage.boot.defaults, ...Object.fromEntries(new URLSearchParams(query)) };
  lineage.writing = true;
  lineage.flush();
  lineage.opening = `${lineage.state.tab} 1`;
  document.title = lineage.boot.titles[lineage.lang]; // Gradio has put its one title there
  lineage.arrived("page");
  document.documentElement.dataset.ready = "true";
  return tabs.map((tab) => (tab === lineage.state.tab ? lineage.opening : ""));
};

/** A tab has been opened: returns a value that is new each time, for the handlers that wait for it. */
lineage.opened = (tab) => {
  if (!lineage.writing) return ""; // Gradio announces the first tab before the address is read
  if (tab !== lineage.state.tab) {
    lineage.opening = `${tab} ${Number(lineage.opening.split(" ")[1]) + 1}`;
    lineage.write("tab", tab);
  }
  return lineage.opening;
};

lineage.write = (name, value) => {
  if (!lineage.writing) return;
  const emptied = value === null || value === undefined || (value === "" && name !== "prompt");
  lineage.state[name] = emptied ? lineage.boot.defaults[name] : String(value);
  // Soon, for a reload takes the address as it is; but browsers limit how often it may change.
  lineage.timer ||= setTimeout(lineage.flush, Math.max(0, lineage.flushed + lineage.APART - performance.now()));
};

/** A value as an address can hold it: half a surrogate pair, which has no UTF-8, becomes U+FFFD. */
lineage.encoded = (value) => encodeURIComponent(value.replace(/\p{Surrogate}/gu, "\ufffd"));

lineage.tooLong = () => {
  const prompt = lineage.state.prompt ?? "";
  return prompt.length > lineage.MAX_PROMPT || lineage.encoded(prompt).length > lineage.MAX_ENCODED;
};

lineage.query = () => {
  const pairs = [];
  for (const name of lineage.boot.fields) {
    const value = lineage.state[name];
    if (value === undefined || (value === lineage.boot.defaults[name] && name !== "lang")) continue;
    if (name === "prompt" && lineage.tooLong()) pairs.push("long=1");
    else pairs.push(`${name}=${lineage.encoded(value).replace(/%(2C|3D|3A)/g, decodeURIComponent)}`);
  }
  return pairs.join("&");
};

lineage.flush = () => {
  if (!lineage.writing) return;
  clearTimeout(lineage.timer);
  lineage.timer = 0;
  lineage.flushed = performance.now();
  lineage.remember("sessionStorage", "prompt", lineage.tooLong() ? lineage.state.prompt : null);
  history.replaceState(history.state, "", `${location.pathname}?${lineage.query()}`);
  const copied = document.getElementById("link-outcome");
  if (copied) copied.hidden ||= copied.querySelector("input").value !== location.href; // a link to a screen that is no more
};
addEventListener("pagehide", () => lineage.flush());

/* ---- Scripts that a tab needs only when it is opened ---- */

lineage.fetched = new Map();
lineage.fetchScript = (name) => {
  if (!lineage.fetched.has(name)) {
    const came = new Promise((resolve, reject) => {
      const script = lineage.element("script", { src: lineage.boot.scripts[name] });
      script.async = false; // they run in the order in which they are asked for
      script.addEventListener("load", resolve);
      script.addEventListener("error", () => {
        lineage.fetched.delete(name); // opening the tab again asks again
        reject(new Error(name));
      });
      document.head.append(script);
    });
    lineage.fetched.set(name, came);
  }
  return lineage.fetched.get(name);
};

/** Fetches what is not yet there of the scripts `names`, then calls `mount`; if they do not come, `place` says so. */
lineage.use = async (names, place, mount) => {
  try {
    await Promise.all(names.map(lineage.fetchScript));
  } catch {
    place.replaceChildren(lineage.element("p", { role: "alert" }, lineage.say("unfetched_tab")));
    return;
  }
  mount();
};

lineage.open = (tab) => document.getElementById(`tab-${tab}-button`)?.click();

/* ---- The header's tools: language, light and dark, copy link ---- */

lineage.element = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

lineage.choice = (name, label, options, current, choose) => {
  const group = lineage.element("div", { role: "group", "aria-label": label, class: "switch", id: name });
  for (const [value, text, title, lang] of options) {
    const button = lineage.element("button", { type: "button", "aria-pressed": String(value === current), value });
    button.textContent = text;
    if (lang) button.lang = lang;
    if (title) {
      button.title = title;
      button.setAttribute("aria-label", title);
    }
    button.addEventListener("click", () => {
      for (const other of group.children) other.setAttribute("aria-pressed", String(other === button));
      choose(value);
    });
    group.append(button);
  }
  return group;
};

lineage.copyLink = async (outcome) => {
  lineage.flush();
  const field = outcome.querySelector("input");
  field.value = location.href;
  outcome.hidden = false;
  field.focus();
  field.select();
  let copied = true;
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    copied = document.execCommand("copy"); // framed pages often may not use the clipboard directly
  }
  const rest = lineage.tooLong() ? "_no_prompt" : lineage.state.left_out ? "_no_text" : { generate: "", train: "_train" }[lineage.state.tab] ?? "_tab";
  const outcomeKey = (copied ? "copied" : "select") + rest;
  outcome.querySelector("output").textContent = lineage.say(outcomeKey);
};

/** Fills the header's corner; called once by its component. */
lineage.tools = (place) => {
  const corner = place.querySelector(".tools");
  if (corner.childElementCount) return;
  const languages = lineage.boot.languages.map((lang) => [lang, lineage.boot.names[lang], "", lang]);
  const themes = ["light", "auto", "dark"].map((name, i) => [name, "☀◐☾"[i], lineage.say(name)]);
  const link = lineage.element("button", { type: "button", id: "copy-link", class: "plain" });
  link.textContent = lineage.say("copy");
  const close = lineage.element("button", { type: "button", class: "plain", "aria-label": lineage.say("close") }, "×");
  const field = lineage.element("input", { readonly: "", "aria-label": lineage.say("link"), id: "link-field" });
  const row = lineage.element("div", { class: "link-row" }, field, close);
  const outcome = lineage.element("div", { id: "link-outcome", hidden: "" }, lineage.element("output"), row);
  const hide = () => {
    outcome.hidden = true;
    link.focus();
  };
  link.addEventListener("click", () => lineage.copyLink(outcome));
  close.addEventListener("click", hide);
  outcome.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  corner.append(
    lineage.choice("language", lineage.say("language"), languages, lineage.lang, lineage.speak),
    lineage.choice("theme", lineage.say("theme"), themes, lineage.theme, lineage.setTheme),
    link,
    outcome,
  );
};
