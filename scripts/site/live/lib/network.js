// A sequential network of Keras, forwards: each layer's numbers, and what made each of them.
// A layer's numbers are height × width × channels, the last index the fastest.

const halves = new Float32Array(1 << 16).map((_, bits) => {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
});

/** Open a network: `about` is what network.json says, `buffer` the bytes of network.bin. */
export function open(about, buffer) {
  const array = ({ shape, bits, at }) => {
    const n = shape.reduce((a, b) => a * b, 1);
    if (bits === 32) return new Float32Array(buffer, at, n);
    return Float32Array.from(new Uint16Array(buffer, at, n), (half) => halves[half]);
  };
  const layers = about.layers.map((layer) =>
    layer.kernel ? { ...layer, kernel: array(layer.kernel), bias: array(layer.bias) } : layer,
  );
  return { size: about.size, layers };
}

const kinds = {
  Rescaling({ scale, offset }, { shape, values }) {
    return { shape, values: values.map((value) => value * scale + offset) };
  },

  Conv2D({ kernel, bias, relu }, { shape: [height, width, channels], values }) {
    const filters = bias.length;
    const out = new Float32Array(height * width * filters);
    const sums = new Float64Array(filters);
    for (let y = 0, at = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        sums.set(bias);
        for (let row = 0; row < 3; row++)
          for (let column = 0; column < 3; column++) {
            const [py, px] = [y + row - 1, x + column - 1];
            if (py < 0 || px < 0 || py >= height || px >= width) continue;
            const first = (py * width + px) * channels;
            let weight = (row * 3 + column) * channels * filters;
            for (let i = first; i < first + channels; i++) {
              const value = values[i];
              if (value === 0) weight += filters;
              else for (let j = 0; j < filters; j++) sums[j] += value * kernel[weight++];
            }
          }
        for (let j = 0; j < filters; j++) out[at++] = relu && sums[j] < 0 ? 0 : sums[j];
      }
    return { shape: [height, width, filters], values: out };
  },

  MaxPooling2D(_, { shape: [height, width, channels], values }) {
    const shape = [height >> 1, width >> 1, channels];
    const out = new Float32Array(shape[0] * shape[1] * channels).fill(-Infinity);
    for (let y = 0; y < 2 * shape[0]; y++)
      for (let x = 0; x < 2 * shape[1]; x++) {
        const [from, to] = [y * width + x, (y >> 1) * shape[1] + (x >> 1)];
        for (let i = 0; i < channels; i++)
          out[to * channels + i] = Math.max(out[to * channels + i], values[from * channels + i]);
      }
    return { shape, values: out };
  },

  Dense({ kernel, bias, relu }, { values }) {
    const sums = Float64Array.from(bias);
    for (let i = 0, weight = 0; i < values.length; i++)
      for (let j = 0; j < sums.length; j++) sums[j] += values[i] * kernel[weight++];
    return {
      shape: [1, 1, sums.length],
      values: Float32Array.from(sums, (sum) => (relu ? Math.max(sum, 0) : sum)),
    };
  },

  Activation(_, { shape, values }) {
    const largest = Math.max(...values);
    const powers = values.map((value) => Math.exp(value - largest));
    const all = powers.reduce((a, b) => a + b, 0);
    return { shape, values: powers.map((power) => power / all) };
  },
};

/** What every layer makes of a square photo, 0 to 255: the photo itself comes first. */
export function run({ size, layers }, photo) {
  const found = [{ shape: [size, size, 3], values: Float32Array.from(photo) }];
  for (const layer of layers) found.push(kinds[layer.kind](layer, found.at(-1)));
  return found;
}

/**
 * What made the number at `place`, [y, x, channel], of layer `index`, of which 0 is the photo.
 *
 * Its `groups` are the maps that it was made from, each with its terms: a value, where that stands,
 * `from`, and its weight. A window reaches over the edge where `from` is null. `sum` is before the
 * activation function, `value` after it.
 */
export function explain({ layers }, found, index, [y, x, channel]) {
  const { shape, values } = found[index];
  const value = values[(y * shape[1] + x) * shape[2] + channel];
  if (!index) return { kind: "Photo", value, bias: 0, sum: value, groups: [] };
  const [layer, before] = [layers[index - 1], found[index - 1]];
  const { kind, bias, kernel, relu = false } = layer;
  const [height, width, channels] = before.shape;
  const term = (py, px, i, weight = 1) => {
    const outside = py < 0 || px < 0 || py >= height || px >= width;
    const input = outside ? 0 : before.values[(py * width + px) * channels + i];
    return { from: outside ? null : [py, px, i], value: input, weight, product: input * weight };
  };
  const group = (i, terms) => ({
    channel: i,
    terms,
    sum: terms.reduce((sum, { product }) => sum + product, 0),
  });
  const window = (side, corner, i, weight) =>
    Array.from({ length: side * side }, (_, n) => {
      const [row, column] = [Math.floor(n / side), n % side];
      return term(corner[0] + row, corner[1] + column, i, weight?.(n));
    });
  const every = (make) => Array.from({ length: channels }, (_, i) => group(i, make(i)));
  let groups;
  if (kind === "Conv2D") {
    const weight = (i) => (n) => kernel[(n * channels + i) * shape[2] + channel];
    groups = every((i) => window(3, [y - 1, x - 1], i, weight(i)));
  } else if (kind === "MaxPooling2D") {
    groups = [group(channel, window(2, [2 * y, 2 * x], channel))];
  } else if (kind === "Dense") {
    const weight = (n, i) => kernel[(n * channels + i) * shape[2] + channel];
    groups = every((i) =>
      Array.from({ length: height * width }, (_, n) =>
        term(Math.floor(n / width), n % width, i, weight(n, i)),
      ),
    );
  } else if (kind === "Activation") {
    groups = every((i) => [term(0, 0, i)]);
  } else {
    groups = [group(channel, [term(y, x, channel, layer.scale)])];
  }
  const start = bias ? bias[channel] : (layer.offset ?? 0);
  const sum = bias || layer.scale ? groups.reduce((all, part) => all + part.sum, start) : value;
  return { kind, value, relu, bias: start, sum, groups };
}

/** Which part of the photo a number can see: [top, left, bottom, right], the last two inside. */
export function seen({ size, layers }, index, [y, x]) {
  let area = [y, x, y, x];
  for (let i = index - 1; i >= 0; i--) {
    const { kind } = layers[i];
    if (kind === "Dense") return [0, 0, size - 1, size - 1];
    if (kind === "Conv2D") area = area.map((at, side) => at + (side < 2 ? -1 : 1));
    if (kind === "MaxPooling2D") area = area.map((at, side) => 2 * at + (side < 2 ? 0 : 1));
  }
  return area.map((at) => Math.max(0, Math.min(size - 1, at)));
}
