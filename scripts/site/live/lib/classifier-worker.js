// Runs the shipped model with onnxruntime-web, away from the page.
import { load } from "./keeping.js";
import { distance, open } from "./known.js";
import { ask, colours } from "./photo.js";

let ort, session, bank, threshold;

function script(buffer) {
  return URL.createObjectURL(new Blob([buffer], { type: "text/javascript" }));
}

async function start({ home, about }) {
  const files = await load(home, about.files, (bytes) => postMessage({ bytes }));
  ort = await import(script(files["ort.wasm.min.mjs"]));
  ort.env.wasm.numThreads = 1; // more need headers that a plain server does not send
  ort.env.wasm.wasmPaths = { mjs: script(files["ort-wasm-simd-threaded.mjs"]) };
  ort.env.wasm.wasmBinary = files["ort-wasm-simd-threaded.wasm"];
  session = await ort.InferenceSession.create(files["classifier.onnx"]);
  bank = open(files["known.bin"], about.known.photos);
  ({ threshold } = about.known);
  return { ready: true };
}

async function answer({ photo: { pixels, width, height } }) {
  const begun = performance.now();
  const { dog, features, heat } = await ask(ort, session, colours(pixels), width, height);
  const neither = distance(bank, features) > threshold;
  return { answer: { dog, neither, heat, seconds: (performance.now() - begun) / 1000 } };
}

onmessage = async ({ data }) => {
  try {
    postMessage(await (data.photo ? answer : start)(data));
  } catch (error) {
    postMessage({ error: String(error?.message || error) });
  }
};
