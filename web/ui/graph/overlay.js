// overlay.js: what each overlay says of an edge and of a node: mark, colour, words. Pure; one function an overlay.
import { change, ms, msWhole, rate, share } from '../draw/text.js';
import { pairOfIds, ratesOf, securityOf } from './names.js';
import { ratio, slowerThan } from './numbers.js';

export const OVERLAYS = [['fault', 'Failures'], ['slow', 'Latency'], ['sec', 'Security'], ['cross', 'Crossings'], ['diff', 'Diff']];
export const needsBase = overlay => overlay == 'slow' || overlay == 'diff';

export const slower = e => slowerThan(e, e.was);
const faster = e => !!e.was && slowerThan(e.was, e);
export const isGone = e => !e.calls && e.was?.calls > 0;

// Slow because it waits: its callee has a call that became slower by about as much.
function waits(e, out) {
  const more = e.p95_ns - e.was.p95_ns;
  return (out.get(e.callee) || []).some(o => o != e && slower(o) && o.p95_ns - o.was.p95_ns >= more / 3);
}
const redder = e => e.mark && e.was?.calls && ratio(e.errors, e.calls) > 3 * ratio(e.was.errors, e.was.calls);

/* Each gives {hot, kind, colour, label, brief: what of it fits anywhere, cls, icon, dash}: kind b p s w draws the marks, dbl the double line of a crossing; what = the words of a change. */
const failing = (e, label) => ({ hot: true, kind: e.mark == 'began' ? 'b' : 'p', colour: '--fault', cls: 'f', label, what: 'redder' });
const late = (e, g, label) => ({ hot: true, kind: waits(e, g.out) ? 'w' : 's', colour: '--slow-mark', cls: 'sl', label, what: 'slower' });
const took = e => change(msWhole(e.was.p95_ns), msWhole(e.p95_ns));
const PLAIN = { icon: 'open', colour: '--plain', dash: '6 3' }, TURN = { icon: 'turn', colour: '--turn' },
  GOOD = { hot: true, colour: '--good', cls: 'gd' }, HOT = { hot: true, colour: '--accent' };

const RULES = {
  fault(e, g) {
    const r = ratesOf(e, g.seconds),
      quiet = e.hairpin ? TURN : e.security.plaintext ? PLAIN : { icon: e.crossing == 'cross_cluster' ? 'cross' : e.via ? 'gw' : '' };
    return e.mark
      ? { icon: quiet.icon == 'gw' ? 'gw' : '', brief: rate(r.began),
        ...failing(e, e.mark == 'began' ? `${rate(r.began)} began here` : share(r.share)) }
      : quiet;
  },
  slow(e, g) {
    const p95 = msWhole(e.p95_ns);
    return !slower(e) ? { label: p95 } : late(e, g, waits(e, g.out) ? p95 : took(e));
  },
  sec(e) {
    const { plain, icon = '' } = securityOf(e);
    return plain ? { ...PLAIN, hot: true, label: 'plaintext', cls: 'pl' } : { icon, keep: true, label: icon ? '' : 'unknown' };
  },
  cross(e, g) {
    const more = e.added_ns ? `+${ms(e.added_ns)}` : '';
    if (e.hairpin) return { ...TURN, hot: true, label: `hairpin ${more}`.trim(), brief: more, cls: 'tu' };
    if (e.crossing == 'cross_cluster' || e.crossing == 'cross_zone')
      return { ...HOT, kind: 'dbl', icon: 'cross', label: ends(e, g, e.crossing) };
    return e.crossing == 'out' ? { ...HOT, icon: 'ext', label: 'out' } : e.crossing == 'in' ? { ...HOT, label: 'in' } : {};
  },
  diff(e, g) {
    if (isGone(e)) return { hot: true, colour: '--ctl', dash: '1 4', label: '− gone', what: 'gone' };
    if (e.was && !e.was.calls) return { ...GOOD, dash: '8 3', label: '+ new', what: 'new' };
    if (redder(e)) return failing(e, change(share(ratio(e.was.errors, e.was.calls)), share(ratio(e.errors, e.calls))));
    return slower(e) ? late(e, g, took(e)) : faster(e) ? { ...GOOD, label: took(e), what: 'faster' } : {};
  },
};

// "eu-1a → eu-1b": the clusters of its ends, or the zones that most of its calls cross.
function ends(e, g, crossing) {
  const [a, b] = [e.caller, e.callee].map(id => g.byId.get(id)?.node.cluster);
  return crossing == 'cross_zone' ? g.zones?.get(`${e.caller}>${e.callee}`) || 'other zone' : a && b ? `${a} → ${b}` : '';
}

const widthOf = calls => Math.min(6, Math.max(1.2, 1 + Math.log10(Math.max(calls, .1)) * 1.5));
const lists = (edges, end) => { const all = new Map(); for (const e of edges) all.set(e[end], [...all.get(e[end]) || [], e]); return all;
};

// The graph with what an overlay says of each edge; labels where the design wants them: on all of a small graph, else on findings and the busiest.
// zones: from zone to zone, by "caller>callee".
export function overlaid(graph, overlay, zones) {
  const g = { ...graph, zones, byId: new Map(graph.nodes.map(n => [n.id, n])), out: lists(graph.edges, 'caller'),
    into: lists(graph.edges, 'callee') };
  const busiest = new Set([...graph.edges].sort((a, b) => b.calls - a.calls).slice(0, 10)), small = graph.edges.length <= 12;
  g.drawn = graph.edges.map(e => {
    const r = ratesOf(e, graph.seconds),
      d = { colour: '--edge', cls: '', kind: '', icon: '', label: '', ...RULES[overlay](e, g), e, w: widthOf(r.calls), rate: r };
    if (d.icon == 'gw' && e.via.includes(',')) d.label ||= '×' + e.via.split(',').length;
    if (e.connection_type == 'messaging_system' && !d.hot) d.dash = '2 4';
    if (!d.hot && overlay == 'fault' && small) d.label ||= r.text;
    if (!d.hot && overlay == 'slow' && !small && !busiest.has(e)) d.label = '';
    if (e.known_by.request_id) { d.w = Math.max(1, d.w * .6); d.label = '~ ' + (d.label || r.text); }
    return d;
  });
  // What a way passes on unchanged is written once.
  if (overlay == 'fault' || overlay == 'diff') for (const d of g.drawn) {
    const [before, more] = g.into.get(d.e.caller) || [],
      up = d.kind == 'p' && before && !more && before != d.e && g.drawn.find(o => o.e == before);
    if (up && [up.label, up.was].includes(d.label)) { d.was = d.label; d.label = ''; }
  }
  return g;
}

// A sentence for each edge: what screen readers and tooltips say.
export function edgeWords({ e, rate: r }) {
  if (isGone(e)) return `${pairOfIds(e)}, gone`;
  const per = (words, what) => words.replace('/s', ` ${what} per second`);
  return [pairOfIds(e), per(r.text, 'calls'), e.errors_origin && per(rate(r.began), 'failures') + ' began here',
    e.errors_carried && per(rate(r.passed), 'failures') + ' passed on', !e.errors && 'no failures',
    e.p95_ns != null && `p95 ${ms(e.p95_ns)}`, e.via && `via ${e.via}`, e.hairpin && 'hairpin', e.security.plaintext && 'plaintext']
      .filter(Boolean).join(', ');
}
