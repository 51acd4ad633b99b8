// Makes a photo ready as the metadata of the shipped ONNX file say, and asks that model about it.

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

/** The red, green and blue of pixels that a canvas gives, which have a fourth value. */
export function colours(pixels) {
  const rgb = new Uint8Array((pixels.length / 4) * 3);
  for (let i = 0, out = 0; i < pixels.length; i += 4) {
    rgb[out++] = pixels[i];
    rgb[out++] = pixels[i + 1];
    rgb[out++] = pixels[i + 2];
  }
  return rgb;
}

/**
 * Ask a session of onnxruntime-web, `ort`, about a photo. Returns the probability of dog, the
 * features before the last layer, and for each place how much it speaks for a dog.
 */
export async function ask(ort, session, pixels, width, height) {
  const size = session.inputMetadata[0].shape[1];
  const photo = new ort.Tensor("float32", square(pixels, width, height, size), [1, size, size, 3]);
  const found = await session.run({ photo });
  const [, ...heat] = found.heat.dims;
  return {
    dog: found.probabilities.data[1],
    features: found.features.data,
    heat: { values: found.heat.data, height: heat[0], width: heat[1] },
  };
}
