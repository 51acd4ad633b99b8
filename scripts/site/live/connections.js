// Dense, local, shared: the same small layer connected in three ways, each weight to be read.
import { activations, counts, weights } from "./lib/wiring.js";
import { choice, factor, part, pointing, sum, table, text } from "./parts/numbers.js";
import { make, mounted, words } from "./parts/page.js";
import { draw } from "./parts/svg.js";

const KERNELS = { 3: [-1, 0, 1], 5: [-1, -1, 0, 1, 1] };
const PIXELS = [1, 1, 1, 8, 8, 8, 1, 1];
const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"]; // one for each shared weight
const KINDS = ["dense", "local", "shared"];

export function mount(root, options = {}) {
  return mounted(root, async (own, signal) => {
    new Figure(own, await words(options), options);
  });
}

class Figure {
  constructor(own, say, { kind = "dense", pixels = PIXELS, k = 3 }) {
    Object.assign(this, { say, kind, pixels: [...pixels], k, neuron: 0, pixel: 0 });
    make(own, "p", { class: "live-try" }, say("connections.try"));
    const bar = make(own, "div", { class: "live-bar" });
    this.buttons = KINDS.map((name) => {
      const click = () => this.set({ kind: name });
      const button = make(bar, "button", { type: "button", click, "data-kind": name });
      make(button, "strong", {}, say(`connections.${name}`));
      make(button, "small");
      return button;
    });
    const stage = make(own, "div", { class: "live-stage" });
    const drawing = part(stage, say("connections.drawing"), "live-wide");
    this.svg = draw(drawing.box, "svg", { class: "live-wiring", tabindex: 0 });
    this.#pointing();
    const side = part(stage, say("connections.matrix"));
    this.matrix = table(side.box, say("connections.matrix"));
    pointing(this.matrix.element, say("connections.matrix-move"), {
      size: () => [this.weights.length, this.pixels.length],
      at: () => [this.neuron, this.pixel],
      choose: ([neuron, pixel]) => this.choose(neuron, pixel),
    });
    this.weight = make(own, "p", { class: "live-formula", role: "status" });
    this.sum = make(own, "p", { class: "live-sum" });
    const below = make(own, "div", { class: "live-bar" });
    const move = () => this.set({ pixels: [this.pixels.at(-1), ...this.pixels.slice(0, -1)] });
    make(below, "button", { type: "button", click: move }, say("connections.move"));
    const sizes = Object.keys(KERNELS).map((n) => [n, n]);
    this.sees = choice(below, say("connections.sees"), sizes, k, (n) => this.set({ k: Number(n) }));
    this.photo = make(own, "p", { class: "live-note" });
    this.set({});
  }

  set(changed) {
    Object.assign(this, changed);
    this.weights = weights(this.kind, this.pixels.length, KERNELS[this.k]);
    this.activations = activations(this.weights, this.pixels);
    this.neuron = Math.min(this.neuron, this.weights.length - 1);
    const many = counts(this.pixels.length, this.k);
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", button.dataset.kind === this.kind);
      button.lastChild.textContent = this.say("connections.count", { n: many[button.dataset.kind] });
    }
    this.sees.disabled = this.kind === "dense";
    const [places, window] = [256 * 256, this.k * this.k * 3];
    const photo = { dense: places * places * 3, local: places * window, shared: window };
    this.photo.textContent = this.say(`connections.photo${this.kind === "dense" ? "-dense" : ""}`, { k: this.k, n: photo[this.kind].toLocaleString("en") });
    this.matrix.write(this.weights.map((row) => row.map((weight) => weight ?? "")), 1);
    this.#draw();
    this.choose(this.neuron, this.pixel);
  }

  #colour(neuron, pixel) {
    return this.kind === "shared" ? COLOURS[pixel - neuron] : "var(--live-soft)";
  }

  #draw() {
    const [n, half] = [this.pixels.length, (this.k - 1) / 2];
    this.svg.replaceChildren();
    this.svg.setAttribute("viewBox", `-0.6 -0.75 ${n + 0.2} 4.5`);
    this.lines = [];
    this.weights.forEach((row, neuron) =>
      row.forEach((weight, pixel) => {
        if (weight === null) return;
        const ends = { x1: pixel, y1: 3, x2: neuron + half, y2: 0 };
        const line = draw(this.svg, "line", { ...ends, class: "live-link", stroke: this.#colour(neuron, pixel) });
        const wide = draw(this.svg, "line", { ...ends, class: "live-hit", "data-link": `${neuron},${pixel}` });
        this.lines.push({ line, wide, neuron, pixel });
      }),
    );
    const node = (x, y, value, attributes) => {
      draw(this.svg, "circle", { cx: x, cy: y, r: 0.36, ...attributes });
      draw(this.svg, "text", { x, y: y + 0.1, class: "live-node" }, value);
    };
    this.pixels.forEach((value, pixel) => node(pixel, 3, text(value), { class: "live-pixel", "data-pixel": pixel }));
    this.activations.forEach((value, neuron) =>
      node(neuron + half, 0, text(value, 1), { class: "live-neuron", "data-neuron": neuron }),
    );
  }

  #pointing() {
    this.svg.setAttribute("role", "application");
    this.svg.setAttribute("aria-label", this.say("connections.drawing-move"));
    const point = ({ target }) => {
      const { link, neuron } = target.dataset;
      if (link) this.choose(...link.split(",").map(Number));
      else if (neuron) this.choose(Number(neuron), this.pixel);
    };
    this.svg.addEventListener("pointerover", point);
    this.svg.addEventListener("pointerdown", point);
    this.svg.addEventListener("keydown", (event) => {
      const [across, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
      if (across === undefined) return;
      event.preventDefault();
      const neuron = Math.max(0, Math.min(this.weights.length - 1, this.neuron + up));
      this.choose(neuron, this.pixel + across);
    });
  }

  /** Show a weight, and the sum of its neuron. Where there is none, the nearest of that neuron. */
  choose(neuron, pixel) {
    const row = this.weights[neuron];
    const there = row.flatMap((weight, i) => (weight === null ? [] : [i]));
    this.neuron = neuron;
    this.pixel = Math.max(there[0], Math.min(there.at(-1), pixel));
    const weight = row[this.pixel];
    const same = (a, b) => this.kind === "shared" && b - a === this.pixel - neuron;
    for (const { line, neuron: a, pixel: b } of this.lines) {
      line.classList.toggle("live-its", a === neuron);
      line.classList.toggle("live-chosen", a === neuron && b === this.pixel);
      line.classList.toggle("live-same", same(a, b));
    }
    this.matrix.mark("live-none", (a, b) => this.weights[a][b] === null);
    this.matrix.mark("live-taken", (a, b) => a === neuron && this.weights[a][b] !== null);
    this.matrix.mark("live-here", (a, b) => a === neuron && b === this.pixel);
    this.matrix.mark("live-pair", (a, b) => same(a, b));
    const values = { neuron: neuron + 1, pixel: this.pixel + 1, weight: factor(weight), value: text(this.pixels[this.pixel]) };
    this.weight.textContent = this.say(`connections.weight-${this.kind}`, { ...values, product: text(weight * this.pixels[this.pixel]), n: this.weights.length });
    this.sum.replaceChildren();
    const products = there.map((i) => `${factor(this.pixels[i])} × ${factor(row[i])}`).join(" + ");
    make(this.sum, "span", {}, this.say("connections.sum", { neuron: neuron + 1 }));
    make(this.sum, "span", {}, ` ${products} = ${sum(there.map((i) => row[i] * this.pixels[i]))} = `);
    make(this.sum, "output", {}, text(this.activations[neuron]));
  }
}
