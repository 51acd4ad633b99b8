// A kernel to be changed, on a photo: exactly OpenCV's filter2D, and the sum behind each pixel.
import { PRESETS, correlate, grey, magnitude, saturated, transposed, windowAt } from "./lib/filtering.js";
import { choice, fields, part, pointing, table, text } from "./parts/numbers.js";
import { make, mounted, outline, paint, words } from "./parts/page.js";
import { photoButtons } from "./parts/photos.js";

const WIDEST = 320; // pixels of a photo of one's own
const SIZES = [3, 5, 7, 8, 9];

export function mount(root, options = {}) {
  return mounted(root, async (own, signal) => {
    const say = await words(options);
    const picture = root.querySelector("img");
    new Figure(own, say, signal, options, picture && (await read(picture)));
  });
}

/** The grey pixels of a picture, not larger than WIDEST. */
async function read(source) {
  const picture = await createImageBitmap(source instanceof Blob ? source : await decoded(source));
  const shrink = Math.min(1, WIDEST / Math.max(picture.width, picture.height));
  const [width, height] = [picture.width, picture.height].map((n) => Math.max(1, Math.round(n * shrink)));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white"; // under what is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  picture.close();
  return { pixels: grey(context.getImageData(0, 0, width, height).data), size: [height, width] };
}

async function decoded(image) {
  image.loading = "eager";
  await image.decode();
  return image;
}

/** Shades and a bright disc, where there is no picture. */
function drawn() {
  const [height, width] = [120, 180];
  const pixels = Uint8Array.from({ length: height * width }, (_, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    return Math.hypot(y - 60, x - 90) < 40 ? 220 : 40 + x / 2;
  });
  return { pixels, size: [height, width] };
}

class Figure {
  constructor(own, say, signal, { preset = "sobelX" }, photo) {
    Object.assign(this, { own, say, photo: photo ?? drawn() });
    make(own, "p", { class: "live-try" }, say("kernel-editor.try"));
    const bar = make(own, "div", { class: "live-bar" });
    const names = Object.keys(PRESETS).map((name) => [name, say(`kernel-editor.${name}`)]);
    names.push(["own", say("kernel-editor.own")]);
    this.presets = choice(bar, say("kernel-editor.kernel"), names, preset, (name) => this.preset(name));
    this.sizes = choice(bar, say("kernel-editor.size"), SIZES.map((k) => [k, `${k}×${k}`]), 3, (k) => this.resize(Number(k)));
    const views = ["cut", "signed", "both"].map((name) => [name, say(`kernel-editor.view-${name}`)]);
    this.views = choice(bar, say("kernel-editor.view"), views, "cut", () => this.apply());
    const stage = make(own, "div", { class: "live-stage live-even" });
    this.before = this.#framed(stage, say("kernel-editor.before"));
    this.after = this.#framed(stage, say("kernel-editor.after"));
    const tables = make(own, "div", { class: "live-stage" });
    const shown = (name, tag) => {
      const { box, caption } = part(tables, say(`kernel-editor.${name}`));
      return Object.assign(table(box, say(`kernel-editor.${name}`), tag), { box, caption });
    };
    this.window = shown("window");
    this.weights = shown("weights", "input");
    this.products = shown("products");
    this.turned = shown("turned");
    this.sum = make(own, "p", { class: "live-sum", role: "status" });
    const own_photo = make(own, "div", { class: "live-bar" });
    const status = make(own, "p", { class: "live-status", role: "status" });
    let asked = 0; // the photo that was asked for last stays
    const take = async ([file]) => {
      const mine = ++asked;
      const photo = await read(file).catch(() => null);
      if (mine !== asked) return;
      this.photo = photo ?? this.photo;
      status.textContent = say(photo ? "kernel-editor.yours" : "photos.unreadable");
      this.place = null;
      this.apply();
    };
    photoButtons(own, own_photo, { say, signal, take });
    this.#linking();
    this.preset(preset);
  }

  #framed(parent, name) {
    const { box } = part(parent, name);
    const frame = make(box, "div", { class: "live-frame" });
    const canvas = make(frame, "canvas", { role: "img", "aria-label": name });
    const mark = make(frame, "div", { class: "live-mark" });
    const choose = (place) => this.choose(place);
    pointing(frame, `${name}: ${this.say("kernel-editor.move")}`, { size: () => this.photo.size, at: () => this.place, choose });
    return { canvas, mark };
  }

  /** A pixel, its weight and their product are shown together. */
  #linking() {
    const tables = [this.window, this.weights, this.products, this.turned];
    for (const { element } of tables) {
      const over = ({ target }) => {
        const n = target === element ? -1 : [...element.children].indexOf(target);
        for (const other of tables) [...other.element.children].forEach((cell, i) => cell.classList.toggle("live-pair", i === n));
      };
      element.addEventListener("pointerover", over);
      element.addEventListener("pointerleave", () => over({ target: element }));
    }
  }

  preset(name) {
    if (name === "own") return;
    const { k, kernel, signed, both } = PRESETS[name];
    Object.assign(this, { k, kernel: [...kernel] });
    this.views.value = both ? "both" : signed ? "signed" : "cut";
    this.sizes.value = k;
    this.#inputs();
    this.apply();
  }

  /** Another size: the numbers in the middle stay. */
  resize(k) {
    const shift = (k >> 1) - (this.k >> 1);
    const old = (i) => (i >= 0 && i < this.k ? i : -1);
    this.kernel = Array.from({ length: k * k }, (_, i) => {
      const [a, b] = [old(Math.floor(i / k) - shift), old((i % k) - shift)];
      return a < 0 || b < 0 ? 0 : this.kernel[a * this.k + b];
    });
    this.k = k;
    this.presets.value = "own";
    this.#inputs();
    this.apply();
  }

  #inputs() {
    const { k, weights, say } = this;
    weights.resize(k, k);
    const name = (i) => say("kernel-editor.weight", { row: Math.floor(i / k), column: i % k });
    fields(weights.cells.flat(), this.kernel, name, (i, weight) => {
      this.kernel[i] = weight;
      this.presets.value = "own";
      this.apply();
    });
  }

  apply() {
    const { pixels, size } = this.photo;
    const view = this.views.value;
    this.sums = view === "both" ? magnitude(pixels, size, this.kernel, this.k) : correlate(pixels, size, this.kernel, this.k);
    this.result = saturated(this.sums);
    const levels = view === "signed" ? saturated(this.sums.map((x) => 128 + x / 2)) : this.result;
    const shades = (bytes) => Float32Array.from(bytes, (x) => x / 255);
    paint(this.before.canvas, size[1], size[0], shades(pixels));
    paint(this.after.canvas, size[1], size[0], shades(levels));
    this.turned.box.hidden = view !== "both";
    this.choose(this.place ?? [Math.round(size[0] * 0.42), Math.round(size[1] * 0.42)]);
  }

  choose(place) {
    this.place = place;
    const { k, kernel, say } = this;
    const { pixels, size } = this.photo;
    const [row, column] = place;
    const [top, left] = [row - (k >> 1), column - (k >> 1)];
    outline(this.before.mark, [top, left, top + k - 1, left + k - 1], size);
    outline(this.after.mark, [row, column, row, column], size);
    const under = windowAt(pixels, size, k, place);
    const rows = (list) => Array.from({ length: k }, (_, i) => list.slice(i * k, (i + 1) * k));
    this.window.write(rows(under), 0);
    this.window.cells.flat().forEach((cell, i) => {
      cell.style.background = `rgb(${under[i]} ${under[i]} ${under[i]})`;
      cell.style.color = under[i] > 128 ? "#000" : "#fff";
    });
    const products = under.map((x, i) => x * kernel[i]);
    this.products.write(rows(products), 1);
    for (const [name, sign] of [["live-plus", 1], ["live-minus", -1]])
      this.products.mark(name, (a, b) => products[a * k + b] * sign > 0);
    const at = row * size[1] + column;
    const along = products.reduce((sum, x) => sum + x, 0);
    const numbers = { row, column, sum: text(along, 2), value: this.result[at] };
    if (this.views.value === "both") {
      const turned = transposed(kernel, k);
      this.turned.write(rows(turned), 2);
      numbers.other = text(under.reduce((sum, x, i) => sum + x * turned[i], 0), 2);
      numbers.root = text(this.sums[at], 1);
    }
    const clipped = numbers.value !== Math.round(this.sums[at]) && Math.abs(this.sums[at] - 127.5) > 128;
    this.sum.replaceChildren();
    const key = this.views.value === "cut" && clipped ? "clipped" : this.views.value;
    make(this.sum, "span", {}, `${say(`kernel-editor.sum-${key}`, numbers)} `);
    make(this.sum, "output", {}, this.views.value === "signed" ? numbers.sum : String(numbers.value));
  }
}
