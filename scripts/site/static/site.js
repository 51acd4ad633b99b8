// Enlarges figures, and fills the live ones. Without scripts a figure is a link to its picture.
// `_`, of Sphinx's doctools.js, says a text in the language of the page.

function enlarge(event) {
  const link = event.target.closest("a.enlarge");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const picture = link.querySelector("img");
  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.setAttribute("aria-label", _("Figure"));
  const close = document.createElement("button");
  close.textContent = _("Close");
  const large = document.createElement("img");
  large.src = link.href;
  large.alt = picture.alt;
  large.width = picture.getAttribute("width");
  large.height = picture.getAttribute("height");
  const room = document.createElement("div");
  room.tabIndex = 0; // arrow keys move the picture
  room.append(large);
  dialog.append(close, room);
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    link.focus();
  });
  dialog.addEventListener("click", ({ target }) => {
    if (target === large) dialog.classList.toggle("whole");
    else dialog.close();
  });
  dialog.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") dialog.close();
    if (key === "+" || key === "-") dialog.classList.toggle("whole", key === "-");
  });
  // on a phone the page itself shows the whole picture as large as that
  dialog.classList.toggle("whole", innerWidth > 700);
  dialog.showModal();
}
document.addEventListener("click", enlarge);

const here = document.currentScript.src;
let liveMessages; // of all live figures, in the language of the page
async function fill(figure) {
  liveMessages ??= fetch(new URL(`live/messages/${document.documentElement.lang}.json`, here)).then(
    (found) => found.json(),
  );
  const { mount } = await import(new URL(`live/${figure.dataset.live}.js`, here));
  mount(figure, { messages: await liveMessages, ...JSON.parse(figure.dataset.options || "{}") });
}
// Modules cannot be loaded from a file: there the static picture stays.
if (location.protocol === "file:") document.documentElement.classList.add("no-live");
else {
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        fill(target).catch(() => {
          liveMessages = undefined; // the connection may be back in a while
          setTimeout(() => near.observe(target), 10_000);
        });
      }
    },
    { rootMargin: "400px" },
  );
  document.querySelectorAll("[data-live]").forEach((figure) => near.observe(figure));
}

// On paper, solutions are open.
addEventListener("beforeprint", () => {
  document.querySelectorAll("details:not([open])").forEach((solution) => {
    solution.open = true;
    solution.dataset.printed = "";
  });
});
addEventListener("afterprint", () => {
  document.querySelectorAll("details[data-printed]").forEach((solution) => {
    solution.open = false;
    delete solution.dataset.printed;
  });
});

// The list of all pages is longer than a window: show where in it this page stands.
{
  const pages = document.querySelector(".sidebar-scroll");
  const entry = pages?.querySelector(".current-page")?.getBoundingClientRect();
  if (entry?.bottom > pages?.getBoundingClientRect().bottom)
    pages.scrollTo({ top: entry.top - pages.clientHeight / 2, behavior: "instant" });
}

// The arrow keys that move what is wider than its place do not turn the page, too.
const MOVED = "pre, .table-wrapper, .text_html, .formula, dialog.enlarged *";
const keep = (event) => {
  if (event.key?.startsWith("Arrow") && event.target.matches(MOVED)) event.stopPropagation();
};
document.addEventListener("keydown", keep, { capture: true });

// What is wider than its place is moved by the arrow keys. All is read before anything is written,
// and when the page has come: else the browser lays it out again and again.
function focusable() {
  const boxes = [...document.querySelectorAll("pre, .table-wrapper, .text_html, .formula")];
  const wide = boxes.map((box) => box.scrollWidth > box.clientWidth);
  boxes.forEach((box, i) => {
    if (wide[i]) box.tabIndex = 0;
    else if (box.hasAttribute("tabindex")) box.removeAttribute("tabindex");
  });
}
const idle = window.requestIdleCallback ?? setTimeout;
for (const when of ["load", "resize"]) addEventListener(when, () => idle(focusable));
