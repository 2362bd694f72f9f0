// model.js: a trace's layout as the server sends it (columns in order of rows), and which of its rows are shown. Pure.

export const BEGAN = 1, PASSED = 2, RECOVERED = 3;
const EQUAL_MOST = 20;

// Rows beneath a row, in order.
function* below(m, i) { for (let k = i + 1; k < m.end[i]; k++) yield k; }
function anyBelow(m, i, is) {
  for (const k of below(m, i)) if (is(k)) return true;
  return false;
}
const push = (map, key, value) => { if (map.has(key)) map.get(key).push(value); else map.set(key, [value]); };

// The end of each row's subtree (index behind its last descendant).
function ends(depth) {
  const n = depth.length, end = new Int32Array(n), open = [];
  for (let i = 0; i <= n; i++) {
    while (open.length && !(depth[open.at(-1)] < depth[i])) end[open.pop()] = i;
    open.push(i);
  }
  return end;
}

// Where a callee's clock cannot be right against its caller's, by how much its subtree is moved to fit (ns), and the hosts.
function clockShifts(s, nodes) {
  const shift = new Float64Array(s.parent.length), hosts = new Map();
  s.parent.forEach((p, i) => {
    if (p < 0) return;
    shift[i] = shift[p];
    const start = s.start_ns[i], length = s.duration_ns[i], from = s.start_ns[p], room = s.duration_ns[p],
      outside = start < from - 1e6 || start + length > from + room + 1e6;
    if (!outside || s.node[i] == s.node[p] || length < 0 || length > room || s.kind[i] != 2) return;
    const ahead = start + length / 2 - from - room / 2;
    shift[i] -= ahead;
    hosts.set(nodes[s.node[i]].service, ahead);
  });
  return { shift, hosts };
}

/* `fit`: with times moved where clocks differ. Gives {layout, s: columns, n: rows, end, up: the parent that is shown while proxies are folded, flat: depth
 * then, hops: folded rows, nodes, critical: pieces by row, from, to: ns from the trace's start, clocks, missing: rows without their parent}. */
export function modelOf(layout, fit) {
  const { spans, nodes } = layout, clocks = clockShifts(spans, nodes), moved = i => fit ? clocks.shift[i] : 0,
    s = { ...spans, start_ns: spans.start_ns.map((t, i) => t + moved(i)) };
  const n = s.parent.length, up = new Int32Array(n), flat = new Int32Array(n), hops = [], critical = new Map();
  let to = layout.trace.duration_ns || 0, from = 0;
  for (let i = 0; i < n; i++) {
    const p = s.parent[i];
    up[i] = p < 0 ? -1 : s.folded[p] ? up[p] : p;
    flat[i] = up[i] < 0 ? 0 : flat[up[i]] + 1;
    if (s.folded[i]) hops.push(i);
    to = Math.max(to, s.start_ns[i] + Math.max(0, s.duration_ns[i]));
    from = Math.min(from, s.start_ns[i]);
  }
  for (const [row, a, b] of layout.critical) push(critical, row, [a + moved(row), b + moved(row)]);
  return { layout, s, n, end: ends(s.depth), up, flat, hops, nodes, critical, from, to: Math.max(to, from + 1), clocks,
    missing: s.orphan.filter(Boolean).length };
}

const isShown = (m, i, hops) => hops || !m.s.folded[i];
// The rows that are shown, as far as folding of proxies goes.
export const rowsShown = (m, hops) => Array.from({ length: m.n }, (_, i) => i).filter(i => isShown(m, i, hops));
export const parentOf = (m, i, hops) => hops ? m.s.parent[i] : m.up[i];
export const lengthOf = (m, i) => Math.max(0, m.s.duration_ns[i]);
export const endOf = (m, i) => m.s.start_ns[i] + lengthOf(m, i);

export function markOf(m, i, hops) {
  const f = hops ? m.s.fault[i] : m.s.lent[i];
  // With the proxy in sight the failure began there.
  if (f == BEGAN) return hops && anyBelow(m, i, k => m.s.folded[k] && m.s.fault[k] == BEGAN) ? 'p' : 'b';
  return f == PASSED || f == RECOVERED ? 'p' : '';
}
// What a hairpin added, ns, −1 when it is not known; undefined where there is none. While proxies are folded the span under them tells it.
export function hairpinOf(m, i, hops) {
  const { parent, folded } = m.s, pins = m.layout.hairpins;
  while (pins[i] == null && !hops && folded[parent[i]]) i = parent[i];
  return pins[i];
}
const failed = (m, i) => m.s.lent[i] >= BEGAN && m.s.lent[i] <= RECOVERED;
export const nodeOf = (m, i) => m.nodes[m.s.named[i]];
export const nameOf = (m, i) => nodeOf(m, i).service || m.nodes[m.s.node[i]].service || 'unknown';
export const operationOf = (m, i) => m.layout.operations[m.s.operation[i]];
export const titleOf = (m, i) => `${nameOf(m, i)} ${operationOf(m, i)}`;

// What it answered, where that says something: a response flag, else the status of what failed.
export function codeOf(m, i, hops) {
  const status = m.s.status[i];
  let flags = m.layout.flags[i];
  if (!flags && !hops)
    for (let k = i + 1; k < m.end[i] && m.s.folded[k] && !flags; k++) if (m.s.fault[k] == BEGAN) flags = m.layout.flags[k];
  return flags ? flags.split(',')[0] : status >= 400 ? String(status) : status < 0 ? 'gRPC\u00a0' + -status : '';
}

// Pieces of the critical path to draw on a row: its own, and those of the proxies that are folded into it.
export function piecesOf(m, i, hops) {
  const of = k => m.critical.get(k) || [],
    all = hops ? of(i) : [...of(i), ...[...below(m, i)].filter(k => m.s.folded[k] && m.up[k] == i).flatMap(of)], out = [];
  for (const [a, b] of [...all].sort((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last && a - last[1] < 1000) last[1] = Math.max(last[1], b);
    else out.push([a, b]);
  }
  return out;
}

// The stretches in which a row waits for none of its shown children, from its start, ns; null when it has none.
export function selfOf(m, i, hops) {
  const length = m.s.duration_ns[i], start = m.s.start_ns[i], out = [];
  if (length <= 0) return out;
  const kids = [...below(m, i)].filter(k => isShown(m, k, hops) && parentOf(m, k, hops) == i && m.s.duration_ns[k] > 0);
  if (!kids.length) return null;
  let at = 0;
  for (const k of [...kids.sort((a, b) => m.s.start_ns[a] - m.s.start_ns[b]), null]) {
    const a = k == null ? length : Math.min(m.s.start_ns[k] - start, length);
    if (a > at) out.push([at, a]);
    at = Math.max(at, k == null ? length : endOf(m, k) - start);
  }
  return out;
}

/* Rows to show, in order: {i} a span; {i, group: [rows]} many equal children as one; {quiet: [rows], depth} what did not fail, on a phone.
 * closed: rows whose children are hidden; opened: groups that were unfolded. */
export function rowsOf(m, { hops, closed, opened, brief }) {
  const out = [], groups = equalGroups(m, hops), bad = brief && failing(m);
  for (let i = 0; i < m.n; i++) {
    if (!isShown(m, i, hops)) continue;
    const depth = hops ? m.s.depth[i] : m.flat[i], parent = parentOf(m, i, hops), group = groups.get(i);
    if (bad && !bad[i] && parent >= 0 && bad[parent] && !opened.has('q' + parent)) {
      const at = out.find(r => r.quiet && r.parent == parent) || (out.push({ quiet: [], parent, depth }), out.at(-1));
      at.quiet.push(...[i, ...below(m, i)].filter(k => isShown(m, k, hops)));
    } else if (group && !opened.has('g' + group[0])) {
      if (i == group[0]) out.push({ i, depth, group, total: group.reduce((sum, k) => sum + lengthOf(m, k), 0) });
    } else {
      out.push({ i, depth, kids: anyBelow(m, i, k => isShown(m, k, hops)) });
      if (!closed.has(i)) continue;
    }
    i = m.end[i] - 1;
  }
  return out;
}

// Which rows failed, or stand above one that did; null when nothing failed: everything is shown.
function failing(m) {
  const bad = new Uint8Array(m.n);
  for (let i = m.n - 1; i >= 0; i--) {
    bad[i] ||= failed(m, i);
    if (bad[i] && m.s.parent[i] >= 0) bad[m.s.parent[i]] = 1;
  }
  return bad[0] ? bad : null;
}

// Children of one parent that are more than twenty of one service and operation, none failed: their rows, by each of them.
function equalGroups(m, hops) {
  const all = new Map(), of = new Map();
  for (const i of rowsShown(m, hops)) {
    const parent = parentOf(m, i, hops);
    if (!m.s.lent[i] && parent >= 0) push(all, `${parent}/${m.s.named[i]}/${m.s.operation[i]}`, i);
  }
  for (const rows of all.values()) if (rows.length > EQUAL_MOST) for (const i of rows) of.set(i, rows);
  return of;
}

// How long any of these rows ran, ns.
export function union(m, rows) {
  let at = -Infinity, sum = 0;
  for (const i of [...rows].sort((a, b) => m.s.start_ns[a] - m.s.start_ns[b])) {
    sum += Math.max(0, endOf(m, i) - Math.max(m.s.start_ns[i], at));
    at = Math.max(at, endOf(m, i));
  }
  return sum;
}

// Time by service and operation: [{row, count, total, self, failed, began}], most self time first.
export function summary(m, hops) {
  const by = new Map();
  for (const i of rowsShown(m, hops)) push(by, `${m.s.named[i]}/${m.s.operation[i]}`, i);
  const n = (rows, of) => rows.reduce((sum, i) => sum + Number(of(i)), 0);
  return [...by.values()]
    .map(rows => ({ row: rows[0], count: rows.length, total: n(rows, i => lengthOf(m, i)),
    self: n(rows, i => Math.max(0, m.s.self_ns[i])),
    failed: n(rows, i => m.s.lent[i] == BEGAN || m.s.lent[i] == PASSED), began: n(rows, i => m.s.lent[i] == BEGAN && !m.s.folded[i]) }))
      .sort((a, b) => b.self - a.self);
}

// Each row's way from the root by names, and which of several alike it is; null for folded ones.
function pathsOf(m) {
  const out = [], seen = new Map();
  for (let i = 0; i < m.n; i++) {
    const path = (out[m.up[i]] || '') + `\n\n${m.nodes[m.s.node[i]].service}\n${operationOf(m, i)}`, times = (seen.get(path) || 0) + 1;
    if (!m.s.folded[i]) seen.set(path, times);
    out.push(m.s.folded[i] ? null : path + '#' + times);
  }
  return out;
}

// Where two traces of one kind part: the first row that only one has or that only one failed, else the one that slowed most.
export function firstDifference(a, b) {
  const pa = pathsOf(a), pb = pathsOf(b), rows = new Map(pb.map((p, i) => [p, i])), ids = new Set(pa),
    began = (m, i) => m.s.lent[i] == BEGAN;
  let slower = null;
  for (let row = 0; row < a.n; row++) {
    if (!pa[row]) continue;
    const other = rows.get(pa[row]);
    if (other == null) return { kind: 'only', row };
    if (began(a, row) != began(b, other)) return { kind: 'failed', row, other };
    const more = Math.max(0, a.s.self_ns[row]) - Math.max(0, b.s.self_ns[other]);
    if (more > Math.max(1e6, slower?.more || 0)) slower = { kind: 'slower', row, other, more };
  }
  const missing = pb.findIndex(p => p && !ids.has(p));
  return missing >= 0 && !(slower?.more >= 5e6) ? { kind: 'missing', other: missing } : slower;
}
