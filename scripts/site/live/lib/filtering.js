// A kernel on a whole photo, to the last digit as OpenCV's filter2D has it.

/** Where a row or column beyond the border comes from: OpenCV mirrors, without the border itself. */
export function reflected(i, n) {
  while (n > 1 && (i < 0 || i >= n)) i = i < 0 ? -i : 2 * (n - 1) - i;
  return n > 1 ? i : 0;
}

/** The sums of products, Float32, for pixels (h × w) and a kernel (k × k), flat. */
export function correlate(pixels, [h, w], kernel, k) {
  const anchor = k >> 1;
  const rows = Array.from({ length: h + k }, (_, i) => reflected(i - anchor, h) * w);
  const columns = Array.from({ length: w + k }, (_, j) => reflected(j - anchor, w));
  const weights = Float32Array.from(kernel);
  const used = [...weights.keys()].filter((i) => weights[i]);
  const sums = new Float32Array(h * w);
  for (const at of used) {
    const [a, b, weight] = [Math.floor(at / k), at % k, weights[at]];
    for (let i = 0, out = 0; i < h; i++)
      for (let j = 0; j < w; j++, out++) sums[out] += weight * pixels[rows[i + a] + columns[j + b]];
  }
  return sums;
}

/** To whole numbers of 0 to 255: halves go to the even one. */
export const saturated = (sums) => Uint8ClampedArray.from(sums);

/** The strength of an edge: what a kernel finds and, turned, its other direction. */
export function magnitude(pixels, size, kernel, k) {
  const [x, y] = [kernel, transposed(kernel, k)].map((one) => correlate(pixels, size, one, k));
  return x.map((value, i) => Math.hypot(value, y[i]));
}

export const transposed = (kernel, k) => kernel.map((_, i) => kernel[(i % k) * k + Math.floor(i / k)]);

/** The pixels under the kernel at a place, flat. */
export function windowAt(pixels, [h, w], k, [row, column]) {
  const anchor = k >> 1;
  return Array.from({ length: k * k }, (_, i) => {
    const from = reflected(row + Math.floor(i / k) - anchor, h) * w;
    return pixels[from + reflected(column + (i % k) - anchor, w)];
  });
}

/** RGBA bytes to grey, as OpenCV's cvtColor has it. */
export function grey(rgba) {
  const pixels = new Uint8Array(rgba.length / 4);
  for (let i = 0, at = 0; i < pixels.length; i++, at += 4)
    pixels[i] = (9798 * rgba[at] + 19235 * rgba[at + 1] + 3735 * rgba[at + 2] + 16384) >> 15;
  return pixels;
}

const box = (k) => Array(k * k).fill(1 / (k * k));
const bell = [-2, -1, 0, 1, 2].map((x) => Math.exp(-(x * x) / 2));
const all = bell.reduce((sum, x) => sum + x);
const sobel = [-1, 0, 1, -2, 0, 2, -1, 0, 1];

/** The kernels of the chapter "Convolution by hand". `signed`: negative sums tell something. */
export const PRESETS = {
  identity: { k: 3, kernel: [0, 0, 0, 0, 1, 0, 0, 0, 0] },
  box3: { k: 3, kernel: box(3) },
  box8: { k: 8, kernel: box(8) },
  gaussian: { k: 5, kernel: bell.flatMap((a) => bell.map((b) => (a / all) * (b / all))) },
  sharpen: { k: 3, kernel: [0, -1, 0, -1, 5, -1, 0, -1, 0] },
  sobelX: { k: 3, kernel: sobel, signed: true },
  sobelY: { k: 3, kernel: transposed(sobel, 3), signed: true },
  magnitude: { k: 3, kernel: sobel, both: true },
  laplacian: { k: 3, kernel: [0, 1, 0, 1, -4, 1, 0, 1, 0], signed: true },
};
