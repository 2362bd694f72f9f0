// names.js: what nodes and edges of a graph are called: on the page, in URLs, in links to other pages.
import { href, quote } from '../frame/url.js';
import { rate } from '../draw/text.js';

export const isUser = n => n.node.role == 'user';
export const isStore = n => n.node.role == 'database' || n.node.role == 'cache';

// As people read it: "users", "cart", or what a fold stands for.
export const nameOf = n => !n ? 'unknown' : n.fold ? n.fold.name : isUser(n) ? 'users' : n.node.service || 'without a name';
// The same from an id alone: "eu-1/shop/cart#cache" -> "cart".
export function nameOfId(id) {
  const role = id.lastIndexOf('#'), whole = role > 0 ? id.slice(0, role) : id;
  return whole == '//user' ? 'users' : whole.replace(/^[^/]*\/[^/]*\//, '');
}

// As it stands in a URL: namespace/service, without a namespace the service alone; the id where that names several.
const shortOf = n => n.fold ? n.id : (n.node.namespace ? n.node.namespace + '/' : '') + n.node.service;
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

// A service's page. An unknown cluster or namespace is "-".
export const servicePath = node => '/service/' + [node.cluster || '-', node.namespace || '-', node.service].map(encodeURIComponent).join('/');
export const serviceHref = (node, query) => href(servicePath(node), query);
export const hasPage = n => !n.fold && (n.node.role == 'workload' || n.node.role == 'gateway');
export const edgeHref = (caller, callee, query) => href('/graph', { ...query, sel: `${caller}>${callee}` });

export const traces = (...conditions) => href('/traces', { q: conditions.map(([k, v]) => `${k}=${quote(v)}`).join(' ') });

/* ---- numbers of edges and nodes, as every view shows them ---- */

// Sampled calls are shown as what they stand for, with ≈.
export function ratesOf(e, seconds) {
  const sampled = e.adjusted_calls > e.calls * 1.005;
  const calls = (sampled ? e.adjusted_calls : e.calls) / (seconds || 1), times = e.calls ? calls / (e.calls / (seconds || 1)) : 1;
  return { calls, sampled, text: (sampled ? '≈ ' : '') + rate(calls), began: (e.errors_origin || 0) * times / (seconds || 1), passed: (e.errors_carried || 0) * times / (seconds || 1),
    share: e.calls ? e.errors / e.calls : 0 };
}
export const ratio = (a, b) => b ? a / b : 0;
// A rate in a column whose head says "a second": 18.2
export const bare = text => text.replace('/s', '');

const SECURITY = [['mtls', 'mTLS', 'lock'], ['tls', 'TLS', 'tls'], ['plaintext', 'plaintext', 'open'], ['unknown', 'unknown', null]];
// How the calls of an edge were protected: [icon, words, class], with shares where they are mixed.
export function securityOf(e) {
  const known = SECURITY.filter(([k]) => e.security[k] > 0), all = Object.values(e.security).reduce((a, b) => a + b, 0);
  const worst = e.security.plaintext ? SECURITY[2] : known[0] || SECURITY[3];
  const words = known.length > 1 ? known.map(([k, w]) => `${w} ${Math.round(100 * e.security[k] / all)} %`).join(', ') : worst[1];
  return { icon: worst[2], words, plain: e.security.plaintext > 0, kind: worst[0] };
}

const KNOWN = { both: 'both sides', callee_only: 'the callee alone', caller_only: 'the caller alone', link: 'a link', log: 'an access log', request_id: 'the request id', entry: 'the entry' };
export function knownOf(e) {
  const all = Object.entries(e.known_by).sort((a, b) => b[1] - a[1]), sum = all.reduce((n, [, v]) => n + v, 0);
  return all.length == 1 ? KNOWN[all[0][0]] : all.map(([k, v]) => `${KNOWN[k]} ${Math.round(100 * v / sum)} %`).join(', ');
}
