// The page of the search: Pagefind's index where there is a server, else Sphinx's own.

const root = new URL("../", document.currentScript.src);
const field = document.querySelector("#search-form input");
const list = document.querySelector("#found");
const summary = document.querySelector("#search-summary");
const SHOWN = 8; // pages
let asked = 0;

async function index() {
  if (location.protocol === "file:") throw new Error("a file cannot load an index");
  const pagefind = await import(new URL("pagefind/pagefind.js", root));
  await pagefind.options({ excerptLength: 24 });
  return pagefind;
}

// Of each page the section that fits best; its heading, its page, some words.
function entry(page) {
  const section = page.sub_results.reduce((a, b) => (weight(b) > weight(a) ? b : a));
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = section.url;
  link.textContent = section.title;
  const where = document.createElement("div");
  where.className = "where";
  where.textContent = link.textContent === page.meta.title ? "" : page.meta.title;
  const words = document.createElement("p");
  words.innerHTML = section.excerpt;
  item.append(link, where, words);
  return item;
}

const weight = (section) =>
  (section.weighted_locations ?? []).reduce((sum, place) => sum + place.balanced_score, 0);

async function search(pagefind, words) {
  const mine = ++asked;
  const { results } = await pagefind.search(words);
  const pages = await Promise.all(results.slice(0, SHOWN).map((result) => result.data()));
  if (mine !== asked) return;
  list.replaceChildren(...pages.map(entry));
  const found = { n: results.length, words };
  summary.textContent = words && _("{n} pages with “{words}”").replace(/{(\w+)}/g, (_, key) => found[key]);
  document.body.dataset.searched = words;
}

// Sphinx's search reads ?q= by itself as soon as its scripts are there.
function sphinx() {
  const names = ["searchtools", "language_data", "../searchindex"];
  document.querySelector("#search-form").method = "get";
  for (const name of names) {
    const script = document.createElement("script");
    script.src = new URL(`_static/${name}.js`, root);
    script.async = false;
    document.body.append(script);
  }
}

field.value = new URLSearchParams(location.search).get("q") ?? "";
index().then((pagefind) => {
  const go = () => search(pagefind, field.value.trim());
  field.addEventListener("input", go);
  field.form.addEventListener("submit", (event) => {
    event.preventDefault();
    history.replaceState(null, "", `?q=${encodeURIComponent(field.value)}`);
    go();
  });
  if (field.value) go();
}, sphinx);
