// Turns an image file into pixels as deploy/images.py does: upright, opaque on white, no colour profile. It is not
// resized: the model does that.

import { ImageError, withoutMetadata } from "./encoded.mjs";

export { ImageError };

const MOST_BYTES = 2 ** 27;
const MOST_PIXELS = 2 ** 26;
const AS_IT_IS = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
const LUMA = [19595, 38470, 7471]; // of 65536: ITU-R 601, as Pillow has it
// The matrix of EXIF's orientation 1 to 8, for an image of width w and height h before it is turned
const TURNS = [
  () => [1, 0, 0, 1, 0, 0], (w) => [-1, 0, 0, 1, w, 0], (w, h) => [-1, 0, 0, -1, w, h], (w, h) => [1, 0, 0, -1, 0, h],
  () => [0, 1, 1, 0, 0, 0], (w, h) => [0, 1, -1, 0, h, 0], (w, h) => [0, -1, -1, 0, h, w],
  (w) => [0, -1, 1, 0, 0, w],
];

/** A canvas that shows an image file upright on white. Throws `ImageError` if the file is not an image or too large. */
export async function drawn(file) {
  if (file.size > MOST_BYTES) throw new ImageError(`an image file has at most ${MOST_BYTES >> 20} MiB`);
  const { format, parts, orientation } = await withoutMetadata(await bytesOf(file));
  const bitmap = await decoded(new Blob(parts, { type: `image/${format.toLowerCase()}` }), format);
  try {
    const { width, height } = bitmap;
    if (width * height > MOST_PIXELS) throw tooLarge(width, height);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = orientation < 5 ? [width, height] : [height, width];
    const context = contextOf(canvas);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.setTransform(...TURNS[orientation - 1](width, height));
    context.imageSmoothingEnabled = false;
    context.drawImage(bitmap, 0, 0);
    return canvas;
  } finally {
    bitmap.close();
  }
}

/** `{pixels, height, width, channels}` of a canvas: bytes in rows, RGB or the luma of it. Throws `ImageError`. */
export function pixelsOf(canvas, channels) {
  const { width, height } = canvas;
  const { data } = contextOf(canvas).getImageData(0, 0, width, height);
  if (data[3] !== 255) throw tooLarge(width, height); // some browsers leave a canvas empty that is too large for them
  const pixels = new Uint8Array(width * height * channels);
  for (let from = 0, to = 0; to < pixels.length; from += 4) {
    if (channels === 1) {
      pixels[to++] = (LUMA[0] * data[from] + LUMA[1] * data[from + 1] + LUMA[2] * data[from + 2] + 0x8000) >> 16;
    } else {
      pixels[to++] = data[from];
      pixels[to++] = data[from + 1];
      pixels[to++] = data[from + 2];
    }
  }
  return { pixels, height, width, channels };
}

/** Whether this browser gives a page the pixels that it drew. Some change them, against tracking. */
export function canvasIsTrue() {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [16, 16];
  const context = contextOf(canvas);
  const image = context.createImageData(16, 16);
  image.data.forEach((_, place) => (image.data[place] = place % 4 === 3 ? 255 : (37 * place) % 256));
  context.putImageData(image, 0, 0);
  const found = context.getImageData(0, 0, 16, 16).data;
  return image.data.every((value, place) => value === found[place]);
}

async function bytesOf(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new ImageError("cannot be read; is it a folder?");
  }
}

async function decoded(blob, format) {
  try {
    return await createImageBitmap(blob, AS_IT_IS);
  } catch {
    throw new ImageError(`a ${format} that this browser cannot decode`);
  }
}

function contextOf(canvas) {
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (!context) throw tooLarge(canvas.width, canvas.height);
  return context;
}

function tooLarge(width, height) {
  return new ImageError(`${width} x ${height} pixels are too many here; make the image smaller`);
}
