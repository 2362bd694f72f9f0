// model.js: a trace's layout as the server sends it (columns in order of rows), and which of its rows are shown. Pure.

export const BEGAN = 1, PASSED = 2, RECOVERED = 3;
const EQUAL_MOST = 20;

// The end of each row's subtree (index behind its last descendant).
function ends(depth) {
  const n = depth.length, end = new Int32Array(n), open = [];
  for (let i = 0; i < n; i++) {
    while (open.length && depth[open.at(-1)] >= depth[i]) end[open.pop()] = i;
    open.push(i);
  }
  while (open.length) end[open.pop()] = n;
  return end;
}

// Where a callee's clock cannot be right against its caller's, by how much its subtree is moved to fit (ns), and the hosts.
function clockShifts(s, nodes) {
  const shift = new Float64Array(s.parent.length), hosts = new Map();
  for (let i = 0; i < shift.length; i++) {
    const p = s.parent[i];
    if (p < 0) continue;
    shift[i] = shift[p];
    const start = s.start_ns[i], end = start + s.duration_ns[i], from = s.start_ns[p], to = from + s.duration_ns[p];
    const other = s.node[i] != s.node[p] && s.duration_ns[i] >= 0 && s.duration_ns[i] <= s.duration_ns[p];
    if (other && (start < from - 1e6 || end > to + 1e6) && s.kind[i] == 2) {
      shift[i] += (from + to) / 2 - (start + end) / 2;
      hosts.set(nodes[s.node[i]].service, (start + end) / 2 - (from + to) / 2);
    }
  }
  return { shift, hosts };
}

// `fit`: with times moved where clocks differ.
export function modelOf(layout, fit) {
  const clocks = clockShifts(layout.spans, layout.nodes), moved = fit ? clocks.shift : null, s = moved ? { ...layout.spans, start_ns: layout.spans.start_ns.map((t, i) => t + moved[i]) } : layout.spans, n = s.parent.length, end = ends(s.depth), nodes = layout.nodes;
  const up = new Int32Array(n), flat = new Int32Array(n), hops = [];
  for (let i = 0; i < n; i++) {
    const p = s.parent[i];
    up[i] = p < 0 ? -1 : s.folded[p] ? up[p] : p; /* the nearest that is shown while proxies are folded */
    flat[i] = up[i] < 0 ? 0 : flat[up[i]] + 1;
    if (s.folded[i]) hops.push(i);
  }
  const critical = new Map();
  for (const [row, from, to] of layout.critical) {
    if (!critical.has(row)) critical.set(row, []);
    critical.get(row).push(moved ? [from + moved[row], to + moved[row]] : [from, to]);
  }
  let total = layout.trace.duration_ns || 0, first = 0;
  for (let i = 0; i < n; i++) {
    total = Math.max(total, s.start_ns[i] + Math.max(0, s.duration_ns[i]));
    first = Math.min(first, s.start_ns[i]);
  }
  return { layout, s, n, end, up, flat, hops, nodes, critical, from: first, to: Math.max(total, first + 1), clocks,
    missing: s.orphan.reduce((a, o) => a + o, 0) };
}

export const markOf = (m, i, hops) => {
  const f = hops ? m.s.fault[i] : m.s.lent[i];
  if (f == BEGAN && hops) { /* with the proxy in sight the failure began there */
    for (let k = i + 1; k < m.end[i]; k++) if (m.s.folded[k] && m.s.fault[k] == BEGAN) return 'p';
  }
  return f == BEGAN ? 'b' : f == PASSED || f == RECOVERED ? 'p' : '';
};
export const nameOf = (m, i) => m.nodes[m.s.named[i]].service || m.nodes[m.s.node[i]].service || 'unknown';
export const operationOf = (m, i) => m.layout.operations[m.s.operation[i]];
// What it answered, where that says something: a response flag, else the status of what failed.
export const codeOf = (m, i, hops) => {
  let flags = m.layout.flags[i];
  if (!flags && !hops) for (let k = i + 1; k < m.end[i] && m.s.folded[k] && !flags; k++) if (m.s.fault[k] == BEGAN) flags = m.layout.flags[k];
  if (flags) return flags.split(',')[0];
  const status = m.s.status[i];
  return status >= 400 ? String(status) : status < 0 ? 'gRPC\u00a0' + -status : '';
};

// Pieces of the critical path to draw on a row: its own, and those of the proxies that are folded into it.
export function piecesOf(m, i, hops) {
  const out = [...m.critical.get(i) || []];
  if (!hops) for (let k = i + 1; k < m.end[i]; k++) if (m.s.folded[k] && m.up[k] == i) out.push(...m.critical.get(k) || []);
  out.sort((a, b) => a[0] - b[0]);
  return out.reduce((list, p) => { const last = list.at(-1); if (last && p[0] - last[1] < 1000) last[1] = Math.max(last[1], p[1]); else list.push([...p]); return list; }, []);
}

// The stretches in which a row waits for none of its shown children, from its start, ns.
export function selfOf(m, i, hops) {
  const length = m.s.duration_ns[i], start = m.s.start_ns[i], out = [];
  if (length <= 0) return out;
  const kids = [];
  for (let k = i + 1; k < m.end[i]; k++) {
    const own = hops ? m.s.parent[k] == i : m.up[k] == i && !m.s.folded[k];
    if (own && m.s.duration_ns[k] > 0) kids.push([m.s.start_ns[k] - start, m.s.start_ns[k] - start + m.s.duration_ns[k]]);
  }
  if (!kids.length) return null;
  kids.sort((a, b) => a[0] - b[0]);
  let at = 0;
  for (const [a, b] of kids) {
    if (a > at) out.push([at, Math.min(a, length)]);
    at = Math.max(at, b);
    if (at >= length) break;
  }
  if (at < length) out.push([at, length]);
  return out;
}

/* Rows to show, in order: {i} a span; {i, group: [rows]} many equal children as one; {quiet: [rows], depth} what did not fail, on a phone.
 * closed: rows whose children are hidden; opened: groups that were unfolded. */
export function rowsOf(m, { hops, closed, opened, brief }) {
  const out = [], shown = i => hops || !m.s.folded[i];
  const groups = equalGroups(m, hops), bad = brief ? failing(m) : null;
  for (let i = 0; i < m.n; i++) {
    if (!shown(i)) continue;
    const depth = hops ? m.s.depth[i] : m.flat[i], parent = hops ? m.s.parent[i] : m.up[i], group = groups.get(i);
    if (bad && !bad[i] && parent >= 0 && bad[parent] && !opened.has('q' + parent)) {
      const at = out.find(r => r.quiet && r.parent == parent) || (out.push({ quiet: [], parent, depth, from: Infinity, to: 0 }), out.at(-1));
      for (let k = i; k < m.end[i]; k++) if (shown(k)) at.quiet.push(k);
      i = m.end[i] - 1;
      continue;
    }
    if (group && !opened.has('g' + group.rows[0])) {
      if (i == group.rows[0]) out.push({ i, depth, group: group.rows, total: group.total });
      i = m.end[i] - 1;
      continue;
    }
    out.push({ i, depth, kids: hasKids(m, i, hops) });
    if (closed.has(i)) i = m.end[i] - 1;
  }
  return out;
}

function hasKids(m, i, hops) {
  if (hops) return m.end[i] > i + 1;
  for (let k = i + 1; k < m.end[i]; k++) if (!m.s.folded[k]) return true;
  return false;
}

function failing(m) {
  const bad = new Uint8Array(m.n);
  for (let i = m.n - 1; i >= 0; i--) {
    if (m.s.lent[i] == BEGAN || m.s.lent[i] == PASSED || m.s.lent[i] == RECOVERED) bad[i] = 1;
    if (bad[i] && m.s.parent[i] >= 0) bad[m.s.parent[i]] = 1;
  }
  if (!bad[0]) return null; /* nothing failed: everything is shown */
  return bad;
}

// Children of one parent that are more than twenty of one service and operation, none failed.
function equalGroups(m, hops) {
  const all = new Map(), of = new Map();
  for (let i = 0; i < m.n; i++) {
    if (m.s.lent[i] || (m.s.folded[i] && !hops)) continue;
    const parent = hops ? m.s.parent[i] : m.up[i], key = `${parent}/${m.s.named[i]}/${m.s.operation[i]}`;
    if (parent < 0) continue;
    const g = all.get(key);
    if (g) { g.rows.push(i); g.total += Math.max(0, m.s.duration_ns[i]); } else all.set(key, { rows: [i], total: Math.max(0, m.s.duration_ns[i]) });
  }
  for (const g of all.values()) if (g.rows.length > EQUAL_MOST) for (const i of g.rows) of.set(i, g);
  return of;
}

// How long any of these rows ran, ns.
export function union(m, rows) {
  let at = -Infinity, sum = 0;
  for (const i of [...rows].sort((a, b) => m.s.start_ns[a] - m.s.start_ns[b])) {
    const a = m.s.start_ns[i], b = a + Math.max(0, m.s.duration_ns[i]);
    if (b > at) { sum += b - Math.max(a, at); at = b; }
  }
  return sum;
}

// Time by service and operation: [{row, count, total, self, failed}], most self time first.
export function summary(m, hops) {
  const by = new Map();
  for (let i = 0; i < m.n; i++) {
    if (m.s.folded[i] && !hops) continue;
    const key = `${m.s.named[i]}/${m.s.operation[i]}`, r = by.get(key) || { row: i, count: 0, total: 0, self: 0, failed: 0, began: 0 };
    r.count++;
    r.total += Math.max(0, m.s.duration_ns[i]);
    r.self += Math.max(0, m.s.self_ns[i]);
    r.failed += m.s.lent[i] == BEGAN || m.s.lent[i] == PASSED ? 1 : 0;
    r.began += m.s.lent[i] == BEGAN && !m.s.folded[i] ? 1 : 0;
    by.set(key, r);
  }
  return [...by.values()].sort((a, b) => b.self - a.self);
}

// Where two traces of one kind part: the first row that only one has or that only one failed, else the one that slowed most.
export function firstDifference(a, b) {
  const key = (m, i) => `${m.nodes[m.s.node[i]].service}\n${operationOf(m, i)}`, paths = (m) => {
    const out = [], seen = new Map();
    for (let i = 0; i < m.n; i++) {
      if (m.s.folded[i]) { out.push(null); continue; }
      const path = (m.up[i] < 0 ? '' : out[m.up[i]]) + '\n\n' + key(m, i), times = (seen.get(path) || 0) + 1;
      seen.set(path, times);
      out.push(path + '#' + times);
    }
    return out;
  };
  const pa = paths(a), pb = paths(b), rows = new Map(pb.map((p, i) => [p, i]));
  let slower = null;
  for (let i = 0; i < a.n; i++) {
    if (!pa[i]) continue;
    const k = rows.get(pa[i]);
    if (k == null) return { kind: 'only', row: i };
    if ((a.s.lent[i] == BEGAN) != (b.s.lent[k] == BEGAN)) return { kind: 'failed', row: i, other: k };
    const more = Math.max(0, a.s.self_ns[i]) - Math.max(0, b.s.self_ns[k]);
    if (more > 1e6 && (!slower || more > slower.more)) slower = { kind: 'slower', row: i, other: k, more };
  }
  const ids = new Set(pa), missing = pb.findIndex(p => p && !ids.has(p));
  return missing >= 0 && (!slower || slower.more < 5e6) ? { kind: 'missing', other: missing } : slower;
}
