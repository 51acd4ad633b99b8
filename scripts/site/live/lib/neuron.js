// One neuron with two weights, and the steps by which it learns.

/** Ears and nose of the eight animals of the chapter, in cm, and whether each is a dog. */
export const ANIMALS = [
  [3, 1, 0], [2.5, 1, 0], [3.5, 1.5, 0], [1.5, 1.5, 0],
  [1, 2, 1], [0.5, 1.5, 1], [1.5, 3, 1], [2.5, 1.5, 1],
];

export const sigmoid = (z) => 1 / (1 + Math.exp(-z));

/** What one animal says: its sum, prediction, error, loss, and the slope along each weight. */
export function example([ears, nose, dog], [w1, w2]) {
  const z = w1 * ears + w2 * nose;
  const p = sigmoid(z);
  const error = p - dog;
  const loss = dog ? Math.log1p(Math.exp(-z)) : Math.log1p(Math.exp(z)); // −ln of the right one
  return { z, p, error, loss, slopes: [error * ears, error * nose] };
}

const mean = (numbers) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

export const loss = (animals, w) => mean(animals.map((animal) => example(animal, w).loss));

export function gradient(animals, w) {
  const slopes = animals.map((animal) => example(animal, w).slopes);
  return [0, 1].map((i) => mean(slopes.map((slope) => slope[i])));
}

export function step(animals, w, rate) {
  const slopes = gradient(animals, w);
  return w.map((weight, i) => weight - rate * slopes[i]);
}

/** Where a function of (x, y) has a value: short lines [x, y, x, y], found cell by cell. */
export function contour(f, [left, right], [low, high], level, cells = 40) {
  const at = (i, j) => [left + ((right - left) * i) / cells, low + ((high - low) * j) / cells];
  const heights = Array.from({ length: cells + 1 }, (_, i) =>
    Array.from({ length: cells + 1 }, (_, j) => f(...at(i, j)) - level),
  );
  const lines = [];
  for (let i = 0; i < cells; i++)
    for (let j = 0; j < cells; j++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
      const crossed = [];
      corners.forEach(([a, b], n) => {
        const [c, d] = corners[(n + 1) % 4];
        const [here, there] = [heights[a][b], heights[c][d]];
        if (here < 0 === there < 0) return;
        const part = here / (here - there);
        const [from, to] = [at(a, b), at(c, d)];
        crossed.push(...from.map((x, axis) => x + part * (to[axis] - x)));
      });
      for (let n = 0; n + 3 < crossed.length; n += 4) lines.push(crossed.slice(n, n + 4));
    }
  return lines;
}
