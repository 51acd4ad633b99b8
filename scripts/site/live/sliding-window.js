// A window that slides: picture, kernel, window, products and their sum, number by number.
import { convolve, outputSize, terms, total } from "./lib/convolution.js";
import { choice, factor, fields, part, player, pointing, sum, table, text } from "./parts/numbers.js";
import { make, mounted, words } from "./parts/page.js";

const PICTURE = [1, 1, 2, 2, 3, 3].map((dark) => Array.from({ length: 6 }, (_, i) => (i + dark < 5 ? 1 : 8)));
const KERNEL = [0, 1, 2].map(() => [-1, 0, 1]);
const SETTINGS = { stride: [1, 2, 3], padding: [0, 1, 2], dilation: [1, 2] };

export function mount(root, options = {}) {
  return mounted(root, async (own, signal) => {
    new Figure(own, await words(options), signal, options);
  });
}

class Figure {
  constructor(own, say, signal, options) {
    this.say = say;
    this.picture = options.picture ?? PICTURE;
    this.kernel = (options.kernel ?? KERNEL).map((row) => [...row]);
    const { stride = 1, padding = 0, dilation = 1 } = options;
    this.settings = { stride, padding, dilation };
    make(own, "p", { class: "live-try" }, say("sliding-window.try"));
    this.#controls(own, signal);
    const stage = make(own, "div", { class: "live-stage" });
    this.input = this.#table(stage, "picture");
    const middle = part(stage, say("sliding-window.kernel"));
    this.weights = table(middle.box, say("sliding-window.kernel-edit"), "input");
    const name = say("sliding-window.products");
    make(middle.box, "div", { class: "live-name live-under" }, name);
    this.products = make(middle.box, "div", { class: "live-products", "aria-label": name, role: "group" });
    this.output = this.#table(stage, "result");
    this.sum = make(own, "p", { class: "live-sum", role: "status" });
    this.#kernelInputs();
    const choose = (place) => this.choose(place);
    const at = () => this.place;
    pointing(this.output.element, say("sliding-window.move"), { size: () => this.size, at, choose });
    this.#dragging();
    this.formula = make(own, "p", { class: "live-formula" });
    this.setting({});
  }

  #table(stage, name) {
    const { box, caption } = part(stage, this.say(`sliding-window.${name}`));
    return Object.assign(table(box, this.say(`sliding-window.${name}`)), { caption });
  }

  #kernelInputs() {
    const wide = this.kernel[0].length;
    this.weights.resize(this.kernel.length, wide);
    const place = (i) => [Math.floor(i / wide), i % wide];
    const name = (i) => this.say("sliding-window.weight", { row: place(i)[0], column: place(i)[1] });
    fields(this.weights.cells.flat(), this.kernel.flat(), name, (i, weight) => {
      const [row, column] = place(i);
      this.kernel[row][column] = weight;
      this.setting({});
    });
    const link = ({ target }) => this.pair(target.dataset?.term);
    for (const element of [this.weights.element, this.products]) {
      element.addEventListener("pointerover", link);
      element.addEventListener("pointerleave", () => this.pair());
    }
  }

  /** The window is also moved on the picture: its middle goes where one points. */
  #dragging() {
    const k = [this.kernel.length, this.kernel[0].length];
    const full = () => [this.input.cells.length, this.input.cells[0].length];
    const reach = (i) => (this.settings.dilation * (k[i] - 1)) / 2;
    pointing(this.input.element, this.say("sliding-window.drag"), {
      size: full,
      at: () => this.place.map((x, i) => x * this.settings.stride + reach(i)),
      choose: (point) => {
        const wanted = point.map((x, i) => (x - reach(i)) / this.settings.stride);
        const nearest = wanted.map((x, i) => (x > this.place[i] ? Math.ceil(x - 0.5) : Math.floor(x + 0.5)));
        this.choose(nearest.map((x, i) => Math.max(0, Math.min(this.size[i] - 1, x))));
      },
    });
    // arrow keys move the window by its stride, not by pixels
    this.input.element.addEventListener("keydown", (event) => {
      if (!event.key.startsWith("Arrow")) return;
      event.stopImmediatePropagation();
      event.preventDefault();
      this.output.element.dispatchEvent(new KeyboardEvent("keydown", { key: event.key }));
    }, { capture: true });
  }

  #controls(own, signal) {
    const bar = make(own, "div", { class: "live-bar" });
    const { say } = this;
    const back = () => this.go(-1);
    make(bar, "button", { type: "button", click: back }, say("sliding-window.back"));
    const next = () => this.go(1);
    make(bar, "button", { type: "button", click: next }, say("sliding-window.step"));
    const play = make(bar, "button", { type: "button" });
    const names = [say("sliding-window.play"), say("sliding-window.pause")];
    this.stop = player(play, names, { step: () => this.go(1), milliseconds: () => 600, signal });
    const again = () => this.setting({});
    make(bar, "button", { type: "button", click: again }, say("sliding-window.again"));
    for (const [name, values] of Object.entries(SETTINGS)) {
      const change = (value) => this.setting({ [name]: Number(value) });
      choice(bar, say(`sliding-window.${name}`), values.map((n) => [n, n]), this.settings[name], change);
    }
  }

  /** Take other settings, and begin anew. */
  setting(changed) {
    this.stop?.();
    Object.assign(this.settings, changed);
    const { stride, padding, dilation } = this.settings;
    this.result = convolve(this.picture, this.kernel, this.settings);
    const [n, m] = [this.picture.length, this.picture[0].length];
    const k = this.kernel.length;
    const row = (i) => Array.from({ length: m + 2 * padding }, (_, j) => this.picture[i - padding]?.[j - padding] ?? 0);
    this.input.write(Array.from({ length: n + 2 * padding }, (_, i) => row(i)));
    this.input.mark("live-margin", (i, j) => this.picture[i - padding]?.[j - padding] === undefined);
    this.size = [outputSize(n, k, this.settings), outputSize(m, this.kernel[0].length, this.settings)];
    this.formula.textContent = this.say("sliding-window.size", { n, k, k1: k - 1, s: stride, p: padding, d: dilation, size: this.size[0] });
    this.output.resize(...this.size);
    this.done = -1;
    this.choose([0, 0]);
  }

  /** One place on, or back; false at the end. */
  go(by) {
    const at = this.place[0] * this.size[1] + this.place[1] + by;
    if (at < 0 || at >= this.size[0] * this.size[1]) return false;
    this.choose([Math.floor(at / this.size[1]), at % this.size[1]]);
    return at + 1 < this.size[0] * this.size[1];
  }

  choose([i, j]) {
    this.place = [i, j];
    const { padding } = this.settings;
    this.done = Math.max(this.done, i * this.size[1] + j);
    const reached = (row, column) => row * this.size[1] + column <= this.done;
    this.output.write(this.result.map((row, a) => row.map((x, b) => (reached(a, b) ? x : ""))));
    this.output.mark("live-here", (row, column) => row === i && column === j);
    const products = terms(this.picture, this.kernel, this.settings, [i, j]);
    const index = new Map(products.map(({ row, column }, n) => [`${row},${column}`, n]));
    this.input.cells.forEach((row, a) =>
      row.forEach((cell, b) => {
        const n = index.get(`${a - padding},${b - padding}`);
        cell.classList.toggle("live-taken", n !== undefined);
        if (n === undefined) delete cell.dataset.term;
        else cell.dataset.term = n;
      }),
    );
    this.weights.cells.flat().forEach((cell, n) => (cell.dataset.term = n));
    this.#write(products);
  }

  #write(products) {
    this.products.replaceChildren();
    this.products.style.setProperty("--live-columns", this.kernel[0].length);
    products.forEach(({ value, weight, product }, n) => {
      const kind = product < 0 ? "live-minus" : product > 0 ? "live-plus" : "";
      const cell = make(this.products, "span", { class: kind, "data-term": n });
      make(cell, "small", { "data-term": n }, `${text(value)} × ${factor(weight)}`);
      make(cell, "b", { "data-term": n }, text(product));
    });
    const [row, column] = this.place;
    this.sum.replaceChildren();
    make(this.sum, "span", {}, this.say("sliding-window.where", { row, column }));
    make(this.sum, "span", {}, ` ${sum(products.map(({ product }) => product))} = `);
    make(this.sum, "output", {}, text(total(products)));
  }

  /** Show what belongs together: a pixel, its weight, their product. */
  pair(term) {
    const all = [...this.input.cells.flat(), ...this.weights.cells.flat(), ...this.products.children];
    for (const cell of all)
      cell.classList.toggle("live-pair", term !== undefined && cell.dataset.term === term);
  }
}
