// Inside the network: all feature maps of the article's CNN, each number with what made it.
import { explain, seen } from "./lib/network.js";
import { meter } from "./parts/answer.js";
import { assets, make, mounted, outline, paint, words } from "./parts/page.js";
import { decoded, photoButtons } from "./parts/photos.js";

const SHOWN = 9; // terms of a sum of hundreds

/** A number with a true minus sign. */
const text = (x) => x.toFixed(Math.abs(x) >= 100 ? 0 : 3).replace("-", "−");

export function mount(root, options = {}) {
  return mounted(root, async (own, signal) => {
    const say = await words(options);
    const figure = new Figure(own, say, signal);
    const home = assets(options);
    if (signal.aborted) return;
    const worker = new Worker(new URL("./lib/network-worker.js", import.meta.url), { type: "module" });
    signal.addEventListener("abort", () => worker.terminate());
    let network;
    let asked = 0; // what was asked last is shown, whatever comes last
    const failed = ({ message }) => (figure.status.textContent = say("inside.failed", { error: message ?? "" }));
    worker.onerror = failed;
    worker.onmessage = ({ data }) => {
      if (data.network) network = data.network;
      else if (data.mine !== asked) return;
      else if (data.error) failed({ message: data.error });
      else figure.show(network, data);
    };
    const take = async ([file]) => {
      const mine = ++asked;
      figure.status.textContent = say("inside.computing");
      try {
        const photo = await decoded(file);
        if (mine === asked) worker.postMessage({ ...photo, mine, assets: home });
      } catch {
        if (mine === asked) figure.status.textContent = say("photos.unreadable");
      }
    };
    const cat = async () => {
      const mine = ++asked;
      try {
        const photo = await (await fetch(new URL("cat.png", home))).blob();
        if (mine === asked) await take([photo]);
      } catch (error) {
        if (mine === asked) failed(error);
      }
    };
    make(figure.bar, "button", { type: "button", click: cat }, say("inside.cat"));
    photoButtons(own, figure.bar, { say, signal, take });
    cat();
  });
}

class Figure {
  constructor(own, say, signal) {
    this.say = say;
    this.history = [];
    this.bar = make(own, "div", { class: "live-bar" });
    this.status = make(own, "p", { role: "status", class: "live-status" });
    this.answer = make(own, "div");
    this.layers = make(own, "fieldset", { class: "live-layers" });
    make(this.layers, "legend", {}, say("inside.layers"));
    const both = make(own, "div", { class: "live-columns" });
    this.maps = make(both, "div", { class: "live-maps", role: "group", "aria-label": say("inside.maps") });
    this.maps.addEventListener("keydown", (event) => this.#walk(event));
    const side = make(both, "div", { class: "live-large" });
    this.photo = this.#framed(side, say("inside.photo"));
    this.large = this.#framed(side, say("inside.map"));
    this.#pointing(signal);
    this.numbers = make(own, "div", { class: "live-numbers" });
    this.formula = make(own, "p", { class: "live-formula", "aria-live": "polite" });
    this.sums = make(own, "div", { class: "live-sums", role: "group" });
    this.terms = make(own, "div", { class: "live-terms" });
  }

  #framed(parent, name) {
    const box = make(parent, "figure");
    const caption = make(box, "figcaption", {}, name);
    const frame = make(box, "div", { class: "live-frame" });
    const canvas = make(frame, "canvas", { role: "img", "aria-label": name });
    return { box, caption, frame, canvas, mark: make(frame, "div", { class: "live-mark" }) };
  }

  /** The large map: a pixel is chosen by pointer and by arrow keys. */
  #pointing(signal) {
    const { frame } = this.large;
    frame.tabIndex = 0;
    frame.setAttribute("role", "application");
    frame.setAttribute("aria-label", this.say("inside.move"));
    const point = ({ clientX, clientY }) => {
      const box = frame.getBoundingClientRect();
      const [height, width] = this.shape;
      const at = (part, n) => Math.max(0, Math.min(n - 1, Math.floor(part * n)));
      const [down, right] = [(clientY - box.top) / box.height, (clientX - box.left) / box.width];
      this.choose({ place: [at(down, height), at(right, width)] });
    };
    let dragged = false;
    frame.addEventListener("pointerdown", (event) => {
      dragged = true;
      frame.setPointerCapture(event.pointerId);
      point(event);
    });
    frame.addEventListener("pointermove", (event) => dragged && point(event));
    for (const end of ["pointerup", "pointercancel"])
      frame.addEventListener(end, () => (dragged = false));
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    frame.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      const place = this.place.map((at, i) => Math.max(0, Math.min(this.shape[i] - 1, at + step[i])));
      this.choose({ place });
    }, { signal });
  }

  /** Show what the network makes of a photo. */
  show(network, { found, seconds }) {
    Object.assign(this, { network, found, history: [] });
    const counts = {};
    this.names = ["Photo", ...network.layers.map(({ kind }) => kind)].map((kind) => {
      counts[kind] = (counts[kind] ?? 0) + 1;
      return this.say(`inside.${kind}`, { n: counts[kind] });
    });
    this.status.textContent = this.say("inside.done", {
      n: found.reduce((n, { values }) => n + values.length, 0).toLocaleString("en"),
      seconds: seconds.toFixed(2),
    });
    this.answer.replaceChildren();
    meter(this.answer, found.at(-1).values[1], this.say);
    const { shape, values } = found[0];
    const rgba = Uint8ClampedArray.from({ length: shape[0] * shape[1] * 4 }, (_, i) =>
      i % 4 === 3 ? 255 : values[(i >> 2) * 3 + (i % 4)],
    );
    paint(this.photo.canvas, shape[1], shape[0], rgba);
    this.#listLayers();
    this.open(this.layer ?? 2);
  }

  #listLayers() {
    this.layers.querySelectorAll("label").forEach((label) => label.remove());
    this.group = this.group ?? `layers-${Math.random().toString(36).slice(2)}`;
    this.names.forEach((name, i) => {
      const label = make(this.layers, "label");
      const open = () => this.open(i);
      make(label, "input", { type: "radio", name: this.group, value: i, change: open });
      make(label, "span", {}, name);
      make(label, "small", {}, this.found[i].shape.filter((n, k, all) => all[0] > 1 || k === 2).join("×"));
    });
  }

  /** Open a layer, at its largest number, or at a place of it that was asked for. */
  open(layer, place) {
    const { shape, values } = this.found[layer];
    if (!place) {
      const largest = values.reduce((best, value, i) => (value > values[best] ? i : best), 0);
      const pixel = Math.floor(largest / shape[2]);
      place = [Math.floor(pixel / shape[1]), pixel % shape[1], largest % shape[2]];
    }
    Object.assign(this, { layer, shape, place: place.slice(0, 2), channel: place[2] });
    this.layers.querySelectorAll("input")[layer].checked = true;
    this.#listMaps();
    this.choose({});
  }

  #gray(channel) {
    const { shape, values } = this.found[this.layer];
    const map = values.filter((_, i) => i % shape[2] === channel);
    const [low, high] = map.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [0, 1e-6]);
    return map.map((value) => Math.sqrt((value - low) / (high - low))); // what is weak shows, too
  }

  #listMaps() {
    const { shape, values } = this.found[this.layer];
    this.maps.replaceChildren();
    this.maps.classList.toggle("live-vector", shape[0] === 1);
    for (let channel = 0; channel < shape[2]; channel++) {
      const click = () => this.choose({ channel });
      const name = this.say("inside.nth", { n: channel });
      const button = make(this.maps, "button", { type: "button", click, "aria-label": name });
      if (shape[0] > 1) paint(make(button, "canvas"), shape[1], shape[0], this.#gray(channel));
      else button.textContent = text(values[channel]);
    }
  }

  #walk(event) {
    const buttons = [...this.maps.children];
    const columns = buttons.filter(({ offsetTop }) => offsetTop === buttons[0].offsetTop).length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    const channel = this.channel + (steps[event.key] ?? NaN);
    if (!buttons[channel]) return;
    event.preventDefault();
    this.choose({ channel });
    buttons[channel].focus();
  }

  /** Choose a map or a pixel of the open layer, and explain its number. */
  choose({ place = this.place, channel = this.channel }) {
    Object.assign(this, { place, channel });
    [...this.maps.children].forEach((button, i) => {
      button.setAttribute("aria-pressed", i === channel);
      button.tabIndex = i === channel ? 0 : -1;
    });
    const [height, width] = this.shape;
    this.large.box.hidden = height === 1;
    if (height > 1) paint(this.large.canvas, width, height, this.#gray(channel));
    const [y, x] = place;
    outline(this.large.mark, [y, x, y, x], this.shape);
    outline(this.photo.mark, seen(this.network, this.layer, place), this.found[0].shape);
    this.large.caption.textContent = this.#where(this.layer, [y, x, channel]);
    this.#explain(explain(this.network, this.found, this.layer, [y, x, channel]));
  }

  #where(layer, [y, x, channel]) {
    const flat = this.found[layer].shape[0] === 1;
    const key = layer === 0 ? "inside.where-photo" : flat ? "inside.where-flat" : "inside.where";
    const colour = layer < 2 ? this.say(`inside.colour-${channel}`) : channel;
    return this.say(key, { layer: this.names[layer], n: channel, y, x, colour });
  }

  #explain(made) {
    const { say } = this;
    this.numbers.replaceChildren();
    if (this.history.length) {
      const back = () => {
        this.open(...this.history.pop());
        (this.numbers.querySelector("button") ?? this.terms.querySelector("button:enabled"))?.focus();
      };
      make(this.numbers, "button", { type: "button", click: back }, say("inside.back"));
    }
    make(this.numbers, "strong", {}, this.#where(this.layer, [...this.place, this.channel]));
    make(this.numbers, "output", {}, text(made.value));
    const total = made.sum - made.bias;
    this.formula.textContent = say(`inside.how-${made.kind}${made.relu ? "-relu" : ""}`, {
      bias: text(made.bias), total: text(total), sum: text(made.sum), value: text(made.value),
      n: made.groups.length, scale: text(made.groups[0]?.terms[0].weight ?? 0),
      e: text(Math.exp(made.groups[this.channel]?.terms[0].value ?? 0)),
      all: text(made.groups.reduce((all, { terms }) => all + Math.exp(terms[0].value), 0)),
    });
    this.sums.replaceChildren();
    const listed = made.groups.length > 1 && made.kind !== "Activation";
    if (listed) this.#list(made);
    const largest = [...made.groups].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum))[0];
    if (made.groups[0]?.terms.length === 1) this.#terms(made.groups.map(({ terms: [t] }) => t), made.kind);
    else this.#open(largest, made.kind);
  }

  /** The sums over each map of the layer before, as bars. */
  #list({ groups, kind }) {
    if (groups[0].terms.length === 1) return;
    const before = this.names[this.layer - 1];
    this.sums.setAttribute("aria-label", this.say("inside.sums", { n: groups.length, layer: before }));
    const most = Math.max(...groups.map(({ sum }) => Math.abs(sum)), 1e-9);
    for (const group of groups) {
      const colour = this.layer === 2 ? this.say(`inside.colour-${group.channel}`) : group.channel;
      const click = () => this.#open(group, kind);
      const button = make(this.sums, "button", { type: "button", click });
      make(button, "span", {}, `${colour}`);
      const bar = make(make(button, "i"), "b", { class: group.sum < 0 ? "live-minus" : "live-plus" });
      bar.style.width = `${(50 * Math.abs(group.sum)) / most}%`;
      make(button, "span", {}, text(group.sum));
    }
  }

  #open(group, kind) {
    if (!group) return this.terms.replaceChildren();
    [...this.sums.children].forEach((button, i) => {
      button.setAttribute("aria-pressed", i === group.channel);
    });
    const { channel, terms, sum } = group;
    const few = [...terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product)).slice(0, SHOWN);
    const rest = terms.length - few.length;
    this.#terms(rest ? few : terms, kind);
    const others = few.reduce((left, { product }) => left - product, sum);
    const key = kind === "MaxPooling2D" ? "inside.window-max" : rest ? "inside.window-few" : "inside.window";
    const colour = this.layer === 2 ? this.say(`inside.colour-${channel}`) : channel;
    const note = this.say(key, { n: colour, layer: this.names[this.layer - 1], sum: text(sum), rest, others: text(others), few: SHOWN });
    this.terms.prepend(Object.assign(document.createElement("p"), { textContent: note }));
  }

  /** Products, each of which leads to the number that it is made from. */
  #terms(terms, kind) {
    this.terms.replaceChildren();
    const grid = make(this.terms, "div", { class: `live-grid live-${kind}` });
    if (terms.length === 4) grid.style.setProperty("--live-columns", 2);
    const largest = Math.max(...terms.map(({ value }) => value));
    const one = kind === "MaxPooling2D" || kind === "Activation";
    for (const { from, value, weight, product } of terms) {
      const words = one ? [text(value)] : [text(value), `× ${text(weight)}`, `= ${text(product)}`];
      const click = () => {
        this.history.push([this.layer, [...this.place, this.channel]]);
        this.open(this.layer - 1, from);
        this.numbers.querySelector("button").focus(); // the button that was pressed is gone
      };
      const title = from ? this.say("inside.follow", { where: this.#where(this.layer - 1, from) }) : this.say("inside.outside");
      const cell = make(grid, "button", { type: "button", click, title, disabled: !from });
      words.forEach((word) => make(cell, "span", {}, word));
      cell.classList.toggle("live-largest", kind === "MaxPooling2D" && value === largest);
      if (!one && product) cell.classList.add(product < 0 ? "live-minus" : "live-plus");
    }
  }
}
