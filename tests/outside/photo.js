// Makes a photo ready as the ONNX file's metadata say, and asks the model about it.

// Along one axis, what each new pixel is made of: [[old pixel, weight], …].
function area(from, to) {
  return Array.from({ length: to }, (_, i) => {
    const [start, end] = [(i * from) / to, ((i + 1) * from) / to];
    const covered = [];
    for (let at = Math.floor(start); at < Math.min(end, from); at++)
      covered.push([at, (Math.min(at + 1, end) - Math.max(at, start)) / (end - start)]);
    return covered;
  });
}

function bilinear(from, to) {
  const inside = (at) => Math.max(0, Math.min(from - 1, at));
  return Array.from({ length: to }, (_, i) => {
    const centre = ((i + 0.5) * from) / to - 0.5;
    const [left, part] = [Math.floor(centre), centre - Math.floor(centre)];
    return [
      [inside(left), Math.round(2048 * (1 - part))],
      [inside(left + 1), Math.round(2048 * part)],
    ];
  });
}

/** Stretch a photo, height × width × RGB in 0 to 255, to a square: a Float32Array. */
export function square(pixels, width, height, size) {
  const shrinks = Math.min(width, height) > size;
  const [columns, rows] = [width, height].map((n) => (shrinks ? area : bilinear)(n, size));
  const photo = new Float32Array(size * size * 3);
  for (let y = 0, out = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      for (let colour = 0; colour < 3; colour++) {
        let sum = shrinks ? 0 : 2;
        for (const [row, part] of rows[y]) {
          let value = 0;
          for (const [column, share] of columns[x])
            value += share * pixels[(row * width + column) * 3 + colour];
          sum += shrinks ? part * value : (part * (value >> 4)) >> 16;
        }
        photo[out++] = shrinks ? Math.round(sum) : sum >> 2;
      }
  return photo;
}

/** Return the probability of dog. `ort` is onnxruntime-web, `model` the file's bytes or address. */
export async function predict(ort, model, pixels, width, height) {
  const session = await ort.InferenceSession.create(model);
  const size = session.inputMetadata[0].shape[1];
  const photo = new ort.Tensor("float32", square(pixels, width, height, size), [1, size, size, 3]);
  const { probabilities } = await session.run({ photo }, ["probabilities"]);
  return probabilities.data[1];
}
