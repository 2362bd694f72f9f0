// overlay.js: what each overlay says of an edge and of a node: mark, colour, words. Pure; one function an overlay.
import { ms, msWhole, rate, share } from '../draw/text.js';
import { nameOfId, ratesOf, ratio, securityOf } from './names.js';

export const OVERLAYS = [['fault', 'Failures'], ['slow', 'Latency'], ['sec', 'Security'], ['cross', 'Crossings'], ['diff', 'Diff']];
export const needsBase = overlay => overlay == 'slow' || overlay == 'diff';

const ENOUGH = 20; /* calls on both sides before a difference in latency is one */
const MUCH = 1.3, LEAST_NS = 1e6;

export function slower(e) {
  return !!e.was && e.calls >= ENOUGH && e.was.calls >= ENOUGH && e.p95_ns >= MUCH * e.was.p95_ns && e.p95_ns - e.was.p95_ns >= LEAST_NS;
}
const faster = e => !!e.was && e.calls >= ENOUGH && e.was.calls >= ENOUGH && e.was.p95_ns >= MUCH * e.p95_ns && e.was.p95_ns - e.p95_ns >= LEAST_NS;

// Slow because it waits: its callee has a call that became slower by about as much.
function waits(e, out) {
  const more = e.p95_ns - e.was.p95_ns;
  return (out.get(e.callee) || []).some(o => o != e && slower(o) && o.p95_ns - o.was.p95_ns >= more / 3);
}

const redder = e => {
  const now = ratio(e.errors, e.calls), was = ratio(e.was?.errors, e.was?.calls);
  return e.mark && e.was?.calls && now > 3 * was;
};

const isCrossing = e => e.crossing == 'cross_cluster' || e.crossing == 'cross_zone' || e.crossing == 'cross_namespace';

/* Each gives {hot, kind, colour, label, cls, icon, dash}: kind b p s w draws the marks, dbl the double line of a crossing. */
const RULES = {
  fault(e, g) {
    const r = ratesOf(e, g.seconds), quiet = { icon: e.hairpin ? 'turn' : e.security.plaintext ? 'open' : e.crossing == 'cross_cluster' ? 'cross' : e.via ? 'gw' : '' };
    if (quiet.icon == 'turn') quiet.colour = 'var(--turn)';
    if (quiet.icon == 'open') Object.assign(quiet, { colour: 'var(--plain)', dash: '6 3' });
    if (!e.mark) return quiet;
    const began = e.mark == 'began';
    return { ...quiet, hot: true, kind: began ? 'b' : 'p', colour: 'var(--fault)', dash: null, cls: 'f', label: began ? `${rate(r.began)} began here` : share(r.share), icon: quiet.icon == 'gw' ? 'gw' : '' };
  },
  slow(e, g) {
    if (!slower(e)) return { label: msWhole(e.p95_ns) };
    const kind = waits(e, g.out) ? 'w' : 's';
    return { hot: true, kind, colour: 'var(--slow-mark)', cls: 'sl', label: kind == 's' ? `${msWhole(e.was.p95_ns).replace(/\u00a0ms$/, '')} → ${msWhole(e.p95_ns)}` : msWhole(e.p95_ns) };
  },
  sec(e) {
    const s = securityOf(e);
    if (s.plain) return { hot: true, icon: 'open', colour: 'var(--plain)', dash: '6 3', label: 'plaintext', cls: 'pl' };
    return { icon: s.icon || '', keep: true, label: s.icon ? '' : 'unknown' };
  },
  cross(e, g) {
    if (e.hairpin) return { hot: true, icon: 'turn', colour: 'var(--turn)', label: 'hairpin' + (e.transit_p50_ns ? ` +${ms(e.transit_p50_ns)}` : ''), cls: 'tu' };
    if (e.crossing == 'cross_cluster' || e.crossing == 'cross_zone') return { hot: true, kind: 'dbl', icon: 'cross', colour: 'var(--accent)', label: ends(e, g, e.crossing == 'cross_zone') };
    if (isCrossing(e)) return { icon: 'cross', keep: true, label: ends(e, g) };
    if (e.crossing == 'out') return { hot: true, icon: 'ext', colour: 'var(--accent)', label: 'out' };
    if (e.crossing == 'in') return { hot: true, colour: 'var(--accent)', label: 'in' };
    return {};
  },
  diff(e, g) {
    if (e.was && !e.was.calls) return { hot: true, colour: 'var(--good)', cls: 'gd', dash: '8 3', label: '+ new' };
    if (redder(e)) return { hot: true, kind: e.mark == 'began' ? 'b' : 'p', colour: 'var(--fault)', cls: 'f',
      label: `${share(ratio(e.was.errors, e.was.calls)).replace(/\u00a0%$/, '')} → ${share(ratio(e.errors, e.calls))}` };
    if (slower(e)) return { hot: true, kind: waits(e, g.out) ? 'w' : 's', colour: 'var(--slow-mark)', cls: 'sl', label: `${msWhole(e.was.p95_ns).replace(/\u00a0ms$/, '')} → ${msWhole(e.p95_ns)}` };
    if (faster(e)) return { hot: true, colour: 'var(--good)', cls: 'gd', label: `${msWhole(e.was.p95_ns).replace(/\u00a0ms$/, '')} → ${msWhole(e.p95_ns)}` };
    return {};
  },
};

function ends(e, g, zone) {
  const a = g.byId.get(e.caller)?.node, b = g.byId.get(e.callee)?.node;
  if (!a || !b || zone) return zone ? 'other zone' : '';
  return a.cluster != b.cluster ? `${a.cluster} → ${b.cluster}` : `${a.namespace} → ${b.namespace}`;
}

const widthOf = calls => Math.min(6, Math.max(1.2, 1 + Math.log10(Math.max(calls, .1)) * 1.5));

// The graph with what an overlay says of each edge; labels where the design wants them: on all of a small graph, else on findings and the busiest.
export function overlaid(graph, overlay) {
  const g = { ...graph, byId: new Map(graph.nodes.map(n => [n.id, n])), out: new Map(), into: new Map() };
  for (const e of graph.edges) {
    for (const [map, id] of [[g.out, e.caller], [g.into, e.callee]]) { if (!map.has(id)) map.set(id, []); map.get(id).push(e); }
  }
  const busiest = new Set([...graph.edges].sort((a, b) => b.calls - a.calls).slice(0, 10)), small = graph.edges.length <= 12;
  g.drawn = graph.edges.map(e => {
    const r = ratesOf(e, graph.seconds), d = { colour: 'var(--edge)', cls: '', kind: '', icon: '', label: '', ...RULES[overlay](e, g), e, w: widthOf(r.calls), rate: r };
    if (e.connection_type == 'messaging_system' && !d.hot) d.dash = '2 4';
    if (e.known_by.request_id) { d.w = Math.max(1, d.w * .6); d.label = '~ ' + (d.label || rate(r.calls)); }
    if (!d.hot && overlay == 'fault' && small) d.label ||= r.text;
    if (!d.hot && overlay == 'slow' && !(small || busiest.has(e))) d.label = '';
    return d;
  });
  // What a way passes on unchanged is written once.
  for (const d of g.drawn) {
    const before = (g.into.get(d.e.caller) || []);
    if (overlay == 'fault' && d.kind == 'p' && before.length == 1) {
      const up = g.drawn.find(o => o.e == before[0]);
      if (up && up != d && (up.label == d.label || up.was == d.label)) { d.was = d.label; d.label = ''; }
    }
  }
  return g;
}

// A sentence for each edge and node: what screen readers and tooltips say.
export function edgeWords(d) {
  const e = d.e, parts = [`${nameOfId(e.caller)} to ${nameOfId(e.callee)}`, `${d.rate.text.replace('/s', ' calls per second')}`];
  if (e.errors_origin) parts.push(`${rate(d.rate.began).replace('/s', ' failures per second')} began here`);
  if (e.errors_carried) parts.push(`${rate(d.rate.passed).replace('/s', ' failures per second')} passed on`);
  if (!e.errors) parts.push('no failures');
  if (e.p95_ns != null) parts.push(`p95 ${ms(e.p95_ns)}`);
  if (e.via) parts.push(`via ${e.via}`);
  if (e.hairpin) parts.push('hairpin');
  if (e.security.plaintext) parts.push('plaintext');
  return parts.join(', ');
}
