// node predict.js MODEL.onnx PHOTO.rgb WIDTH HEIGHT: prints the probability of dog.
import { readFile } from "node:fs/promises";
import * as ort from "onnxruntime-web";
import { predict } from "./photo.js";

const [model, photo, width, height] = process.argv.slice(2);
console.log(await predict(ort, await readFile(model), await readFile(photo), +width, +height));
