// traceid.js: the trace id in whatever a person has at hand. Pure.
const HEX = /(?<![0-9a-f])([0-9a-f]{32}|[0-9a-f]{16})(?![0-9a-f])/gi;

// The trace id in a traceparent, B3 or Jaeger header, an X-Ray root, a URL, a line of a log; or null.
export function traceIdIn(text) {
  text = text.trim();
  const forms = [/\b[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\b/i, /Root=1-([0-9a-f]{8}-[0-9a-f]{24})/i,
    /trace[-_. ]?id["']?\s*[:=\s]\s*["']?(?:0x)?([0-9a-f]{16,32})(?![0-9a-f])/i, /\/trace\/([0-9a-f]{1,32})(?![0-9a-f])/i,
    /(?<![0-9a-f-])([0-9a-f]{32}|[0-9a-f]{16})-[0-9a-f]{16}(?:-[01d])?(?![0-9a-f])/i,
      /(?<![0-9a-f])([0-9a-f]{1,32})(?::|%3A)[0-9a-f]{1,16}(?::|%3A)[0-9a-f]{1,16}(?::|%3A)[0-9a-f]{1,2}(?![0-9a-f])/i,
    /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/i];
  for (const form of forms) {
    const found = form.exec(text);
    if (found) return found[1].replace(/-/g, '').toLowerCase();
  }
  const words = [...text.matchAll(HEX)].map(m => m[1].toLowerCase());
  return words.find(w => w.length == 32) || words.find(w => w == text.toLowerCase() || !/^\d+$/.test(w)) || null;
}
