// One small layer, connected in three ways: which weights there are, and what it computes.

/** A row of weights a neuron, for n pixels and kernels of k; null where there is no connection.
 *
 * `kind` is dense, local or shared; `kernel` holds the k weights that are shared. The others are
 * drawn, the same at each visit.
 */
export function weights(kind, n, kernel) {
  const k = kernel.length;
  let seed = 20;
  const draw = () => {
    seed = (seed * 48271) % 2147483647;
    return ((seed % 19) - 9) / 10;
  };
  return Array.from({ length: n - k + 1 }, (_, neuron) =>
    Array.from({ length: n }, (_, pixel) => {
      const drawn = draw();
      const near = pixel >= neuron && pixel < neuron + k;
      if (kind === "dense") return drawn;
      if (!near) return null;
      return kind === "local" ? drawn : kernel[pixel - neuron];
    }),
  );
}

/** How many different weights each kind has, on n pixels, for kernels of k. */
export const counts = (n, k) => ({ dense: n * (n - k + 1), local: k * (n - k + 1), shared: k });

export const activations = (matrix, pixels) =>
  matrix.map((row) => row.reduce((sum, weight, i) => sum + (weight ?? 0) * pixels[i], 0));
