// A kernel that slides over a small picture: rows of numbers in, rows of numbers out.

/** How many places a kernel of k has along n pixels. */
export function outputSize(n, k, { stride = 1, padding = 0, dilation = 1 } = {}) {
  return Math.floor((n + 2 * padding - dilation * (k - 1) - 1) / stride) + 1;
}

/** What the number at a place of the result is the sum of: a list, row by row of the kernel. */
export function terms(picture, kernel, settings, [i, j]) {
  const { stride = 1, padding = 0, dilation = 1 } = settings;
  return kernel.flatMap((weights, a) =>
    weights.map((weight, b) => {
      const row = i * stride + a * dilation - padding;
      const column = j * stride + b * dilation - padding;
      const value = picture[row]?.[column] ?? 0; // padding
      return { row, column, value, weight, product: value * weight };
    }),
  );
}

export const total = (products) => products.reduce((sum, { product }) => sum + product, 0);

/** The whole result: cross-correlation, as in a network. */
export function convolve(picture, kernel, settings = {}) {
  const height = outputSize(picture.length, kernel.length, settings);
  const width = outputSize(picture[0].length, kernel[0].length, settings);
  return Array.from({ length: Math.max(0, height) }, (_, i) =>
    Array.from({ length: Math.max(0, width) }, (_, j) => total(terms(picture, kernel, settings, [i, j]))),
  );
}
