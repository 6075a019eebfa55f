// Reads image files before they are decoded: their format (by content), their orientation, and what a decoder needs.
// The rules are those of deploy/encoded.py. Without metadata, no browser applies a colour profile or turns an image.

export class ImageError extends Error {}

const MOST_PARTS = 100_000;
const MOST_SCANS = 200;
const PROFILE_BYTES = 2 ** 18;
const NONE = new Uint8Array();

const MAGIC = [
  [0, "\xff\xd8\xff", "JPEG"], [0, "\x89PNG\r\n\x1a\n", "PNG"], [8, "WEBP", "WebP"], [0, "GIF8", "GIF"],
  [0, "II*\0", "TIFF"], [0, "MM\0*", "TIFF"], [4, "ftypavi", "AVIF"], [4, "ftyphei", "HEIC"], [4, "ftypmif1", "HEIC"],
  [0, "\xff\x0a", "JPEG XL"], [0, "BM", "BMP"], [0, "8BPS", "Photoshop"], [0, "%PDF", "PDF"], [0, "<svg", "SVG"],
];
const FORMATS = { JPEG: jpeg, PNG: png, WebP: webp };
const PNG_NEEDED = ["PLTE", "tRNS", "IDAT"];
const PNG_END = Uint8Array.of(0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82);
const RAW_PROFILE = "Raw profile type exif\0";

/** `{format, parts, orientation}` of a file's bytes: `parts` decode to the same pixels. Throws `ImageError`. */
export async function withoutMetadata(content) {
  const format = MAGIC.find(([place, magic]) => starts(content, place, magic))?.[2];
  if (!(format in FORMATS)) {
    const reason = format ? `${format} is not read, convert it` : content.length ? "not an image" : "an empty file";
    throw new ImageError(`${reason}; JPEG, PNG and WebP are known`);
  }
  const { parts, exif = NONE, xmp = NONE, profile } = FORMATS[format](content);
  const found = exif.length || !profile ? exif : await rawProfile(profile);
  return { format, parts, orientation: orientation(found, xmp) };
}

/** Keeps all but comments and application data; JFIF's and Adobe's say how colours are coded. */
function jpeg(content) {
  const view = viewOf(content);
  const parts = [content.subarray(0, 2)];
  let exif = NONE, xmp = NONE, position = 2;
  for (let part = 0; part < MOST_PARTS; part++) {
    position = content.indexOf(0xff, position); // decoders skip bytes between two segments
    if (position < 0 || position + 4 > content.length) break;
    const marker = content[position + 1];
    if (marker === 0xda) {
      checkScans(content, position);
      if (!ends(content, position)) break;
      return { parts: [...parts, content.subarray(position)], exif, xmp };
    }
    if (marker <= 0x01 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd8)) {
      position += marker === 0xff ? 1 : 2; // not a segment, or one without a length
      continue;
    }
    const end = position + 2 + view.getUint16(position + 2);
    if (marker === 0xd9 || end < position + 4 || end > content.length) break;
    const data = content.subarray(position + 4, end);
    if (jpegNeeds(marker, data)) parts.push(content.subarray(position, end));
    else if (marker === 0xe1 && starts(data, 0, "Exif\0\0")) exif = exif.length ? exif : data.subarray(6);
    else if (marker === 0xe1 && starts(data, 0, "http://ns.adobe.com/xap/1.0/\0")) xmp = data;
    position = end;
  }
  throw new ImageError("a JPEG that is cut off");
}

/** Throws `ImageError` for too many scans from `position` to the end of the image. A video may follow it. */
function checkScans(content, position) {
  const view = viewOf(content);
  let scans = 0;
  for (let at = content.indexOf(0xff, position); at >= 0 && at + 4 <= content.length; ) {
    const marker = content[at + 1];
    if (marker === 0xd9) return;
    scans += marker === 0xda;
    if (scans > MOST_SCANS) throw new ImageError(`a JPEG of more than ${MOST_SCANS} scans`);
    const without = marker <= 0x01 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd8); // a length
    at = content.indexOf(0xff, at + (without ? 1 : 2 + view.getUint16(at + 2)));
  }
}

function jpegNeeds(marker, data) {
  if (marker === 0xe0) return starts(data, 0, "JFIF\0") && data.length >= 14;
  if (marker === 0xee) return starts(data, 0, "Adobe") && data.length >= 12;
  return !((marker >= 0xe0 && marker <= 0xef) || marker === 0xfe);
}

/** Whether the end of an image comes after `position`. Browsers show a cut-off JPEG in grey. */
function ends(content, position) {
  for (let at = content.indexOf(0xd9, position); at >= 0; at = content.indexOf(0xd9, at + 1)) {
    if (content[at - 1] === 0xff) return true;
  }
  return false;
}

/** Keeps the still image: header, palette, transparency and pixels. */
function png(content) {
  if (!starts(content, 12, "IHDR")) throw new ImageError("a PNG without a header");
  if (content[24] === 16) throw new ImageError("more than 8 bits a channel; convert it to 8 bits");
  const view = viewOf(content);
  const parts = [content.subarray(0, 33)];
  let exif = NONE, xmp = NONE, profile;
  for (let position = 33; position + 8 <= content.length; ) {
    const end = position + 12 + view.getUint32(position);
    const kind = text(content.subarray(position + 4, position + 8));
    const data = content.subarray(position + 8, end - 4);
    if (PNG_NEEDED.includes(kind)) {
      if (end > content.length) throw new ImageError("a PNG that is cut off");
      parts.push(content.subarray(position, end));
    } else if (kind === "eXIf") exif = starts(data, 0, "Exif\0\0") ? data.subarray(6) : data;
    else if (kind === "iTXt" && starts(data, 0, "XML:com.adobe.xmp\0\0")) xmp = data;
    else if (kind === "tEXt" && starts(data, 0, RAW_PROFILE)) profile ??= [data.subarray(RAW_PROFILE.length)];
    else if (kind === "zTXt" && starts(data, 0, RAW_PROFILE)) profile ??= [data.subarray(RAW_PROFILE.length + 1), true];
    position = kind === "IEND" ? content.length : end;
  }
  return { parts: [...parts, PNG_END], exif, xmp, profile };
}

/** Keeps all chunks but the colour profile, EXIF and XMP, and says so in the header. */
function webp(content) {
  const view = viewOf(content);
  const chunks = [];
  let exif = NONE, xmp = NONE;
  for (let position = 12; position + 8 <= content.length; ) {
    const length = view.getUint32(position + 4, true);
    const kind = text(content.subarray(position, position + 4));
    const end = position + 8 + length + (length % 2);
    const chunk = content.slice(position, end);
    if (kind === "VP8X") chunk[8] &= 0xff - 0x2c;
    if (kind === "EXIF") exif = starts(chunk, 8, "Exif\0\0") ? chunk.subarray(14) : chunk.subarray(8);
    else if (kind === "XMP ") xmp = chunk.subarray(8, 8 + length);
    else if (kind !== "ICCP") chunks.push(chunk);
    position = end;
  }
  const head = content.slice(0, 12);
  const size = chunks.reduce((total, chunk) => total + chunk.length, 4);
  viewOf(head).setUint32(4, size, true);
  return { parts: [head, ...chunks], exif, xmp };
}

/** EXIF from PNG text: hexadecimal, after three lines. */
async function rawProfile([data, packed]) {
  let bytes = data;
  try {
    if (packed) bytes = await inflated(data);
  } catch {
    return NONE;
  }
  const digits = text(bytes.subarray(0, PROFILE_BYTES)).split("\n").slice(3).join("").replace(/\s/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) return NONE;
  const exif = Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  return starts(exif, 0, "Exif\0\0") ? exif.subarray(6) : exif;
}

async function inflated(data) {
  const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts = [];
  for (let size = 0; size < PROFILE_BYTES; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** EXIF's orientation, else XMP's, else 1. */
function orientation(exif, xmp) {
  let found;
  try {
    found = orientationEntry(exif);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // EXIF is cut off, or an offset leads outside it
  }
  found ??= Number(/tiff:Orientation(?:="|>)([0-9])/.exec(text(xmp))?.[1] ?? 1);
  return found >= 1 && found <= 8 ? found : 1;
}

function orientationEntry(exif) {
  const little = starts(exif, 0, "II");
  if (!little && !starts(exif, 0, "MM")) return undefined;
  const view = viewOf(exif);
  const start = view.getUint32(4, little);
  const entries = view.getUint16(start, little);
  for (let entry = start + 2; entry < start + 2 + 12 * entries; entry += 12) {
    const kind = view.getUint16(entry + 2, little);
    if (view.getUint16(entry, little) !== 0x0112 || view.getUint32(entry + 4, little) !== 1) continue;
    if (kind === 1) return view.getUint8(entry + 8);
    if (kind === 3) return view.getUint16(entry + 8, little);
    if (kind === 4) return view.getUint32(entry + 8, little);
  }
  return undefined;
}

function viewOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes as text, a character each. */
function text(bytes) {
  let found = "";
  for (let start = 0; start < bytes.length; start += 4096) {
    found += String.fromCharCode(...bytes.subarray(start, start + 4096));
  }
  return found;
}

function starts(bytes, place, magic) {
  return place + magic.length <= bytes.length && text(bytes.subarray(place, place + magic.length)) === magic;
}
