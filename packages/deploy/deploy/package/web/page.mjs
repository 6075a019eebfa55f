// The page: takes an image, asks the model, shows the likeliest classes.

import * as ort from "./ort.wasm.bundle.min.mjs";
import { ImageError, canvasIsTrue, drawn, pixelsOf } from "./images.mjs";
import { Classifier, likeliest, prepareRuntime, probabilities } from "./model.mjs";

const TOP = 5;
const SMALL = 96; // pixels: an image below is shown enlarged
const MANIFEST = "../manifest.json", LABELS = "../labels.txt", MODEL = "../uint8/1/model.onnx";

const part = (id) => document.getElementById(id);
const percent = (value) => (value < 0.001 ? "< 0.1 %" : `${(100 * value).toFixed(1)} %`);
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

function show(state, status, error = "") {
  document.body.dataset.state = state;
  part("status").textContent = status;
  part("error").textContent = error;
}

function element(kind, name, text = "") {
  const made = document.createElement(kind);
  made.className = name;
  made.textContent = text;
  return made;
}

/** The bytes of a file beside this page. Throws an `Error` that names it. */
async function fetched(path, progress = () => {}) {
  const answer = await fetch(path, { cache: "no-cache" }); // a package written anew has the same addresses
  if (!answer.ok) throw new Error(`${path}: the server answers ${answer.status}`);
  const parts = [];
  let size = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    parts.push(value);
    size += value.length;
    progress(size, Number(answer.headers.get("Content-Length")));
  }
}

async function load() {
  if (!canvasIsTrue()) throw new Error("this browser changes the pixels that a page reads; allow it to read canvases");
  const text = async (path) => new TextDecoder().decode(await fetched(path));
  const [manifest, labels] = await Promise.all([text(MANIFEST).then(JSON.parse), text(LABELS)]);
  const classes = labels.split("\n").slice(0, -1);
  describe(manifest, classes);
  const content = await fetched(MODEL, (size, all) =>
    show("loading", `Loading the model: ${megabytes(size)} of ${megabytes(all || size)} MB`));
  show("loading", "Starting the model");
  prepareRuntime(ort);
  ort.env.wasm.proxy = true; // in a thread of its own, so that the page does not freeze
  const channels = manifest.uint8.inputs[0].shape[3];
  return { classifier: await Classifier.open(ort, content), classes, channels };
}

function describe(manifest, classes) {
  const { accuracy, architecture, compression, training, weights, web } = manifest;
  const measured = accuracy ? ` It is right for ${accuracy.top1.toFixed(1)} % of ${accuracy.images.toLocaleString("en")} test images.` : "";
  document.title = part("name").textContent = architecture || "Image classifier";
  part("about").textContent = `It names one of ${classes.length} classes for any image.${measured}`;
  part("warning").textContent = [
    weights ? `Its weights are ${weights}.` : "",
    training && training !== "finished" ? `Its training did not reach its end (${training}).` : "",
    compression ? `It is compressed (${compression.to}), ${compression.verdict}.` : "",
  ].filter(Boolean).join(" ");
  part("runtime").textContent = `, by ${web.runtime}`;
  part("classes").querySelector("summary").textContent = `The ${classes.length} classes`;
  part("classes").querySelector("p").textContent = classes.join(", ");
  part("classes").hidden = false;
}

async function answer(file, { classifier, classes, channels }) {
  show("busy", "Looking at the image");
  part("picture").replaceChildren();
  part("answers").replaceChildren();
  try {
    const start = performance.now();
    const canvas = await drawn(file);
    canvas.classList.toggle("small", Math.max(canvas.width, canvas.height) < SMALL);
    canvas.role = "img";
    canvas.ariaLabel = file.name;
    part("picture").replaceChildren(canvas);
    const logits = await classifier.logits(pixelsOf(canvas, channels));
    if (logits.length !== classes.length) {
      throw new Error(`it has ${logits.length} logits, but ${LABELS} has ${classes.length} names; package it again`);
    }
    const values = probabilities(logits);
    part("answers").replaceChildren(...likeliest(values, TOP).map((number) => row(classes[number], values[number])));
    show("answered", `${canvas.width} x ${canvas.height} pixels, answered in ${Math.round(performance.now() - start)} ms`);
  } catch (error) {
    const reason = error instanceof ImageError ? "cannot be used as an image" : "the model cannot run on it";
    show("refused", "Choose another image.", `${file.name}: ${reason} (${error?.message ?? error})`);
  }
}

function row(name, probability) {
  const made = document.createElement("li");
  const track = element("span", "track");
  const bar = element("span", "bar");
  bar.style.width = `${100 * probability}%`;
  made.dataset.probability = probability;
  track.append(bar);
  made.append(element("span", "class", name), element("span", "percent", percent(probability)), track);
  return made;
}

/** Images are answered one after the other, in the order in which they come. */
function listen(model) {
  let last = Promise.resolve();
  const take = (files) => {
    if (files.length) last = last.then(() => answer(files[0], model));
    else show("refused", "Choose an image.", "that is not a file");
  };
  part("file").disabled = false;
  part("file").addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = ""; // so that the same file can be chosen again
    if (files.length) take(files);
  });
  document.addEventListener("paste", (event) => event.clipboardData.files.length && take([...event.clipboardData.files]));
  document.addEventListener("drop", (event) => take([...event.dataTransfer.files]));
  show("ready", "The model is ready.");
}

for (const [kind, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // the browser would open the file
    document.body.classList.toggle("over", over);
  });
}
show("loading", "Loading the model");
load().then(listen, (error) => show("broken", "", `The model cannot be loaded: ${error?.message ?? error}`));
