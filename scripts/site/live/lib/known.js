// Tells what looks like no cat or dog by the angle to the nearest of the photos that are known.

/**
 * Open the known photos' features: `buffer` has a byte for each, then for each photo the value of
 * byte 0 and the step of one. Returns a Float32Array for each photo, of length 1.
 */
export function open(buffer, photos) {
  const n = buffer.byteLength / photos - 8;
  const bytes = new Uint8Array(buffer, 0, photos * n);
  const scale = new Float32Array(buffer, photos * n);
  return Array.from({ length: photos }, (_, i) => {
    const [low, step] = scale.subarray(2 * i, 2 * i + 2);
    return unit(Float32Array.from(bytes.subarray(i * n, (i + 1) * n), (byte) => low + step * byte));
  });
}

function unit(values) {
  const length = Math.max(Math.hypot(...values), 1e-12);
  return values.map((value) => value / length);
}

/** 1 - cosine of the angle between features and the nearest known ones. */
export function distance(known, features) {
  const direction = unit(features);
  const cosine = (other) => other.reduce((sum, value, i) => sum + value * direction[i], 0);
  return 1 - Math.max(...known.map(cosine));
}
