// match.js: what the find box of the graph means. Words match names; ns: ver: take a value; fail> p95> take a number; plaintext, hairpin stand alone. Pure.
import { nameOf, ratio } from './names.js';

const UNIT = { us: 1e3, 'µs': 1e3, ms: 1e6, s: 1e9 };

function readTerm(word) {
  let m;
  if ((m = /^ns:(.+)$/.exec(word))) return { node: n => n.node.namespace == m[1] || n.fold?.name == m[1] };
  if ((m = /^ver:(.+)$/.exec(word))) return { node: n => (n.versions || []).some(v => v.version == m[1]) };
  if ((m = /^fail([<>])([\d.]+)%?$/.exec(word))) return { edge: e => m[1] == '>' ? ratio(e.errors, e.calls) * 100 > m[2] : ratio(e.errors, e.calls) * 100 < m[2] };
  if ((m = /^p(50|95|99)([<>])([\d.]+)(us|µs|ms|s)$/.exec(word))) {
    const field = `p${m[1]}_ns`, limit = m[3] * UNIT[m[4]];
    return { edge: e => e[field] != null && (m[2] == '>' ? e[field] > limit : e[field] < limit) };
  }
  if (word == 'plaintext') return { edge: e => e.security.plaintext > 0 };
  if (word == 'hairpin') return { edge: e => e.hairpin };
  return { node: n => nameOf(n).toLowerCase().includes(word) };
}

// {nodes, edges}: sets of ids that match all words; null when nothing is asked for. An edge matches by itself, or by an end that a word names.
export function matchesOf(graph, text) {
  const words = (text || '').trim().split(/\s+/).filter(Boolean);
  if (!words.length || !graph) return null;
  const terms = words.map(w => readTerm(/^(ns|ver):/.test(w) ? w : w.toLowerCase())), byId = new Map(graph.nodes.map(n => [n.id, n]));
  const nodeTerms = terms.filter(t => t.node), edgeTerms = terms.filter(t => t.edge), nodes = new Set(), edges = new Set();
  // "cart redis" names an edge: each word one of its ends.
  for (const e of graph.edges) {
    const ends = [byId.get(e.caller), byId.get(e.callee)];
    if (nodeTerms.every(t => ends.some(t.node)) && edgeTerms.every(t => t.edge(e)) && (edgeTerms.length || nodeTerms.length > 1 || ends.some(n => nodeTerms.every(t => t.node(n))))) edges.add(e.id);
  }
  for (const n of graph.nodes) if (!edgeTerms.length && nodeTerms.every(t => t.node(n))) nodes.add(n.id);
  if (edgeTerms.length || !nodes.size) for (const e of graph.edges) if (edges.has(e.id)) nodes.add(e.caller).add(e.callee);
  return { nodes, edges };
}
