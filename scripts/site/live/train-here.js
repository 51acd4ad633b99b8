// Train here: a small CNN learns to tell drawn cats from drawn dogs, before the reader's eyes.
import { assets, make, mounted, paint, words } from "./parts/page.js";
import { decoded } from "./parts/photos.js";

const RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
const FILTERS = [4, 8, 16];
const SHOWN = 12; // drawings whose predictions are shown

export function mount(root, options = {}) {
  return mounted(root, async (own, signal) => {
    const say = await words(options);
    const home = assets(options);
    const about = await (await fetch(new URL("animals.json", home))).json();
    const sheet = await decoded(await (await fetch(new URL("animals.jpg", home))).blob());
    const rgba = Array.from({ length: about.n }, (_, i) => cut(sheet, about, i));
    const pictures = rgba.map(centred);
    const labels = pictures.map((_, i) => i % 2);

    const url = new URL("./lib/training-worker.js", import.meta.url);
    if (signal.aborted) return;
    const worker = new Worker(url, { type: "module" });
    signal.addEventListener("abort", () => worker.terminate());
    worker.postMessage({ pictures, labels, held: about.held });
    const figure = new Figure(own, { say, about, rgba, worker });
    worker.onmessage = ({ data }) => figure.update(data);
    worker.onerror = ({ message }) => (figure.status.textContent = say("train.failed", { error: message ?? "" }));
    figure.reset();
  });
}

/** The RGBA bytes of drawing number i of a sheet. */
function cut({ pixels, width }, { columns, side }, i) {
  const [top, left] = [Math.floor(i / columns) * side, (i % columns) * side];
  const found = new Uint8ClampedArray(side * side * 4);
  for (let y = 0; y < side; y++) {
    const at = ((top + y) * width + left) * 4;
    found.set(pixels.subarray(at, at + side * 4), y * side * 4);
  }
  return found;
}

/** Red, green and blue from -1 to 1. */
function centred(rgba) {
  const found = new Float32Array((rgba.length / 4) * 3);
  for (let i = 0; i < found.length; i++)
    found[i] = rgba[Math.floor(i / 3) * 4 + (i % 3)] / 127.5 - 1;
  return found;
}

class Figure {
  constructor(own, { say, about, rgba, worker }) {
    Object.assign(this, { say, about, worker, running: false });
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    make(own, "p", {}, say("train.what", { n: about.n - about.held, held: about.held }));
    const bar = make(own, "div", { class: "live-bar" });
    this.start = make(bar, "button", { type: "button", click: () => this.run(!this.running) });
    make(bar, "button", { type: "button", click: () => this.reset() }, say("train.reset"));
    this.rate = this.#select(bar, "train.rate", RATES, 0.01, () => this.#tell({ rate: +this.rate.value }));
    this.filters = this.#select(bar, "train.filters", FILTERS, 8, () => this.reset());
    this.status = make(own, "p", { role: "status", class: "live-status" });
    const charts = make(own, "div", { class: "live-columns" });
    this.loss = new Chart(charts, say("train.loss"), 1, [
      ["live-training", say("train.training")],
      ["live-validation", say("train.validation")],
    ]);
    this.accuracy = new Chart(charts, say("train.accuracy"), 100, [
      ["live-validation", say("train.validation")],
    ]);
    make(own, "p", {}, say("train.seen"));
    this.kernels = make(own, "div", { class: "live-kernels" });
    make(own, "p", {}, say("train.predictions"));
    const list = make(own, "ul", { class: "live-drawings" });
    this.drawings = rgba.slice(0, SHOWN).map((pixels, i) => {
      const item = make(list, "li");
      const alt = say(i % 2 ? "train.drawn-dog" : "train.drawn-cat");
      paint(make(item, "canvas", { role: "img", "aria-label": alt }), about.side, about.side, pixels);
      return { item, words: make(item, "span") };
    });
  }

  #select(bar, key, values, chosen, change) {
    const label = make(bar, "label", {}, `${this.say(key)} `);
    const select = make(label, "select", { change });
    for (const value of values) make(select, "option", { selected: value === chosen }, value);
    return select;
  }

  #tell(message) {
    this.worker.postMessage(message);
  }

  run(on) {
    this.running = on;
    this.start.textContent = this.say(on ? "train.pause" : "train.start");
    this.#tell({ run: on });
  }

  reset() {
    this.run(false);
    this.loss.clear();
    this.accuracy.clear();
    this.round = (this.round ?? 0) + 1; // what the worker still says of an earlier one is let go
    this.#tell({ rate: +this.rate.value, filters: +this.filters.value, round: this.round });
  }

  update({ round, part, epoch, loss, accuracy, training, dogs, kernel }) {
    if (round !== this.round) return;
    if (!part || !this.still) this.#draw(kernel);
    if (part) return;
    this.loss.add([training, loss]);
    this.accuracy.add([100 * accuracy]);
    const [percent, three] = [Math.round(100 * accuracy), (x) => x.toFixed(3)];
    this.status.textContent = this.say(epoch ? "train.status" : "train.before", {
      epoch, percent, loss: three(loss), training: epoch ? three(training) : "",
    });
    this.drawings.forEach(({ item, words }, i) => {
      const dog = dogs[i] >= 0.5;
      const chance = Math.round(100 * Math.max(dogs[i], 1 - dogs[i]));
      words.textContent = this.say(dog ? "answer.dog" : "answer.cat", { percent: `${chance}%` });
      item.className = dog ? "live-as-dog" : "live-as-cat";
      item.classList.toggle("live-wrong", dog !== (i % 2 === 1));
      if (dog !== (i % 2 === 1)) words.textContent += ` ${this.say("train.wrong")}`;
    });
  }

  /** The kernels of the first layer, each as a picture of 5×5 pixels: gray where a weight is 0. */
  #draw(kernel) {
    const filters = kernel.length / 75;
    while (this.kernels.childElementCount > filters) this.kernels.lastChild.remove();
    while (this.kernels.childElementCount < filters) {
      const name = this.say("train.kernel", { n: this.kernels.childElementCount });
      make(this.kernels, "canvas", { role: "img", "aria-label": name });
    }
    const most = kernel.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9);
    [...this.kernels.children].forEach((canvas, filter) => {
      const pixels = Uint8ClampedArray.from({ length: 100 }, (_, i) =>
        i % 4 === 3 ? 255 : 127.5 * (1 + kernel[((i >> 2) * 3 + (i % 4)) * filters + filter] / most),
      );
      paint(canvas, 5, 5, pixels);
    });
  }
}

/** Curves over epochs, from 0 to `top`, as SVG; it says its last values to a screen reader. */
class Chart {
  constructor(parent, title, top, series) {
    Object.assign(this, { title, top, series });
    const box = make(parent, "figure", { class: "live-chart" });
    make(box, "figcaption", {}, title);
    this.svg = box.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
    this.svg.setAttribute("viewBox", "-34 -6 304 152");
    this.svg.setAttribute("role", "img");
    const legend = make(box, "div", { class: "live-legend" });
    for (const [name, text] of series) make(legend, "span", { class: name }, text);
    this.clear();
  }

  clear() {
    this.values = [];
    this.#draw();
  }

  add(values) {
    this.values.push(values);
    this.#draw();
  }

  #draw() {
    const last = Math.max(10, this.values.length - 1);
    const place = (value, i) => [(260 * i) / last, 120 * (1 - Math.min(value, this.top) / this.top)];
    const parts = [0, 0.5, 1].map((share) => {
      const y = 120 * (1 - share);
      return `<path class="live-grid-line" d="M0 ${y}H260"/><text x="-4" y="${y + 4}" text-anchor="end">${share * this.top}</text>`;
    });
    for (const epoch of [0, Math.round(last / 2), last])
      parts.push(`<text x="${(260 * epoch) / last}" y="136" text-anchor="middle">${epoch}</text>`);
    this.series.forEach(([name], k) => {
      const points = this.values.map((values, i) => [values[k], i]).filter(([value]) => !Number.isNaN(value));
      const line = points.map(([value, i]) => place(value, i).map((x) => x.toFixed(1)).join(" "));
      if (line.length) parts.push(`<path class="live-curve ${name}" d="M${line.join("L")}${line.length > 1 ? "" : "h1"}"/>`);
    });
    this.svg.innerHTML = parts.join("");
    const now = this.series.flatMap(([, text], k) => {
      const value = this.values.at(-1)?.[k];
      return Number.isFinite(value) ? [`${text} ${value.toFixed(2)}`] : [];
    });
    this.svg.setAttribute("aria-label", `${this.title}: ${now.join(", ")}`);
  }
}
