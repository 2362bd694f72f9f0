// png.mjs: a picture of few colours as a palette PNG: a third of the bytes, and no eye sees it.
import { deflateSync, inflateSync } from 'node:zlib';

const crcTable = Int32Array.from({ length: 256 }, (_, n) => { for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1; return n; });
const crc = bytes => { let c = -1; for (const b of bytes) c = crcTable[(c ^ b) & 255] ^ (c >>> 8); return (c ^ -1) >>> 0; };

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]), out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length);
  body.copy(out, 4);
  out.writeUInt32BE(crc(body), body.length + 4);
  return out;
}

// Rows of an 8-bit PNG of Chromium (RGB or RGBA), filters undone.
function decode(png) {
  let at = 8, width, height, channels;
  const parts = [];
  while (at < png.length) {
    const length = png.readUInt32BE(at), type = png.toString('latin1', at + 4, at + 8), data = png.subarray(at + 8, at + 8 + length);
    if (type == 'IHDR') [width, height, channels] = [data.readUInt32BE(0), data.readUInt32BE(4), data[9] == 6 ? 4 : 3];
    if (type == 'IDAT') parts.push(data);
    at += length + 12;
  }
  const raw = inflateSync(Buffer.concat(parts)), stride = width * channels, out = Buffer.alloc(height * stride);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (stride + 1)], row = y * stride;
    for (let x = 0; x < stride; x++) {
      const a = x >= channels ? out[row + x - channels] : 0, b = y ? out[row - stride + x] : 0, c = y && x >= channels ? out[row - stride + x - channels] : 0, p = a + b - c;
      const paeth = Math.abs(p - a) <= Math.abs(p - b) && Math.abs(p - a) <= Math.abs(p - c) ? a : Math.abs(p - b) <= Math.abs(p - c) ? b : c;
      out[row + x] = raw[y * (stride + 1) + 1 + x] + [0, a, b, (a + b) >> 1, paeth][filter];
    }
  }
  return { width, height, channels, out };
}

export function smaller(png) {
  const { width, height, channels, out } = decode(png), pixels = new Uint32Array(width * height), counts = new Map();
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = out[i * channels] << 16 | out[i * channels + 1] << 8 | out[i * channels + 2];
    counts.set(pixels[i], (counts.get(pixels[i]) || 0) + 1);
  }
  /* the most frequent colours stay, then those that would be missed most; another takes the nearest of them */
  const far = (p, c) => ((p >> 16) - (c >> 16)) ** 2 + ((p >> 8 & 255) - (c >> 8 & 255)) ** 2 + ((p & 255) - (c & 255)) ** 2, all = [...counts].sort((x, y) => y[1] - x[1]).map(([c, n]) => ({ c, n, at: 0, off: Infinity })), palette = [];
  const keep = c => { palette.push(c); for (const one of all) { const d = far(c, one.c); if (d < one.off) { one.off = d; one.at = palette.length - 1; } } };
  for (const { c } of all.slice(0, 96)) keep(c);
  while (palette.length < 256) {
    const missed = all.reduce((m, o) => o.off * o.n > m.off * m.n ? o : m);
    if (!missed.off) break;
    keep(missed.c);
  }
  const place = new Map(all.map(o => [o.c, o.at]));
  const rows = Buffer.alloc(height * (width + 1)), head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 3, 0, 0, 0]);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = place.get(pixels[y * width + x]);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  return Buffer.concat([png.subarray(0, 8), chunk('IHDR', head), chunk('PLTE', Buffer.from(palette.flatMap(c => [c >> 16, c >> 8 & 255, c & 255]))), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))]);
}
