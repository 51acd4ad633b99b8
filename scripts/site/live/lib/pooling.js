// Pooling, and what a number deep in a network has seen of the photo.

/** The first and last row and column of a window: top, left, bottom, right. */
export function square([row, column], size, stride) {
  const [top, left] = [row * stride, column * stride];
  return [top, left, top + size - 1, left + size - 1];
}

/** The numbers of a map, rows of them, in an area of it. */
export function within(map, [top, left, bottom, right]) {
  return map.slice(top, bottom + 1).flatMap((row) => row.slice(left, right + 1));
}

export const TAKES = {
  max: (numbers) => Math.max(...numbers),
  average: (numbers) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length,
};

/** Pool a map, rows of numbers; what does not fill a window is left out. */
export function pool(map, { kind = "max", size = 2, stride = size } = {}) {
  const [height, width] = [map.length, map[0].length].map((n) => Math.floor((n - size) / stride) + 1);
  return Array.from({ length: height }, (_, i) =>
    Array.from({ length: width }, (_, j) => TAKES[kind](within(map, square([i, j], size, stride)))),
  );
}

/** The layers of the article's network, up to its dense ones. */
export const ARTICLE = [1, 2, 3].flatMap((n) => [
  { kind: "conv", n, kernel: 3, stride: 1, padding: 1 },
  { kind: "pool", n, kernel: 2, stride: 2, padding: 0 },
]);

/** The side of each map, the photo's first. */
export function sides(photo, layers) {
  const found = [photo];
  for (const { kernel, stride, padding } of layers)
    found.push(Math.floor((found.at(-1) + 2 * padding - kernel) / stride) + 1);
  return found;
}

/** For a place of layer `index` (0 is the photo): the area that it has seen of each map before it.
 *
 * Areas are top, left, bottom, right; the first is that of the photo, the last the place itself.
 */
export function areas(layers, photo, index, [row, column]) {
  const all = sides(photo, layers);
  const found = [[row, column, row, column]];
  for (let at = index - 1; at >= 0; at--) {
    const { kernel, stride, padding } = layers[at];
    const [top, left, bottom, right] = found[0];
    const first = (x) => Math.max(0, x * stride - padding);
    const last = (x) => Math.min(all[at] - 1, x * stride - padding + kernel - 1);
    found.unshift([first(top), first(left), last(bottom), last(right)]);
  }
  return found;
}

/** The side of what is seen of the photo away from its border. */
export function receptiveField(layers) {
  let [field, apart] = [1, 1];
  for (const { kernel, stride } of layers) {
    field += (kernel - 1) * apart;
    apart *= stride;
  }
  return field;
}
