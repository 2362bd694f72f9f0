// match.js: what the find box of the graph means. Words match names; ns: ver: take a value; fail> p95> take a number; plaintext, hairpin stand alone. Pure.
import { nameOf } from './names.js';
import { ratio } from './numbers.js';

const UNIT = { us: 1e3, 'µs': 1e3, ms: 1e6, s: 1e9 };
const against = (op, limit) => x => x != null && (op == '>' ? x > limit : x < limit);

// [an expression, the test of a node or of an edge that it stands for]; the last fits every word.
const TERMS = [
  [/^ns:(.+)$/, ns => ({ node: n => n.node.namespace == ns || n.fold?.name == ns })],
  [/^ver:(.+)$/, v => ({ node: n => n.versions?.some(x => x.version == v) })],
  [/^fail([<>])([\d.]+)%?$/, (op, limit) => { const is = against(op, limit / 100); return { edge: e => is(ratio(e.errors, e.calls)) }; }],
  [/^p(50|95|99)([<>])([\d.]+)(us|µs|ms|s)$/,
    (p, op, x, unit) => { const is = against(op, x * UNIT[unit]); return { edge: e => is(e[`p${p}_ns`]) }; }],
  [/^plaintext$/, () => ({ edge: e => e.security.plaintext > 0 })],
  [/^hairpin$/, () => ({ edge: e => e.hairpin })],
  [/^(.*)$/, word => ({ node: n => nameOf(n).toLowerCase().includes(word.toLowerCase()) })],
];
function readTerm(word) {
  for (const [form, term] of TERMS) {
    const found = form.exec(word);
    if (found) return term(...found.slice(1));
  }
}

// {nodes, edges}: sets of ids that match all words; null when nothing is asked for. An edge matches by itself, or by an end that a word names.
export function matchesOf(graph, text) {
  const terms = (text || '').split(/\s+/).filter(Boolean).map(readTerm);
  if (!terms.length || !graph) return null;
  const byId = new Map(graph.nodes.map(n => [n.id, n])), ofNode = terms.filter(t => t.node), ofEdge = terms.filter(t => t.edge),
    isNamed = n => ofNode.every(t => t.node(n));
  // "cart redis" names an edge: each word one of its ends.
  const found = graph.edges.filter(e => {
    const ends = [byId.get(e.caller), byId.get(e.callee)];
    return ofNode.every(t => ends.some(t.node)) && ofEdge.every(t => t.edge(e))
      && (ofEdge.length || ofNode.length > 1 || ends.some(isNamed));
  });
  const nodes = new Set(ofEdge.length ? [] : graph.nodes.filter(isNamed).map(n => n.id));
  if (!nodes.size) for (const e of found) nodes.add(e.caller).add(e.callee);
  return { nodes, edges: new Set(found.map(e => e.id)) };
}
