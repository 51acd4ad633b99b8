// node predict.js MODEL.onnx PHOTO.rgb WIDTH HEIGHT: prints the probability of dog.
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";
import { ask } from "./photo.js";

const [model, photo, width, height] = process.argv.slice(2);
const session = await ort.InferenceSession.create(await readFile(model));
console.log((await ask(ort, session, await readFile(photo), +width, +height)).dog);
