// line.js: the search line. Conditions as they are typed and as chips. The server reads the same grammar (search_text.h).

const OPS = { '=': '=', '!': '!=', '>': '>', '<': '<', '~': '~' };
const plain = /^[^\s"=!<>~]+$/;

export const quoted = text => plain.test(text) && !text.startsWith('"') ? text : JSON.stringify(text);

// The line cut into conditions: [{raw, key, op, value, scope, quoted}], a bare word has no key.
export function conditions(q) {
  const out = [];
  let at = 0;
  const blanks = () => { while (/\s/.test(q[at] || '')) at++; };
  const text = key => {
    if (q[at] == '"') {
      let end = at + 1;
      while (end < q.length && q[end] != '"') end += q[end] == '\\' ? 2 : 1;
      const raw = q.slice(at, end + 1);
      at = end + 1;
      try { return JSON.parse(raw); } catch { return raw.slice(1, -1); }
    }
    const from = at;
    while (at < q.length && !/\s/.test(q[at]) && !(key && OPS[q[at]])) at++;
    return q.slice(from, at);
  };
  for (blanks(); at < q.length; blanks()) {
    const from = at, isQuoted = q[at] == '"';
    let key = text(true), op = null, value = key, scope = '';
    const back = at;
    blanks();
    if (OPS[q[at]] && (q[at] != '!' || q[at + 1] == '=')) {
      op = OPS[q[at]];
      at += op.length;
      blanks();
      value = text(false);
      const colon = isQuoted ? -1 : key.indexOf(':');
      if (colon > 0) [scope, key] = [key.slice(0, colon), key.slice(colon + 1)];
    } else {
      at = back;
      key = '';
      if (at == from) at++; /* a stray operator */
    }
    out.push({ raw: q.slice(from, at).trim(), key, op, value, scope, quoted: isQuoted });
  }
  return out;
}

export const write = c => c.key ? `${c.scope ? c.scope + ':' : ''}${c.quoted ? JSON.stringify(c.key) : c.key}${c.op}${quoted(c.value)}` : quoted(c.value);
export const join = list => list.map(c => c.raw || write(c)).join(' ');

const WORDS = new Set(['status', 'took', 'spans', 'services', 'complete', 'entry', 'began', 'reason', 'service', 'namespace', 'cluster', 'version',
  'retries', 'operation', 'instance', 'flag', 'code']);
export const KEYS = [...WORDS];
// A condition on an attribute needs quotes around its key when the key reads like a word of the line or has a colon.
export const condition = ({ key, scope = '', attribute = false }, value, op = '=') =>
  ({ key, scope, op, value, quoted: attribute && (WORDS.has(key) || key.includes(':') || !plain.test(key)) });
export const same = (a, b) => a.key == b.key && a.scope == b.scope && a.value == b.value;

const NAMES = { flag: 'response flag', service: 'passes through', entry: 'entry', code: 'status code' };
// What a key reads like: "cart version", "retries, frontend → cart", "response flag".
export function keyWords({ key, scope, attribute }) {
  if (!attribute && key == 'retries') return 'retries, ' + scope.replace('→', ' → ');
  const name = attribute ? key : NAMES[key] || key;
  return scope ? `${scope} ${name}` : name;
}
export function valueWords(key, value) {
  if (key == 'status') return value == 'error' ? 'failed' : 'good';
  return key == 'began' ? value.replace('→', ' → ') : value;
}

/* ---- the box drawn into the picture: T0,T1,D0,D1 in Unix seconds and ms ---- */
export function readBox(text) {
  const [a, b, least, most, only] = (text || '').split(',');
  const box = { from: a * 1000, to: b * 1000, least: Number(least), most: Number(most), only: only || null };
  return text && [box.from, box.to, box.least, box.most].every(Number.isFinite) ? box : null;
}
export const writeBox = b => [(b.from / 1000).toFixed(3), (b.to / 1000).toFixed(3), +b.least.toPrecision(4), +b.most.toPrecision(4), ...b.only ? [b.only] : []].join(',');
