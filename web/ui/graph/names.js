// names.js: what nodes and edges of a graph are called: on the page, in URLs, in links to other pages.
import { href } from '../frame/url.js';
import { bare, count, quote, rate } from '../draw/text.js';
import { sum } from './numbers.js';

export const isUser = n => n.node.role == 'user';
export const isStore = n => n.node.role == 'database' || n.node.role == 'cache';

// As people read it: "users", "cart", or what a fold stands for. nodeName() is of the node alone, as lists have it.
export const nodeName = n => n.role == 'user' ? 'users' : n.service || 'without a name';
export const nameOf = n => !n ? 'unknown' : n.fold ? n.fold.name : nodeName(n.node);
// Its id in a graph, and the name from an id alone: "eu-1/shop/cart#cache" -> "cart", "fold:eu-1/shop" -> "shop".
export const idOf = n => `${n.cluster}/${n.namespace}/${n.service}${n.role == 'workload' ? '' : '#' + n.role}`;
export function nameOfId(id) {
  const role = id.lastIndexOf('#'), whole = role > 0 ? id.slice(0, role) : id;
  return whole == '//user' ? 'users' : whole.replace(/^(fold:[^/]*|[^/]*\/[^/]*)\//, '');
}
export const pairOfIds = e => `${nameOfId(e.caller)} → ${nameOfId(e.callee)}`;
export const versionWord = v => v || 'unknown';

// As it stands in a URL: namespace/service, without a namespace the service alone.
export const selOf = node => (node.namespace ? node.namespace + '/' : '') + node.service;
// A service's page. An unknown cluster or namespace is "-".
export const servicePath = node =>
  'service/' + [node.cluster || '-', node.namespace || '-', node.service].map(encodeURIComponent).join('/');
export const serviceHref = (node, query) => href('/' + servicePath(node), query);
export const isOwn = node => node.role == 'workload' || node.role == 'gateway';
export const hasPage = n => !n.fold && isOwn(n.node);
export const edgeHref = (caller, callee, query) => href('/graph', { ...query, sel: `${caller}>${callee}` });
export const traceHref = (id, query) => href('/trace/' + id, query);
// Traces of which all these hold: [key, value], …
export const traces = (...conditions) => href('/traces', { q: conditions.filter(Boolean).map(([k, v]) => `${k}=${quote(v)}`).join(' ') });

// "503 UO": what somebody answered.
export const codesOf = x =>
  [x.http_status, x.grpc_status > 0 && 'grpc ' + x.grpc_status, /[^-]/.test(x.response_flags || '') && x.response_flags].filter(Boolean)
  .join(' ');

/* ---- numbers of edges and nodes, as every view shows them ---- */

const isSampled = e => e.adjusted_calls > e.calls * 1.005;
// Sampled calls are shown as what they stand for, with ≈.
export function ratesOf(e, seconds = 1) {
  const sampled = isSampled(e), times = sampled ? e.adjusted_calls / e.calls : 1,
    of = n => (n || 0) * times / (seconds || 1), calls = of(e.calls);
  return { calls, text: (sampled ? '≈ ' : '') + rate(calls), bare: (sampled ? '≈ ' : '') + bare(calls), began: of(e.errors_origin),
    passed: of(e.errors_carried), share: e.calls ? e.errors / e.calls : 0 };
}

// Of an edge whose calls are a sample: how many were seen, and how many each stands for.
export const sampledWords = e =>
  isSampled(e) ? `${count(e.calls)} calls seen, each stands for ${(e.adjusted_calls / e.calls).toFixed(1)}` : null;

export const SECURITY = { mtls: ['mTLS', 'lock'], tls: ['TLS', 'tls'], plaintext: ['plaintext', 'open'], unknown: ['unknown'] };
// How calls were protected: {icon, words, plain}; shares where several ways are mixed. Calls that never left had no need of it.
export function securityOf({ security, unreached }) {
  const ways = { ...security, unknown: security.unknown - (unreached || 0) }, known = Object.keys(SECURITY).filter(k => ways[k] > 0);
  const all = sum(known, k => ways[k]), [words, icon] = SECURITY[ways.plaintext ? 'plaintext' : known[0] || 'unknown'];
  return { icon, plain: ways.plaintext > 0,
    words: known.length > 1 ? known.map(k => `${SECURITY[k][0]} ${Math.round(100 * ways[k] / all)} %`).join(', ') : words };
}
