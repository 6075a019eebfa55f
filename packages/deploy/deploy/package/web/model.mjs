// Runs a model that takes images: uint8 (1, H, W, C) of any size in, logits out.

/** One thread: several need headers of the server that `python -m http.server` does not send. */
export function prepareRuntime(ort) {
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
}

export class Classifier {
  constructor(ort, session) {
    this.ort = ort;
    this.session = session;
  }

  /** `content`: the bytes of the ONNX file. Throws what onnxruntime-web throws. */
  static async open(ort, content) {
    const session = await ort.InferenceSession.create(content, { executionProviders: ["wasm"], logSeverityLevel: 3 });
    return new Classifier(ort, session);
  }

  /** Float32 logits of one image: `pixels` are `height * width * channels` bytes. */
  async logits({ pixels, height, width, channels }) {
    const image = new this.ort.Tensor("uint8", pixels, [1, height, width, channels]);
    const [input] = this.session.inputNames;
    const [output] = this.session.outputNames;
    const answer = await this.session.run({ [input]: image });
    const logits = answer[output].data;
    if (!logits.every(Number.isFinite)) throw new Error("the model answers NaN or infinity");
    return logits;
  }
}

/** The softmax of logits. */
export function probabilities(logits) {
  const largest = logits.reduce((one, other) => Math.max(one, other));
  const odds = Array.from(logits, (logit) => Math.exp(logit - largest));
  const total = odds.reduce((one, other) => one + other);
  return odds.map((odd) => odd / total);
}

/** The numbers of the `count` most probable classes, the likeliest first; of equals, the first one first. */
export function likeliest(values, count) {
  return [...values.keys()].sort((one, other) => values[other] - values[one] || one - other).slice(0, count);
}
