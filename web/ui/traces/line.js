// line.js: the search line. Conditions as they are typed and as chips. The server reads the same grammar (search_text.h). Pure.

import { quote } from '../draw/text.js';

const OPS = { '=': '=', '!': '!=', '>': '>', '<': '<', '~': '~' }, OR_EQUAL = /[<>]=/;
const WORDS = ['status', 'took', 'spans', 'services', 'complete', 'entry', 'began', 'reason', 'service', 'namespace', 'cluster',
  'version',
  'retries', 'operation', 'instance', 'flag', 'code'];
// Keys that are offered.
export const KEYS = WORDS.filter(k => k != 'complete' && k != 'reason');

// A text at a place: a quoted one whole, else up to a blank, of a key also up to an operator. Gives [the text, where it ends].
function textAt(q, at, isKey) {
  let end = at;
  if (q[at] == '"') {
    for (end = at + 1; end < q.length && q[end] != '"'; end++) if (q[end] == '\\') end++;
    const raw = q.slice(at, end + 1);
    try { return [JSON.parse(raw), end + 1]; } catch { return [raw.slice(1, -1), end + 1]; }
  }
  while (end < q.length && !/\s/.test(q[end]) && !(isKey && OPS[q[end]])) end++;
  return [q.slice(at, end), end];
}

// The line cut into conditions: [{raw, key, op, value, scope, quoted}], a bare word has no key.
export function conditions(q) {
  const out = [], blanks = i => { while (/\s/.test(q[i] || '')) i++; return i; };
  for (let at = blanks(0), from; at < q.length; at = blanks(at)) {
    from = at;
    let [key, end] = textAt(q, at, true), op = null, value = key, scope = '';
    const isQuoted = q[at] == '"', sign = blanks(end);
    if (OPS[q[sign]] && (q[sign] != '!' || q[sign + 1] == '=')) {
      op = OR_EQUAL.test(q.slice(sign, sign + 2)) ? q.slice(sign, sign + 2) : OPS[q[sign]];
      [value, at] = textAt(q, blanks(sign + op.length), false);
      const colon = isQuoted ? -1 : key.indexOf(':');
      if (colon > 0) [scope, key] = [key.slice(0, colon), key.slice(colon + 1)];
    } else {
      key = '';
      at = Math.max(end, at + 1); /* past a stray operator, too */
    }
    if (key == 'status' && !isQuoted) value = { failed: 'error', good: 'ok' }[value] || value; /* also as they are shown */
    out.push({ raw: q.slice(from, at).trim(), key, op, value, scope, quoted: isQuoted });
  }
  return out;
}

export const write = c =>
  c.key ? `${c.scope ? c.scope + ':' : ''}${c.quoted ? JSON.stringify(c.key) : c.key}${c.op}${quote(c.value)}` : quote(c.value);
export const join = list => list.map(c => c.raw || write(c)).join(' ');

// A condition on an attribute needs quotes around its key when the key reads like a word of the line or has a colon.
export const condition = ({ key, scope = '', attribute = false }, value, op = '=') =>
  ({ key, scope, op, value, quoted: attribute && (WORDS.includes(key) || key.includes(':') || quote(key) != key) });
export const same = (a, b) => a.key == b.key && a.scope == b.scope && a.value == b.value;

const STATUS = { error: 'failed', ok: 'good' };
const arrow = text => text.replace('→', ' → ');
const NAMES = { flag: 'response flag', service: 'passes through', code: 'status code' };
// What a key reads like: "cart version", "retries, frontend → cart", "response flag".
export function keyWords({ key, scope, attribute }) {
  if (!attribute && key == 'retries') return 'retries, ' + arrow(scope);
  return (scope ? scope + ' ' : '') + (!attribute && NAMES[key] || key);
}
export const valueWords = (key, value) =>
  key == 'status' ? STATUS[value] || value : key == 'began' ? arrow(value) : value?.trim() ? value : 'empty';
// A condition as one reads it: [key and operator, value]; a bare word has only a value.
export const chipWords = c =>
  c.key ? [`${c.key == 'service' && !c.quoted ? 'service' : keyWords({ ...c, attribute: c.quoted })} ${c.op}`,
  valueWords(c.quoted ? '' : c.key, c.value)] : ['', c.value];

/* ---- the box drawn into the picture: T0,T1,D0,D1 in Unix seconds and ms ---- */
export function readBox(text) {
  const [a, b, least, most, only] = (text || '').split(','),
    box = { from: a * 1000, to: b * 1000, least: Number(least), most: Number(most), only: only || null };
  return text && [box.from, box.to, box.least, box.most].every(Number.isFinite) ? box : null;
}
export const writeBox = b =>
  [(b.from / 1000).toFixed(3), (b.to / 1000).toFixed(3), +b.least.toPrecision(4), +b.most.toPrecision(4), ...b.only ? [b.only] : []]
  .join(',');
