// units.mjs: the pure parts of the page by tables of input and output. node tests/ui/units.mjs
import assert from 'node:assert/strict';
import { chipWords, conditions, condition, join, readBox, valueWords, writeBox, write } from '../../web/ui/traces/line.js';
import { fit as shorten } from '../../web/ui/now/fit.js';
import { traceIdIn } from '../../web/ui/frame/traceid.js';
import * as text from '../../web/ui/draw/text.js';
import { after } from '../../web/ui/trace/words.js';
import { firstDifference, hairpinOf, markOf, modelOf, rowsOf, selfOf, summary, union } from '../../web/ui/trace/model.js';

const ID = '4bf92f3577b34da6a3ce929d0e0e4736', SHORT = 'a3ce929d0e0e4736';
const IDS = [
  [ID, ID], [ID.toUpperCase(), ID], [SHORT, SHORT], [` ${ID}\n`, ID], [`00-${ID}-00f067aa0ba902b7-01`, ID], [`traceparent: 00-${ID}-00f067aa0ba902b7-01`, ID],
  [`${ID}-00f067aa0ba902b7-1`, ID], [`b3: ${SHORT}-00f067aa0ba902b7-1-05e3ac9a4f6e3b90`, SHORT], [`X-B3-TraceId: ${SHORT}`, SHORT], [`uber-trace-id: ${SHORT}:00f067aa0ba902b7:0:1`, SHORT],
  [`https://faultline.example/trace/${ID}?span=00f067aa0ba902b7`, ID], [`http://jaeger/trace/${SHORT}?uiFind=00f067aa0ba902b7`, SHORT],
  [`2026-11-23T10:41:52Z level=error trace_id=${ID} span_id=00f067aa0ba902b7 msg="no"`, ID], [`{"traceId":"${ID}","spanId":"00f067aa0ba902b7"}`, ID],
  ['Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1', '5759e988bd862e3fe1be46a994272793'],
  [`10:41:52 [00f067aa0ba902b7,${ID}] failed`, ID], ['GET /cart', null], ['cart redis', null], ['1700000000123456 something', null], ['deadbeef', null], ['', null],
  ['123e4567-e89b-12d3-a456-426614174000', '123e4567e89b12d3a456426614174000'],
];
for (const [given, wanted] of IDS) assert.equal(traceIdIn(given), wanted, given);

for (const [q, n] of [['', 0], ['service=cart', 1], ['service = cart status!=error took > 2ms', 3], ['entry="GET /cart" redis', 2], ['"http.route"~"a b"', 1], ['=', 1], ['a=', 1], ['"', 1]]) assert.equal(conditions(q).length, n, q);
assert.deepEqual(conditions('spans>=20 took <= 2ms').map(c => [c.key, c.op, c.value]), [['spans', '>=', '20'], ['took', '<=', '2ms']]);
assert.deepEqual(conditions('cart:version=v2').map(c => [c.scope, c.key, c.op, c.value]), [['cart', 'version', '=', 'v2']]);
for (const c of [condition({ key: 'service' }, 'a "b" c'), condition({ key: 'version', scope: 'cart' }, 'v 2', '!='), condition({ key: 'service', attribute: true }, '<script>'), condition({ key: 'guid:x', attribute: true }, '=1')]) {
  const [back] = conditions(write(c));
  assert.deepEqual([back.key, back.scope, back.op, back.value, back.quoted], [c.key, c.scope, c.op, c.value, c.quoted]);
}
assert.equal(join(conditions('a=1   b~"x y"')), 'a=1 b~"x y"');
assert.deepEqual(readBox(writeBox({ from: 1700000000123, to: 1700000060000, least: 1.2345, most: 99.9, only: 'failed' })), { from: 1700000000123, to: 1700000060000, least: 1.234, most: 99.9, only: 'failed' });
assert.equal(readBox('a,b,c'), null);
/* a status as it is shown is that of the facet; one that is none is not told as good */
assert.deepEqual(['status = failed', 'status=good', 'status=foo', '"status"=failed'].map(q => conditions(q)[0]).map(c => [c.value, ...chipWords(c)]),
  [['error', 'status =', 'failed'], ['ok', 'status =', 'good'], ['foo', 'status =', 'foo'], ['failed', 'status =', 'failed']]);
assert.deepEqual(['0000000000000000a3ce929d0e0e4736', ID].map(text.shortId), ['a3ce929d', '4bf92f35']);

const plain = s => s.replace(/[\u00a0\u202f]/g, ' ');
for (const [time, wanted] of [['2026-11-23T10:00:00.005000000Z', '+5.0 ms'], ['2026-11-23T09:59:59.995000000Z', '−5.0 ms'], ['2026-11-23T10:00:00.000000000Z', '+0 ms'], ['1970-01-01T00:00:00.000000000Z', 'no time'], [null, 'no time']]) assert.equal(plain(after(time, Date.parse('2026-11-23T10:00:00Z'))), wanted);
for (const [ns, wanted] of [[0, '0 ms'], [40000, '40 µs'], [-10000, '−10 µs'], [300000, '0.3 ms'], [27.4e6, '27.4 ms'], [310e6, '310 ms'], [1.2e9, '1.2 s'], [33e9, '33 s'], [190e9, '3 min 10 s'], [7500e9, '2 h 5 min'], [null, 'unknown']]) assert.equal(plain(text.ms(ns)), wanted);
for (const [x, wanted] of [[0, '0 %'], [1, '100 %'], [.047, '4.7 %'], [.0002, '0.02 %'], [.94, '94 %'], [.998, '99.8 %'], [.00001, '< 0.01 %'], [NaN, 'unknown']]) assert.equal(plain(text.share(x)), wanted);
for (const [x, wanted] of [[18.2, '18.2/s'], [229.4, '229/s'], [0, '0/s'], [.04, '0.04/s']]) assert.equal(plain(text.rate(x)), wanted);
assert.equal(plain(text.count(212400)), '212 400');
assert.equal(text.parseTime('2026-11-23T10:41:52.318456789Z') - Date.parse('2026-11-23T10:41:52Z') > 318.45, true);

/* A layout of four rows: root, a proxy that is folded, its workload where the failure began, and a child that did well. */
const layout = (fault, more = {}) => ({ trace: { duration_ns: 100e6, trace_id: 'x' }, nodes: [{ service: 'a' }, { service: 'b' }], operations: ['op', 'x'], flags: {}, instances: {}, hairpins: {}, critical: [[0, 0, 1]],
  spans: { parent: [-1, 0, 1, 2], depth: [0, 1, 2, 3], node: [0, 0, 1, 1], named: [0, 0, 1, 1], operation: [0, 0, 0, 1], start_ns: [0, 10e6, 20e6, 30e6], duration_ns: [100e6, 80e6, 60e6, 20e6], self_ns: [20e6, 20e6, 40e6, 20e6], kind: [2, 2, 2, 2],
    fault: [2, fault ? 1 : 0, fault ? 1 : 0, 0], lent: [fault ? 2 : 0, 0, fault ? 1 : 0, 0], folded: [0, 1, 0, 0], attempt: [0, 0, 0, 0], attempts: [0, 0, 0, 0], orphan: [0, 0, 0, 0], status: [0, 0, 0, 0], span_id: ['1', '2', '3', '4'], record: [0, 1, 2, 3] }, ...more });
const m = modelOf(layout(true)), rows = o => rowsOf(m, { hops: false, closed: new Set(), opened: new Set(), brief: false, ...o });
assert.deepEqual(rows().map(r => [r.i, r.depth]), [[0, 0], [2, 1], [3, 2]]);
assert.deepEqual(rows({ hops: true }).map(r => r.i), [0, 1, 2, 3]);
assert.deepEqual(rows({ closed: new Set([2]) }).map(r => r.i), [0, 2]);
assert.deepEqual(rows({ brief: true }).map(r => r.quiet || r.i), [0, 2, [3]]);
assert.equal(markOf(m, 2, false), 'b');
assert.deepEqual(selfOf(m, 2, false), [[0, 10e6], [30e6, 60e6]]);
assert.equal(selfOf(m, 3, false), null);
assert.equal(union(m, [2, 3]), 60e6);
/* A hairpin that the folded proxy saw is told by the workload under it, and by nobody else. */
const turned = modelOf(layout(false, { hairpins: { 1: 5e6 } }));
assert.deepEqual([0, 1, 2, 3].map(i => hairpinOf(turned, i, false)), [undefined, 5e6, 5e6, undefined]);
assert.deepEqual([1, 2].map(i => hairpinOf(turned, i, true)), [5e6, undefined]);
assert.equal(summary(m).length, 3);
assert.deepEqual(firstDifference(m, modelOf(layout(false))), { kind: 'failed', row: 2, other: 2 });
/* A callee five seconds ahead of its caller is moved into it, and what stands beneath with it. */
const ahead = layout(false);
ahead.spans.node = [0, 0, 1, 1];
ahead.spans.folded = [0, 0, 0, 0];
ahead.spans.start_ns = [0, 10e6, 5020e6, 5030e6];
const fit = modelOf(ahead, true);
assert.deepEqual([fit.s.start_ns[2], fit.s.start_ns[3], fit.to], [20e6, 30e6, 100e6]);
assert.deepEqual([...fit.clocks.hosts], [['b', 5000e6]]);
assert.equal(modelOf(ahead).to, 5080e6);
assert.equal(modelOf(layout(true)).clocks.hosts.size, 0);
console.log('units of the page: good');

/* a value of nothing but blanks is said, not shown */
assert.deepEqual(['', '  ', ' TLSv1.3'].map(v => valueWords('tls', v)), ['empty', 'empty', ' TLSv1.3']);

/* the gateway that a way leaves out stands before the next node of it alone */
const way = ['user', 'gateway', 'workload', 'workload', 'cache'].map(role => ({ node: { role } })), [shown, folded, before] = shorten(way, 3);
assert.deepEqual([shown, folded, shown.map(before)], [[0, 2, 3, 4], [], [undefined, 1, undefined, undefined]]);
