// Numbers that can be followed: tables of them, sums, and places that are chosen.
import { make } from "./page.js";

/** A number as it is read: at most so many decimals, and a true minus. */
export function text(x, decimals = 2) {
  return String(Number(x.toFixed(decimals)) + 0).replace("-", "−");
}

/** Numbers as a sum: 3 − 1 + 8. */
export function sum(numbers, decimals = 2) {
  return numbers
    .map((x, i) => {
      const written = text(Math.abs(x), decimals);
      const sign = text(x, decimals).startsWith("−");
      return i ? `${sign ? " − " : " + "}${written}` : `${sign ? "−" : ""}${written}`;
    })
    .join("");
}

/** A factor, in brackets where it is negative. */
export function factor(x, decimals = 2) {
  const written = text(x, decimals);
  return written.startsWith("−") ? `(${written})` : written;
}

/** A grid of cells: {element, cells, write}. It is refilled where its size changes. */
export function table(parent, name, tag = "span") {
  const element = make(parent, "div", { class: "live-table", "aria-label": name, role: "group" });
  const found = { element, cells: [] };
  found.resize = (rows, columns) => {
    element.style.setProperty("--live-columns", columns);
    element.classList.toggle("live-many", columns > 6);
    if (found.cells.length === rows && found.cells[0].length === columns) return;
    element.replaceChildren();
    found.cells = Array.from({ length: rows }, () =>
      Array.from({ length: columns }, () => make(element, tag)),
    );
  };
  found.write = (rows, decimals = 2) => {
    found.resize(rows.length, rows[0].length);
    rows.forEach((row, i) =>
      row.forEach((x, j) => (found.cells[i][j].textContent = typeof x === "number" ? text(x, decimals) : x)),
    );
  };
  found.mark = (names, so) => {
    found.cells.forEach((row, i) =>
      row.forEach((cell, j) => cell.classList.toggle(names, Boolean(so(i, j)))),
    );
  };
  return found;
}

/** Make cells into fields in which numbers are typed, also 1/9; change(index, number) is told. */
export function fields(cells, values, name, change) {
  cells.forEach((cell, i) => {
    Object.assign(cell, { type: "text", value: text(values[i], 3) });
    cell.setAttribute("aria-label", name(i));
    cell.removeAttribute("aria-invalid");
    cell.oninput = () => {
      const parts = cell.value.replaceAll("−", "-").split("/").map((x) => (x.trim() ? Number(x) : NaN));
      const [above, below = 1] = parts;
      const right = parts.length < 3 && Number.isFinite(above / below);
      cell.setAttribute("aria-invalid", !right);
      if (right) change(i, above / below);
    };
  });
}

/** A figure's part with its name above it. */
export function part(parent, name, kind = "") {
  const box = make(parent, "div", { class: `live-part ${kind}` });
  const caption = make(box, "div", { class: "live-name" }, name);
  return { box, caption };
}

/** Let a place of an evenly divided element be chosen: by pointing, dragging, and arrow keys.
 *
 * size() is [rows, columns]; at() the place chosen now; choose([row, column]) is told a new one.
 */
export function pointing(element, name, { size, at, choose }) {
  element.tabIndex = 0;
  element.setAttribute("role", "application");
  element.setAttribute("aria-label", name);
  element.classList.add("live-pointing");
  const inside = (place) => place.map((x, i) => Math.max(0, Math.min(size()[i] - 1, x)));
  const point = ({ clientX, clientY }) => {
    const box = element.getBoundingClientRect();
    const [rows, columns] = size();
    const down = Math.floor(((clientY - box.top) / box.height) * rows);
    choose(inside([down, Math.floor(((clientX - box.left) / box.width) * columns)]));
  };
  element.addEventListener("pointermove", point);
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture?.(event.pointerId);
    point(event);
  });
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  element.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const wide = event.shiftKey ? 10 : 1;
    choose(inside(at().map((x, i) => x + wide * step[i])));
  });
}

/** A choice with its name: a list of [value, words]. */
export function choice(parent, name, entries, value, change) {
  const label = make(parent, "label", { class: "live-choice" }, `${name} `);
  const select = make(label, "select", { change: () => change(select.value) });
  for (const [key, said] of entries) make(select, "option", { value: key }, said);
  select.value = value;
  return select;
}

/** Call a function again and again while it returns true, until it is stopped or the figure goes. */
export function player(button, names, { step, milliseconds, signal }) {
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = names[0];
  };
  const start = () => {
    button.textContent = names[1];
    timer = setInterval(() => (button.isConnected && step()) || stop(), milliseconds());
  };
  button.textContent = names[0];
  button.addEventListener("click", () => (timer ? stop() : start()));
  signal.addEventListener("abort", stop);
  return stop;
}
