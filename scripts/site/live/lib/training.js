// A small CNN that learns: forwards, backwards, and steps of SGD with momentum.
//
// convolution 5×5, ReLU, max pooling; convolution 3×3, ReLU, max pooling; dense; softmax of 2.
// Pictures and maps are height × width × channels, kernels row × column × from × to, as in Keras.

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A network with weights drawn as Keras draws them (Glorot, uniform); biases are 0. */
export function create({ side = 32, filters = 8, second = 16, seed = 1, Type = Float32Array }) {
  const flat = (side >> 2) ** 2 * second;
  const shapes = {
    kernel1: [5, 5, 3, filters], bias1: [filters],
    kernel2: [3, 3, filters, second], bias2: [second],
    kernel3: [flat, 2], bias3: [2],
  };
  const draw = random(seed);
  const [weights, velocity, gradient] = [{}, {}, {}];
  for (const [name, shape] of Object.entries(shapes)) {
    const n = shape.reduce((a, b) => a * b);
    const [from, to] = shape.slice(-2);
    const limit = name.startsWith("bias") ? 0 : Math.sqrt(6 / ((n / from / to) * (from + to)));
    weights[name] = new Type(n).map(() => limit * (2 * draw() - 1));
    [velocity[name], gradient[name]] = [new Type(n), new Type(n)];
  }
  const maps = (size, channels) => new Type(size * size * channels);
  const half = side >> 1;
  const layer = (size, from, to, kernel) => ({
    size, from, to, kernel, maps: maps(size, to), pooled: maps(size >> 1, to),
    largest: new Int32Array((size >> 1) ** 2 * to), slope: maps(size >> 1, to),
  });
  const layers = [layer(side, 3, filters, 5), layer(half, filters, second, 3)];
  return { side, filters, shapes, weights, velocity, gradient, layers };
}

/** A convolution whose window stays inside: what lies outside counts as 0. Then ReLU and pooling. */
function convolve({ size, from, to, kernel, maps, pooled, largest }, weights, bias, input) {
  const reach = kernel >> 1;
  for (let y = 0, here = 0; y < size; y++)
    for (let x = 0; x < size; x++, here += to) {
      for (let j = 0; j < to; j++) maps[here + j] = bias[j];
      for (let row = Math.max(0, y - reach); row <= Math.min(size - 1, y + reach); row++)
        for (let column = Math.max(0, x - reach); column <= Math.min(size - 1, x + reach); column++) {
          let weight = ((row - y + reach) * kernel + column - x + reach) * from * to;
          let at = (row * size + column) * from;
          for (let i = 0; i < from; i++) {
            const value = input[at++];
            for (let j = 0; j < to; j++) maps[here + j] += value * weights[weight++];
          }
        }
    }
  const half = size >> 1;
  for (let i = 0; i < pooled.length; i++) {
    const pixel = Math.floor(i / to);
    const first = (2 * Math.floor(pixel / half) * size + 2 * (pixel % half)) * to + (i % to);
    let best = first;
    if (maps[first + to] > maps[best]) best = first + to;
    if (maps[first + size * to] > maps[best]) best = first + size * to;
    if (maps[first + size * to + to] > maps[best]) best = first + size * to + to;
    largest[i] = best;
    pooled[i] = Math.max(0, maps[best]); // the ReLU: before pooling it would give the same
  }
}

/**
 * Carry the gradient by a layer's pooled maps, `slope`, to its kernel and bias and, where asked, to
 * its input. Only the largest of each four, and where the ReLU lets them through, were of influence.
 */
function back(layer, weights, gradient, bias, input, inputSlope) {
  const { size, from, to, kernel, largest, pooled, slope } = layer;
  const reach = kernel >> 1;
  inputSlope?.fill(0);
  for (let n = 0; n < pooled.length; n++) {
    if (pooled[n] <= 0) continue;
    const [change, j, pixel] = [slope[n], n % to, Math.floor(largest[n] / to)];
    const [y, x] = [Math.floor(pixel / size), pixel % size];
    bias[j] += change;
    for (let row = Math.max(0, y - reach); row <= Math.min(size - 1, y + reach); row++)
      for (let column = Math.max(0, x - reach); column <= Math.min(size - 1, x + reach); column++) {
        let weight = ((row - y + reach) * kernel + column - x + reach) * from * to + j;
        let at = (row * size + column) * from;
        for (let i = 0; i < from; i++, at++, weight += to) {
          gradient[weight] += input[at] * change;
          if (inputSlope) inputSlope[at] += weights[weight] * change;
        }
      }
  }
}

/** The probability of dog of a picture, side × side × 3, each number from -1 to 1. */
export function predict({ weights, layers: [first, second] }, picture) {
  convolve(first, weights.kernel1, weights.bias1, picture);
  convolve(second, weights.kernel2, weights.bias2, first.pooled);
  let logit = weights.bias3[1] - weights.bias3[0];
  second.pooled.forEach((value, i) => {
    logit += value * (weights.kernel3[2 * i + 1] - weights.kernel3[2 * i]);
  });
  return 1 / (1 + Math.exp(-logit)); // softmax of two logits
}

const crossEntropy = (dog, label) => -Math.log(Math.max(label ? dog : 1 - dog, 1e-7));

/** Mean loss and accuracy over pictures with labels, 0 for cat and 1 for dog. */
export function evaluate(network, pictures, labels) {
  const dogs = pictures.map((picture) => predict(network, picture));
  const mean = (of) => dogs.reduce((sum, dog, i) => sum + of(dog, labels[i]), 0) / dogs.length;
  return { loss: mean(crossEntropy), accuracy: mean((dog, label) => (dog >= 0.5) === !!label), dogs };
}

/** Put the gradient of the mean loss over a batch into `network.gradient`; return that loss. */
export function differentiate(network, pictures, labels) {
  const { weights, gradient, layers: [first, second] } = network;
  Object.values(gradient).forEach((values) => values.fill(0));
  let loss = 0;
  pictures.forEach((picture, n) => {
    const dog = predict(network, picture);
    loss += crossEntropy(dog, labels[n]) / pictures.length;
    const slope = (dog - labels[n]) / pictures.length; // of the loss by dog's logit; cat's is -slope
    gradient.bias3[0] -= slope;
    gradient.bias3[1] += slope;
    second.pooled.forEach((value, i) => {
      gradient.kernel3[2 * i] -= value * slope;
      gradient.kernel3[2 * i + 1] += value * slope;
      second.slope[i] = slope * (weights.kernel3[2 * i + 1] - weights.kernel3[2 * i]);
    });
    back(second, weights.kernel2, gradient.kernel2, gradient.bias2, first.pooled, first.slope);
    back(first, weights.kernel1, gradient.kernel1, gradient.bias1, picture);
  });
  return loss;
}

/** One step against the gradient, with momentum, as Keras's SGD takes it. */
export function step({ weights, velocity, gradient }, rate, momentum = 0.9) {
  for (const name in weights)
    for (let i = 0; i < weights[name].length; i++) {
      velocity[name][i] = momentum * velocity[name][i] - rate * gradient[name][i];
      weights[name][i] += velocity[name][i];
    }
}
