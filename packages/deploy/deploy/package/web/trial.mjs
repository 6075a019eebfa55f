// Runs a page's modules in Node.js: node trial.mjs WEB-FOLDER MODEL PIXELS HEIGHT WIDTH CHANNELS
// Prints the logits as JSON, or the problem of the model. It prints nothing if Node.js cannot run onnxruntime-web.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, model, image, height, width, channels] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(folder, name)).href);
const ort = await load("ort.wasm.bundle.min.mjs");
const { Classifier, prepareRuntime } = await load("model.mjs");
prepareRuntime(ort);
ort.env.wasm.proxy = false;
ort.env.wasm.wasmBinary = await readFile(join(folder, "ort-wasm-simd-threaded.wasm"));

const start = await Classifier.open(ort, new Uint8Array(1)).catch((error) => String(error)); // no model: only starts
if (String(start).includes("no available backend")) process.exit(1);

let found;
console.log("started");
try {
  const classifier = await Classifier.open(ort, await readFile(model));
  const pixels = new Uint8Array(await readFile(image));
  const logits = await classifier.logits({ pixels, height: +height, width: +width, channels: +channels });
  found = { logits: [...logits] };
} catch (error) {
  found = { problem: error?.message ?? String(error) };
}
console.log(JSON.stringify(found));
process.exit(0); // the runtime may hold threads
