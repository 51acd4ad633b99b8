// What a number deep in the article's network has seen, layer by layer; and pooling by numbers.
import { grey } from "./lib/filtering.js";
import { convolve } from "./lib/convolution.js";
import { ARTICLE, TAKES, areas, pool, receptiveField, sides, square, within } from "./lib/pooling.js";
import { choice, factor, part, pointing, table, text } from "./parts/numbers.js";
import { make, mounted, paint, words } from "./parts/page.js";

const SIDE = 150; // of the article's photos
const EDGE = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]];
const SMOOTH = [[1, 2, 1], [2, 4, 2], [1, 2, 1]].map((row) => row.map((x) => x / 16));
const NUMBERS = [
  [0, 3, 1, 0, 0, 2, 7, 1], [2, 9, 0, 4, 1, 0, 3, 0], [0, 1, 5, 2, 6, 0, 0, 2], [1, 0, 3, 8, 2, 1, 0, 4],
  [7, 2, 0, 0, 1, 9, 2, 0], [0, 4, 1, 3, 0, 2, 5, 1], [3, 0, 6, 1, 2, 0, 1, 8], [1, 2, 0, 2, 4, 3, 0, 0],
];

export function mount(root, options = {}) {
  return mounted(root, async (own) => {
    const say = await words(options);
    const picture = root.querySelector("img");
    const photo = picture ? await read(picture) : drawn();
    make(own, "p", { class: "live-try" }, say("pooling.try"));
    new Fields(own, say, photo, options);
    new Pooling(own, say, options);
  });
}

/** A picture as SIDE × SIDE grey numbers from 0 to 1. */
async function read(image) {
  image.loading = "eager";
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0, SIDE, SIDE);
  const pixels = grey(context.getImageData(0, 0, SIDE, SIDE).data);
  return Array.from({ length: SIDE }, (_, i) => Array.from(pixels.subarray(i * SIDE, (i + 1) * SIDE), (x) => x / 255));
}

const drawn = () =>
  Array.from({ length: SIDE }, (_, i) =>
    Array.from({ length: SIDE }, (_, j) => (Math.hypot(i - 75, j - 75) < 45 ? 0.9 : 0.2 + j / 500)),
  );

const span = ([top, left, bottom, right]) => [bottom - top + 1, right - left + 1];

/** The layers as small maps; from the one that is pointed at, all before it show what it saw. */
class Fields {
  constructor(own, say, photo, { layer = 6, place = [8, 8] }) {
    this.say = say;
    this.kernels = ARTICLE.map(({ kind, n }) => (kind === "conv" ? (n === 1 ? EDGE : SMOOTH) : null));
    this.maps = [photo];
    ARTICLE.forEach(({ kind, kernel, stride, padding }, i) => {
      const before = this.maps.at(-1);
      if (kind === "pool") return this.maps.push(pool(before, { size: kernel, stride }));
      const sums = convolve(before, this.kernels[i], { stride, padding });
      this.maps.push(sums.map((row) => row.map((x) => Math.max(0, x))));
    });
    this.sides = sides(SIDE, ARTICLE);
    const strip = make(own, "div", { class: "live-strip" });
    this.frames = this.maps.map((map, i) => this.#frame(strip, map, i));
    const stage = make(own, "div", { class: "live-stage" });
    const zoom = part(stage, say("pooling.zoom"), "live-small");
    this.zoom = { caption: zoom.caption, canvas: make(zoom.box, "canvas", { role: "img", "aria-label": say("pooling.zoom") }) };
    const before = part(stage, "", "live-small");
    this.window = Object.assign(table(before.box, say("pooling.window")), { caption: before.caption });
    const side = part(stage, say("pooling.how"), "live-wide");
    this.words = make(side.box, "p", { role: "status" });
    this.formula = make(side.box, "p", { class: "live-sum" });
    this.choose(layer, place);
  }

  #name(layer) {
    if (!layer) return this.say("pooling.photo");
    const { kind, n } = ARTICLE[layer - 1];
    return this.say(`pooling.${kind}`, { n });
  }

  #frame(strip, map, layer) {
    const name = this.#name(layer);
    const n = map.length;
    const { box } = part(strip, name);
    make(box.firstChild, "small", {}, ` ${n}×${n}`);
    const frame = make(box, "div", { class: "live-frame" });
    const canvas = make(frame, "canvas");
    const most = Math.max(...map.flat());
    paint(canvas, n, n, map.flat().map((x) => (layer ? Math.sqrt(x / most) : x)));
    pointing(frame, `${name}: ${this.say("pooling.move")}`, {
      size: () => [n, n],
      at: () => (layer === this.layer ? this.place : [n >> 1, n >> 1]),
      choose: (place) => this.choose(layer, place),
    });
    return { box, frame, mark: make(frame, "div", { class: "live-mark" }) };
  }

  choose(layer, place) {
    Object.assign(this, { layer, place });
    const seen = areas(ARTICLE, SIDE, layer, place);
    this.frames.forEach(({ box, mark }, i) => {
      box.classList.toggle("live-after", i > layer);
      box.classList.toggle("live-here", i === layer);
      mark.hidden = i > layer;
      if (i > layer) return;
      const [top, left] = seen[i];
      const [height, width] = span(seen[i]).map((x) => `${(100 * x) / this.sides[i]}%`);
      Object.assign(mark.style, { top: `${(100 * top) / this.sides[i]}%`, left: `${(100 * left) / this.sides[i]}%`, height, width });
    });
    this.#explain(seen);
  }

  #explain(seen) {
    const { say, layer, place } = this;
    const [height, width] = span(seen[0]);
    const pixels = within(this.maps[0], seen[0]);
    paint(this.zoom.canvas, width, height, pixels);
    this.zoom.caption.textContent = say("pooling.zoomed", { height, width });
    const field = receptiveField(ARTICLE.slice(0, layer));
    const cut = Math.min(height, width) < field ? "pooling.cut" : "pooling.sees";
    const value = text(this.maps[layer][place[0]][place[1]], 3);
    const numbers = { layer: this.#name(layer), row: place[0], column: place[1], value, field, height, width };
    this.words.textContent = say(layer ? cut : "pooling.pixel", numbers);
    this.window.caption.textContent = layer ? say("pooling.before", { layer: this.#name(layer - 1) }) : "";
    if (!layer) {
      this.window.write([[value]]);
      this.formula.textContent = "";
      return;
    }
    const { kind, kernel: k, stride, padding } = ARTICLE[layer - 1];
    const under = Array.from({ length: k }, (_, a) =>
      Array.from({ length: k }, (_, b) => this.maps[layer - 1][place[0] * stride + a - padding]?.[place[1] * stride + b - padding] ?? 0),
    );
    this.window.write(under, 2);
    const flat = under.flat();
    const largest = Math.max(...flat);
    this.window.mark("live-here", (a, b) => kind === "pool" && under[a][b] === largest);
    if (kind === "pool") this.formula.textContent = say("pooling.largest", { numbers: flat.map((x) => text(x, 2)).join(", "), value });
    else {
      const weights = this.kernels[layer - 1].flat();
      const used = flat.flatMap((x, i) => (weights[i] ? [`${text(x, 3)} × ${factor(weights[i], 4)}`] : []));
      this.formula.textContent = say("pooling.sum", { sum: used.join(" + "), value });
    }
  }
}

/** Pooling of a few numbers, each with the square that it comes from. */
class Pooling {
  constructor(own, say, { numbers = NUMBERS }) {
    Object.assign(this, { say, numbers, settings: { kind: "max", size: 2, stride: 2 }, place: [0, 0] });
    const bar = make(own, "div", { class: "live-bar" });
    make(bar, "strong", {}, say("pooling.by-numbers"));
    const kinds = Object.keys(TAKES).map((kind) => [kind, say(`pooling.${kind}`)]);
    choice(bar, say("pooling.kind"), kinds, "max", (kind) => this.set({ kind }));
    choice(bar, say("pooling.square"), [2, 3, 4].map((n) => [n, `${n}×${n}`]), 2, (size) => this.set({ size: Number(size) }));
    choice(bar, say("pooling.stride"), [1, 2, 3, 4].map((n) => [n, n]), 2, (stride) => this.set({ stride: Number(stride) }));
    const stage = make(own, "div", { class: "live-stage" });
    this.input = table(part(stage, say("pooling.map")).box, say("pooling.map"));
    this.output = table(part(stage, say("pooling.pooled")).box, say("pooling.pooled"));
    const choose = (place) => this.choose(place);
    pointing(this.output.element, say("pooling.pooled-move"), {
      size: () => [this.pooled.length, this.pooled[0].length], at: () => this.place, choose,
    });
    this.formula = make(own, "p", { class: "live-sum", role: "status" });
    this.set({});
  }

  set(changed) {
    Object.assign(this.settings, changed);
    this.pooled = pool(this.numbers, this.settings);
    this.input.write(this.numbers);
    this.output.write(this.pooled, 2);
    this.choose(this.place.map((x, i) => Math.min(x, [this.pooled.length, this.pooled[0].length][i] - 1)));
  }

  choose(place) {
    this.place = place;
    const { kind, size, stride } = this.settings;
    const area = square(place, size, stride);
    const inside = (i, j) => i >= area[0] && i <= area[2] && j >= area[1] && j <= area[3];
    const numbers = within(this.numbers, area);
    const value = TAKES[kind](numbers);
    this.input.mark("live-taken", inside);
    this.input.mark("live-here", (i, j) => kind === "max" && inside(i, j) && this.numbers[i][j] === value);
    this.output.mark("live-here", (i, j) => i === place[0] && j === place[1]);
    const words = { numbers: numbers.join(", "), sum: numbers.join(" + "), n: numbers.length, value: text(value) };
    this.formula.textContent = this.say(`pooling.${kind}-is`, words);
  }
}
