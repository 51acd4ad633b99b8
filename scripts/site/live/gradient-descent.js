// One neuron with two weights walks down its loss, step by step, with the numbers of each.
import { ANIMALS, contour, example, gradient, loss, step } from "./lib/neuron.js";
import { factor, part, player, text } from "./parts/numbers.js";
import { make, mounted, words } from "./parts/page.js";
import { draw } from "./parts/svg.js";

const [ACROSS, UP] = [[-5, 2], [-2, 5]]; // the weights of ears and nose that are shown
const RATES = { small: 0.02, right: 0.5, large: 6 };
const START = [0.5, -0.5];
const BOTTOM = [-2.5, 2.5]; // where the search for the lowest point begins

export function mount(root, options = {}) {
  return mounted(root, async (own, signal) => {
    new Figure(own, await words(options), signal, options);
  });
}

class Figure {
  constructor(own, say, signal, { animals = ANIMALS, start = START, rate = RATES.right }) {
    Object.assign(this, { say, animals, start, rate, animal: 4 });
    make(own, "p", { class: "live-try" }, say("gradient-descent.try"));
    this.#controls(own, signal);
    const stage = make(own, "div", { class: "live-stage live-even" });
    this.#landscape(part(stage, say("gradient-descent.landscape")).box);
    this.#plane(part(stage, say("gradient-descent.plane"), "live-half").box);
    this.#losses(part(stage, say("gradient-descent.losses"), "live-half").box);
    this.lines = make(own, "div", { class: "live-formula", role: "status" });
    const details = make(own, "details", { open: true });
    make(details, "summary", {}, say("gradient-descent.table"));
    this.table = make(details, "table", { class: "live-rows" });
    this.how = make(details, "p", { class: "live-formula" });
    this.again();
  }

  #landscape(box) {
    const [x, y] = [(w) => w, (w) => -w];
    const view = `${ACROSS[0]} ${-UP[1]} ${ACROSS[1] - ACROSS[0]} ${UP[1] - UP[0]}`;
    this.land = draw(box, "svg", { viewBox: view, class: "live-plot live-pointing", tabindex: 0, role: "application", "aria-label": this.say("gradient-descent.landscape-move") });
    const f = (a, b) => loss(this.animals, [a, b]);
    for (let i = 0; i < 12; i++) {
      const level = 0.36 * (6 / 0.36) ** (i / 11);
      const lines = contour(f, ACROSS, UP, level);
      const path = lines.map(([a, b, c, d]) => `M${x(a).toFixed(3)} ${y(b).toFixed(3)}L${x(c).toFixed(3)} ${y(d).toFixed(3)}`);
      draw(this.land, "path", { d: path.join(""), class: "live-contour" });
    }
    let lowest = BOTTOM;
    for (let i = 0; i < 3000; i++) lowest = step(this.animals, lowest, 0.5);
    const [a, b] = [x(lowest[0]), y(lowest[1])];
    draw(this.land, "path", { d: `M${a - 0.15} ${b - 0.15}l.3 .3m0 -.3l-.3 .3`, class: "live-cross" });
    this.trail = draw(this.land, "polyline", { class: "live-trail" });
    this.dots = draw(this.land, "g", { class: "live-dots" });
    this.first = draw(this.land, "circle", { r: 0.16, class: "live-first" });
    this.now = draw(this.land, "circle", { r: 0.16, class: "live-now" });
    const point = (event) => {
      const size = this.land.getBoundingClientRect();
      const across = ACROSS[0] + ((event.clientX - size.left) / size.width) * (ACROSS[1] - ACROSS[0]);
      const up = UP[1] - ((event.clientY - size.top) / size.height) * (UP[1] - UP[0]);
      this.again([across, up].map((w) => Math.round(w * 20) / 20));
    };
    let dragged = false;
    this.land.addEventListener("pointerdown", (event) => {
      dragged = true;
      this.land.setPointerCapture(event.pointerId);
      point(event);
    });
    this.land.addEventListener("pointermove", (event) => dragged && point(event));
    for (const end of ["pointerup", "pointercancel"]) this.land.addEventListener(end, () => (dragged = false));
    const moves = { ArrowLeft: [-0.25, 0], ArrowRight: [0.25, 0], ArrowUp: [0, 0.25], ArrowDown: [0, -0.25] };
    this.land.addEventListener("keydown", (event) => {
      const move = moves[event.key];
      if (!move) return;
      event.preventDefault();
      const inside = (w, [low, high]) => Math.max(low, Math.min(high, w));
      this.again(this.start.map((w, i) => inside(w + move[i], i ? UP : ACROSS)));
    });
  }

  /** The animals by ears and nose, over the colour of what is predicted there. */
  #plane(box) {
    const plot = draw(box, "svg", { viewBox: "0 -3.8 4 4", class: "live-plot", role: "img", "aria-label": this.say("gradient-descent.plane") });
    const id = `shade-${Math.random().toString(36).slice(2)}`;
    this.shade = draw(plot, "linearGradient", { id, gradientUnits: "userSpaceOnUse" });
    draw(plot, "rect", { x: 0, y: -3.8, width: 4, height: 4, fill: `url(#${id})` });
    this.boundary = draw(plot, "line", { class: "live-boundary" });
    this.animals.forEach(([ears, nose, dog], i) => {
      const name = dog ? "dog" : "cat";
      if (dog) draw(plot, "rect", { x: ears - 0.19, y: -nose - 0.19, width: 0.38, height: 0.38, class: `live-${name}` });
      else draw(plot, "circle", { cx: ears, cy: -nose, r: 0.22, class: `live-${name}` });
      draw(plot, "text", { x: ears, y: -nose + 0.09, class: "live-number" }, i + 1);
    });
  }

  #losses(box) {
    this.curve = draw(box, "svg", { viewBox: "-4 -4 108 108", class: "live-plot", role: "img", "aria-label": this.say("gradient-descent.losses") });
    draw(this.curve, "path", { d: "M0 0V100H100", class: "live-axis" });
    this.high = draw(this.curve, "text", { x: 3, y: 7, class: "live-tick" });
    draw(this.curve, "text", { x: 3, y: 97, class: "live-tick" }, "0");
    this.end = draw(this.curve, "text", { x: 100, y: 97, class: "live-tick live-right" });
    this.line = draw(this.curve, "polyline", { class: "live-trail" });
  }

  #controls(own, signal) {
    const { say } = this;
    const bar = make(own, "div", { class: "live-bar" });
    make(bar, "button", { type: "button", click: () => this.go() }, say("gradient-descent.step"));
    const play = make(bar, "button", { type: "button" });
    const names = [say("gradient-descent.play"), say("gradient-descent.pause")];
    this.stop = player(play, names, { step: () => this.go() && this.path.length < 500, milliseconds: () => 150, signal });
    make(bar, "button", { type: "button", click: () => this.again() }, say("gradient-descent.again"));
    const label = make(bar, "label", { class: "live-choice live-long" }, `${say("gradient-descent.rate")} `);
    const input = () => this.setRate(Number((10 ** this.slider.valueAsNumber).toPrecision(2)));
    this.slider = make(label, "input", { type: "range", min: -2, max: 1, step: "any", input });
    this.shown = make(label, "output");
    for (const [name, rate] of Object.entries(RATES)) {
      const click = () => {
        this.again();
        this.setRate(rate);
      };
      make(bar, "button", { type: "button", click, "data-rate": rate }, `${say(`gradient-descent.${name}`)}: ${rate}`);
    }
    this.rates = [...bar.querySelectorAll("[data-rate]")];
  }

  setRate(rate) {
    this.rate = rate;
    this.#show();
  }

  again(start = this.start) {
    this.stop?.();
    this.start = start;
    this.path = [start];
    this.#show();
  }

  go() {
    this.path.push(step(this.animals, this.path.at(-1), this.rate));
    this.#show();
    return true;
  }

  #show() {
    const w = this.path.at(-1);
    const place = ([a, b]) => `${a.toFixed(3)},${(-b).toFixed(3)}`;
    this.trail.setAttribute("points", this.path.map(place).join(" "));
    this.dots.replaceChildren();
    for (const [a, b] of this.path.slice(-200)) draw(this.dots, "circle", { cx: a, cy: -b, r: 0.05 });
    for (const [dot, [a, b]] of [[this.first, this.path[0]], [this.now, w]]) {
      dot.setAttribute("cx", a);
      dot.setAttribute("cy", -b);
    }
    this.slider.value = Math.log10(this.rate);
    this.shown.textContent = this.rate;
    this.slider.setAttribute("aria-valuetext", this.rate);
    for (const button of this.rates) button.setAttribute("aria-pressed", Number(button.dataset.rate) === this.rate);
    this.#shadePlane(w);
    this.#drawLosses();
    this.#write(w);
  }

  #shadePlane([w1, w2]) {
    const length = Math.hypot(w1, w2) || 1e-9;
    const reach = Math.min(20, 4 / length); // where the sum is ±4, the prediction is all but sure
    const [a, b] = [(w1 / length) * reach, (-w2 / length) * reach];
    for (const [name, value] of Object.entries({ x1: -a, y1: -b, x2: a, y2: b })) this.shade.setAttribute(name, value);
    this.shade.replaceChildren();
    for (let i = 0; i <= 16; i++) {
      const p = 1 / (1 + Math.exp(-(i / 8 - 1) * reach * length));
      const colour = p < 0.5 ? "var(--live-cat)" : "var(--live-dog)";
      draw(this.shade, "stop", { offset: i / 16, style: `stop-color:${colour};stop-opacity:${Math.abs(p - 0.5)}` });
    }
    const line = [(w2 / length) * 9, (w1 / length) * 9];
    for (const [name, value] of Object.entries({ x1: -line[0], y1: -line[1], x2: line[0], y2: line[1] }))
      this.boundary.setAttribute(name, value);
  }

  #drawLosses() {
    const losses = this.path.map((w) => loss(this.animals, w));
    const [most, n] = [Math.max(...losses), Math.max(10, losses.length - 1)];
    const at = (x, i) => `${((100 * i) / n).toFixed(2)},${(100 - (100 * x) / most).toFixed(2)}`;
    this.line.setAttribute("points", losses.map(at).join(" "));
    this.high.textContent = text(most);
    this.end.textContent = this.say("gradient-descent.steps", { n });
  }

  #write(w) {
    const { say, rate } = this;
    const slopes = gradient(this.animals, w);
    const next = step(this.animals, w, rate);
    this.lines.replaceChildren();
    const now = { n: this.path.length - 1, loss: text(loss(this.animals, w), 3), next: text(loss(this.animals, next), 3) };
    make(this.lines, "p", {}, say("gradient-descent.now", now));
    w.forEach((weight, i) => {
      const name = say(i ? "gradient-descent.nose" : "gradient-descent.ears");
      const moved = `${text(weight, 3)} − ${text(rate, 3)} × ${factor(slopes[i], 3)} = ${text(next[i], 3)}`;
      make(this.lines, "p", { class: "live-step" }, `${name}: ${moved}`);
    });
    const row = [...this.table.querySelectorAll("tbody tr")].findIndex((one) => one.contains(document.activeElement));
    this.table.replaceChildren();
    const heads = ["animal", "z", "p", "error", "ears-slope", "nose-slope"];
    const head = make(make(this.table, "thead"), "tr");
    for (const name of heads) make(head, "th", { scope: "col" }, say(`gradient-descent.${name}`));
    const body = make(this.table, "tbody");
    this.animals.forEach((animal, i) => {
      const { z, p, error, slopes: own } = example(animal, w);
      const choose = () => this.#follow(i);
      const row = make(body, "tr", { class: animal[2] ? "live-dog" : "live-cat", pointerenter: choose });
      const head = make(row, "th", { scope: "row" });
      const name = say(animal[2] ? "gradient-descent.dog" : "gradient-descent.cat", { n: i + 1 });
      make(head, "button", { type: "button", click: choose, focus: choose }, name);
      for (const x of [z, p, error, ...own]) make(row, "td", {}, text(x, 3));
    });
    const foot = make(make(this.table, "tfoot"), "tr");
    make(foot, "th", { scope: "row", colspan: 4 }, say("gradient-descent.mean"));
    for (const slope of slopes) make(foot, "td", {}, text(slope, 3));
    if (row >= 0) body.children[row].querySelector("button").focus({ preventScroll: true }); // the one that was replaced
    this.#follow(this.animal);
  }

  /** Write out where the numbers of one animal come from. */
  #follow(chosen) {
    this.animal = chosen;
    const [w1, w2] = this.path.at(-1);
    const [ears, nose, dog] = this.animals[chosen];
    const { z, p, error, slopes } = example(this.animals[chosen], [w1, w2]);
    const three = (x) => factor(x, 3);
    this.how.textContent = this.say("gradient-descent.how", {
      n: chosen + 1, w1: three(w1), w2: three(w2), ears, nose, dog, z: text(z, 3), minus: text(-z, 3),
      p: text(p, 3), error: text(error, 3), factor: three(error), first: text(slopes[0], 3), second: text(slopes[1], 3),
    });
    [...this.table.tBodies[0].rows].forEach((row, i) => row.classList.toggle("live-here", i === chosen));
  }
}
