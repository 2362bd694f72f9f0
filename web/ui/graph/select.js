// select.js: what names a node or an edge of a graph in its URL, and by what an edge is known.
import { nameOfId, selOf } from './names.js';

// Each as short as it can be: the id where namespace/service names several.
const shortOf = n => n.fold ? n.id : selOf(n.node);
export function keysOf(nodes) {
  const n = new Map(), keys = new Map();
  for (const node of nodes) n.set(shortOf(node), (n.get(shortOf(node)) || 0) + 1);
  for (const node of nodes) keys.set(node.id, n.get(shortOf(node)) > 1 ? node.id : shortOf(node));
  return id => keys.get(id) || id;
}

// What `sel` names in this graph: {node} or {caller, callee}; null for nothing.
export function findSelected(graph, sel) {
  if (!graph || !sel) return null;
  const key = keysOf(graph.nodes), ids = id => [key(id), id, nameOfId(id)];
  for (const form of [0, 1, 2]) {
    const node = graph.nodes.find(n => ids(n.id)[form] == sel);
    if (node) return { node };
    const edge = graph.edges.find(e => `${ids(e.caller)[form]}>${ids(e.callee)[form]}` == sel);
    if (edge) return { caller: edge.caller, callee: edge.callee };
  }
  return null;
}

const KNOWN = { both: 'both sides', callee_only: 'the callee alone', caller_only: 'the caller alone', link: 'a link',
  log: 'an access log', request_id: 'the request id', entry: 'the entry' };
export function knownOf({ known_by }) {
  const all = Object.entries(known_by).sort((a, b) => b[1] - a[1]), n = all.reduce((n, [, v]) => n + v, 0);
  return all.map(([k, v]) => KNOWN[k] + (all.length > 1 ? ` ${Math.round(100 * v / n)} %` : '')).join(', ');
}
