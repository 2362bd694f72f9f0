// graph_units.mjs: the pure parts of the graph's pages by tables of input and output. node tests/ui/graph_units.mjs
import assert from 'node:assert/strict';

Object.assign(globalThis, { matchMedia: () => ({ addEventListener() {} }), location: { pathname: '/graph', search: '?from=-1h', origin: '' }, history: {}, addEventListener() {}, document: { querySelector: () => null, addEventListener() {}, createElement: () => ({ getContext: () => ({ measureText: t => ({ width: 7 * t.length }) }) }) } });
const { matchesOf } = await import('../../web/ui/graph/match.js');
const { overlaid, slower } = await import('../../web/ui/graph/overlay.js');
const { apart } = await import('../../web/ui/graph/ways.js');
const { findSelected, keysOf, knownOf } = await import('../../web/ui/graph/select.js');
const { nameOfId, servicePath, ratesOf, securityOf } = await import('../../web/ui/graph/names.js');
const { onsetOf, seriesOf } = await import('../../web/ui/graph/numbers.js');

const node = (id, role = 'workload', more = {}) => { const [cluster, namespace, ...rest] = id.split('#')[0].split('/'); return { id, node: { cluster, namespace, service: rest.join('/'), version: '', role }, calls: 100, errors: 0, began: 0, passed: 0, out_calls: 0, versions: [], mark: '', ...more }; };
const edge = (caller, callee, more = {}) => ({ id: `${caller}>${callee}`, caller, callee, calls: 600, adjusted_calls: 600, errors: 0, errors_origin: 0, errors_carried: 0, client_errors: 0, p95_ns: 10e6, mark: '', via: '', crossing: 'inside', connection_type: '', hairpin: false, known_by: { both: 600 }, security: { mtls: 600, tls: 0, plaintext: 0, unknown: 0 }, examples: { error: [], slow: [] }, ...more });
const U = '//user#user', F = 'eu-1/shop/frontend', C = 'eu-1/shop/cart', R = '//redis#cache', C2 = 'eu-2/shop/cart';
const graph = (edges, extra = []) => { const ids = [...new Set([...edges.flatMap(e => [e.caller, e.callee]), ...extra])]; return { seconds: 60, nodes: ids.map(id => node(id, id.split('#')[1] || 'workload')), edges }; };

/* names in URLs */
const g = graph([edge(U, F), edge(F, C), edge(C, R)]);
assert.deepEqual([C, R, U].map(keysOf(g.nodes)), ['shop/cart', 'redis', 'user']);
assert.equal(keysOf(graph([edge(F, C), edge(F, C2)]).nodes)(C2), C2);
for (const sel of ['shop/cart>redis', `${C}>${R}`, 'cart>redis']) assert.deepEqual(findSelected(g, sel), { caller: C, callee: R }, sel);
for (const sel of ['shop/cart', C, 'cart']) assert.equal(findSelected(g, sel).node.id, C, sel);
assert.equal(findSelected(g, 'nobody'), null);
const odd = graph([edge('//a>b', '//c>d'), edge('//a', '//b>c>d')]);
assert.deepEqual(findSelected(odd, 'a>b>c>d').callee, '//c>d');
assert.equal(nameOfId('eu-1/shop/a/b#user#database'), 'a/b#user');
assert.equal(nameOfId('fold:eu-1/shop'), 'shop');
assert.equal(servicePath({ cluster: '', namespace: 'a b', service: 'x/y' }), 'service/-/a%20b/x%2Fy');

/* find */
const big = graph([edge(U, F), edge(F, C, { errors: 60, mark: 'passed' }), edge(C, R, { p95_ns: 300e6 }), edge(F, 'eu-1/pay/bill', { security: { mtls: 0, tls: 0, plaintext: 600, unknown: 0 } })]);
for (const [q, nodes, edges] of [['', null, null], ['cart', [C], [`${F}>${C}`, `${C}>${R}`]], ['cart redis', [C, R], [`${C}>${R}`]], ['ns:pay', ['eu-1/pay/bill'], [`${F}>eu-1/pay/bill`]], ['fail>1%', [F, C], [`${F}>${C}`]], ['p95>200ms', [C, R], [`${C}>${R}`]], ['plaintext', [F, 'eu-1/pay/bill'], [`${F}>eu-1/pay/bill`]], ['nothing-like-it', [], []]]) {
  const m = matchesOf(big, q);
  assert.deepEqual(m && [...m.nodes].sort(), nodes && nodes.sort(), q);
  assert.deepEqual(m && [...m.edges].sort(), edges && edges.sort(), q);
}

/* overlays */
const label = (overlay, e, all = []) => { const d = overlaid(graph([e, ...all]), overlay).drawn[0]; return [d.kind, d.label.replace(/[\u00a0\u202f]/g, ' '), d.icon].join('|'); };
assert.equal(label('fault', edge(C, R, { errors: 60, errors_origin: 60, mark: 'began' })), 'b|1.0/s began here|');
assert.equal(label('fault', edge(F, C, { errors: 60, errors_carried: 60, mark: 'passed' })), 'p|10 %|');
assert.equal(label('fault', edge(F, C, { via: 'gw' })), '|10.0/s|gw');
assert.equal(label('fault', edge(F, C, { hairpin: true, via: 'gw' })), '|10.0/s|turn');
const was = { calls: 600, errors: 0, p95_ns: 10e6 };
assert.equal(slower(edge(C, R, { p95_ns: 12e6, was })), false);
assert.equal(label('slow', edge(C, R, { p95_ns: 40e6, was })), 's|10 → 40 ms|');
assert.equal(label('slow', edge(F, C, { p95_ns: 50e6, was }), [edge(C, R, { p95_ns: 40e6, was })]), 'w|50 ms|');
assert.equal(label('sec', edge(F, C, { security: { mtls: 0, tls: 0, plaintext: 600, unknown: 0 } })), '|plaintext|open');
assert.equal(label('cross', edge(F, C2, { crossing: 'cross_cluster' })), 'dbl|eu-1 → eu-2|cross');
assert.equal(label('diff', edge(F, C, { was: { calls: 0, errors: 0 } })), '|+ new|');
const gone = edge(F, C, { calls: 0, adjusted_calls: 0, p95_ns: null, was });
assert.equal(label('diff', gone), '|− gone|');
assert.equal(overlaid(graph([edge(F, C2, { crossing: 'cross_zone' })]), 'cross', new Map([[`${F}>${C2}`, 'a → b']])).drawn[0].label, 'a → b');
assert.equal(label('diff', edge(F, C, { errors: 60, mark: 'passed', was })), 'p|0 → 10 %|');
const once = overlaid(graph([edge(U, F, { errors: 60, errors_carried: 60, mark: 'passed' }), edge(F, C, { errors: 60, errors_carried: 60, mark: 'passed' })]), 'fault').drawn;
assert.deepEqual(once.map(d => d.label !== ''), [true, false]);
const was0 = { calls: 600, errors: 0, p95_ns: null }, redder = [edge(U, F, { errors: 60, errors_carried: 60, mark: 'passed', was: was0 }), edge(F, C, { errors: 60, errors_carried: 60, mark: 'passed', was: was0 })];
assert.deepEqual(overlaid(graph(redder), 'diff').drawn.map(d => d.label !== ''), [true, false]);
assert.equal(label('cross', edge(F, C2, { crossing: 'cross_namespace' })), '||');

/* numbers */
assert.deepEqual([ratesOf(edge(F, C), 60).text, ratesOf(edge(F, C, { adjusted_calls: 6000 }), 60).text], ['10.0/s', '≈ 100/s']);
assert.equal(securityOf(edge(F, C, { security: { mtls: 75, tls: 0, plaintext: 25, unknown: 0 } })).words, 'mTLS 75 %, plaintext 25 %');
const split = { tls: 90, unknown: 10, mtls: 0, plaintext: 0 }; /* calls that never left had no need of protection */
assert.deepEqual([10, 5, 0].map(unreached => securityOf(edge(F, C, { security: split, unreached })).words), ['TLS', 'TLS 95 %, unknown 5 %', 'TLS 90 %, unknown 10 %']);
assert.equal(securityOf(edge(F, C, { security: { ...split, tls: 0 }, unreached: 10 })).words, 'unknown');
assert.equal(knownOf(edge(F, C, { known_by: { both: 97, caller_only: 3 } })), 'both sides 97 %, the caller alone 3 %');
const x = [...Array(30).keys()];
assert.equal(onsetOf(x, x.map(() => 100), x.map(i => i < 13 ? 0 : 12)), 13);
assert.equal(onsetOf(x, x.map(() => 100), x.map(() => 12)), null);
assert.equal(onsetOf(x, x.map(() => 100), x.map(() => 0)), null);
const series = seriesOf({ step_ns: 60e9, seconds: [60, 60, 10] }, '1970-01-01T00:00:00Z');
assert.deepEqual([series.x, series.v([120, null, 30])], [[30000, 90000, 150000], [2, null, null]]);

/* failing edges of one lane run beside each other in it, in the order in which they come, and arrive so; quiet ones stay where they are */
const inLane = (from, hot) => ({ hot, w: 3, e: { points: [0, from, 100, 50, 200, 50, 300, 60] } }), alone = { hot: true, w: 3, e: { points: [0, 0, 100, 90, 200, 90, 300, 66] } };
const lane = [inLane(70, true), inLane(10, true), inLane(40, false), alone];
apart(lane);
assert.deepEqual(lane.map(d => d.e.points.filter((_, i) => i % 2)), [[70, 54, 54, 64], [10, 46, 46, 56], [40, 50, 50, 60], [0, 90, 90, 66]]);
