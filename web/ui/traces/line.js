// line.js: the search line. Conditions as they are typed, as chips, as SQL. The server reads the same grammar (search_text.h).

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
export const FLAGS = { UO: 'overflow', UF: 'no connection', UH: 'none healthy', UT: 'timeout', UC: 'connection cut', UR: 'reset', LR: 'local reset', NR: 'no route',
  NC: 'no cluster', URX: 'retries used up', DC: 'client gone', RL: 'rate limit', UAEX: 'not authorised', FI: 'fault injected', DPE: 'bad request', SI: 'idle', DT: 'too long',
  UPE: 'bad answer', LH: 'health check failed', IH: 'bad header', OM: 'overload', DF: 'name not resolved', NFCF: 'no filter config', RFCF: 'direct answer' };
export function valueWords(key, value) {
  if (key == 'status') return value == 'error' ? 'failed' : 'good';
  return key == 'began' ? value.replace('→', ' → ') : value;
}

/* ---- SQL on the views ---- */
const text = v => `'${v.replace(/'/g, "''")}'`;
const SPAN_COLUMNS = { service: 'service', namespace: 'namespace', cluster: 'cluster', version: 'version', operation: 'operation', instance: 'instance' };

const nanos = v => { const m = /^([\d.]+)(ns|us|ms|s|m|h|d)$/.exec(v); return m ? Math.round(m[1] * { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 6e10, h: 36e11, d: 864e11 }[m[2]]) : 0; };
const compare = (column, { op, value }) => op == '~' ? `${column} LIKE ${text('%' + value + '%')}`
  : op == '>' || op == '<' ? `${column} ${op} ${Number(value) || 0}` : `${column} = ${text(value)}`;

function spanClause(c) {
  const scope = c.scope && !c.scope.includes('→') ? `service = ${text(c.scope)} AND ` : '';
  if (!c.key) return `(operation LIKE ${text('%' + c.value + '%')} OR service LIKE ${text('%' + c.value + '%')})`;
  if (!c.quoted && SPAN_COLUMNS[c.key]) return scope + compare(SPAN_COLUMNS[c.key], c);
  if (!c.quoted && c.key == 'flag') return scope + (c.value == 'none' ? "response_flags NOT IN ('', '-')" : `',' || response_flags || ',' LIKE ${text(`%,${c.value},%`)}`);
  if (!c.quoted && c.key == 'code') return scope + `(http_status ${c.op == '!=' ? '=' : c.op} ${Number(c.value) || 0} OR grpc_status ${c.op == '!=' ? '=' : c.op} ${Number(c.value) || 0})`;
  const path = text(`$.${JSON.stringify(c.key)}`);
  return scope + `(${compare(`attributes ->> ${path}`, c)} OR ${compare(`resource ->> ${path}`, c)})`;
}
function clause(c) {
  const not = c.op == '!=' ? 'NOT ' : '';
  if (!c.quoted) {
    if (c.key == 'status') return `${not}status = ${text(c.value == 'error' || c.value == 'failed' ? 'error' : 'ok')}`;
    if (c.key == 'took') return `duration_ns ${c.op == '!=' ? '!=' : c.op} ${nanos(c.value)}`;
    if (c.key == 'spans' || c.key == 'services') return `${c.key.slice(0, -1)}_count ${c.op} ${Number(c.value) || 0}`;
    if (c.key == 'complete') return `complete ${c.op} ${Number(c.value) || 0}`;
    if (c.key == 'entry') return not + compare('entry_operation', c);
    if (c.key == 'reason') return not + compare('origin_reason', c);
    if (c.key == 'began') return not + compare('origin_service', { ...c, value: c.value.split('→').pop().trim().split(' ')[0] });
    if (c.key == 'retries') return `/* retries are in edge_minute: ${c.raw || write(c)} */ 1`;
  }
  const none = c.key == 'flag' && c.value == 'none' && !c.quoted;
  return `trace_id ${not || none ? 'NOT ' : ''}IN (SELECT trace_id FROM span WHERE ${spanClause(c)})`;
}
export function sqlOf(q, r, sel, order) {
  const where = [`start_ns >= ${Math.round(r.fromMs)}000000`, `start_ns < ${Math.round(r.toMs)}000000`, ...conditions(q).map(clause)];
  if (sel) where.push(`start_ns >= ${Math.round(sel.from)}000000`, `start_ns < ${Math.round(sel.to)}000000`, `duration_ns BETWEEN ${Math.round(sel.least * 1e6)} AND ${Math.round(sel.most * 1e6)}`,
    ...sel.only ? [`status = '${sel.only == 'failed' ? 'error' : 'ok'}'`] : []);
  return `SELECT * FROM trace\nWHERE ${where.join('\n  AND ')}\nORDER BY ${order == 'slow' ? 'duration_ns DESC' : order == 'failed' ? "status = 'error' DESC, start_ns DESC" : 'start_ns DESC'}\nLIMIT 100;`;
}

/* ---- the box drawn into the picture: T0,T1,D0,D1 in Unix seconds and ms ---- */
export function readBox(text) {
  const [a, b, least, most, only] = (text || '').split(',');
  const box = { from: a * 1000, to: b * 1000, least: Number(least), most: Number(most), only: only || null };
  return text && [box.from, box.to, box.least, box.most].every(Number.isFinite) ? box : null;
}
export const writeBox = b => [(b.from / 1000).toFixed(3), (b.to / 1000).toFixed(3), +b.least.toPrecision(4), +b.most.toPrecision(4), ...b.only ? [b.only] : []].join(',');
