// versions.js: two versions of a service side by side, as /api/v1/compare judges them.
import { html } from '../html.js';
import { curlOf } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { setQuery, showQuery } from '../frame/url.js';
import { Icon } from '../draw/marks.js';
import { Block, Word } from '../draw/parts.js';
import { cell, grey, loud, Table } from '../draw/table.js';
import { bare, capital, change, count, ms, parseTime, share, span } from '../draw/text.js';
import { versionWord } from '../graph/names.js';
import { ENOUGH, marked, ratio, slowerThan } from '../graph/numbers.js';

export const WORDS = { worse: 'worse', better: 'better', same: 'same', not_enough_data: 'not enough data' };
const UNITS = { ratio: x => share(x), ns: x => ms(x), count: x => x.toFixed(2) }, NOTHING = { ratio: 5e-5, ns: 5e4, count: .005 };
// A difference with its sign; shares in points, of which the unit is said once, as that of an interval is.
function signed(x, unit) {
  const a = Math.abs(x);
  const digits = a < .00995 ? 2 : a < .0995 ? 1 : 0;
  return a < NOTHING[unit] ? '0' : (x < 0 ? '−' : '+') + (unit == 'ratio' ? (a * 100).toFixed(digits) : UNITS[unit](a));
}
const isTail = x => x.metric == 'latency' && x.test == 'two_proportions';
// What a measure is called, and the number of one side that goes with it, where there is one.
const measure = x =>
  ({ began: 'Failures that began here', passed: 'Failures passed on', latency: `Latency of all calls, ${isTail(x) ? 'p95' : 'p50'}`,
  downstream_errors: `Failed calls to ${x.peer?.service}`, flow: `Calls to ${x.peer?.service} per call` })[x.metric];
const valueOf = (x, c, which) =>
  x.metric == 'latency' ? ms(c[which][isTail(x) ? 'p95_ns' : 'p50_ns'])
    : x[which] == null ? 'unknown' : UNITS[x.unit](x[which]);

// A dot and its interval, in units of the margin: at the edge from four on. Fewer calls of another are as bad as more: worse is right.
function Interval({ c }) {
  if (!c.interval || c.verdict == 'not_enough_data') return html`<div class="ci"></div>`;
  const side = c.metric == 'flow' && c.effect < 0 ? -4 : 4, at = x => 50 + 44 * Math.max(-1, Math.min(1, x / c.margin / side)),
    [a, b] = c.interval.map(at).sort((x, y) => x - y);
  return html`<div class=${'ci' + (c.verdict == 'worse' ? ' w' : '')} role="img" aria-label=${WORDS[c.verdict]}>
    <i style=${{ left: a + '%', width: Math.max(1, b - a) + '%' }}></i>
    <u style=${{ left: at(c.effect) + '%' }}></u></div>`;
}

// Which other two versions: turned round, or one of them another.
function Choice({ names, baseline: a, candidate: b }) {
  const pairs = [[b, a], ...names.filter(n => n != a && n != b).flatMap(n => [[a, n], [n, b]])];
  return html`<${Menu} label="Other versions" icon="" c="bare low only-l" pick=${([, to]) => showQuery({ compare: to })}
    items=${pairs.map(([x, y]) => [`${versionWord(y)} against ${versionWord(x)}`, `${x}..${y}`])}/>`;
}

function Checks({ c, a, b, time }) {
  const isWorse = x => x.verdict == 'worse', words = (x, effect) => signed(effect, x.unit),
    points = (x, said) => said + (x.unit == 'ratio' && said != '0' ? ' points' : ''),
    difference = x => isTail(x) ? signed(c.candidate.p95_ns - c.baseline.p95_ns, 'ns') : points(x, words(x, x.effect)),
    isKnown = x => x.interval && x.verdict != 'not_enough_data';
  return html`<${Table} rows=${[...c.parts, ...c.checks.filter(x => x.metric != 'errors')]} id=${x => x.metric + x.test + (x.peer ? x.peer.namespace + '/' + x.peer.service : '')}
    cols=${[['Measure', '', measure],
    [a, 'r', x => valueOf(x, c, 'baseline')],
    [b, 'r', x => isKnown(x) ? loud(valueOf(x, c, 'candidate'), isWorse(x), '') : cell(x.peer ? valueOf(x, c, 'candidate') : `n = ${count(c.candidate.calls)}`, 'm3')],
    ['Difference', 'r only-l', x => isKnown(x) ? loud(difference(x), isWorse(x), '', '') : cell('–', 'm3')],
      ['better ← → worse', 'only-l mid', x => html`<${Interval} c=${x}/>`],
    ['95 % interval', 'only-l after',
      x => grey(isKnown(x) ? change(...x.interval.map(i => words(x, i)), ' to ') + (isTail(x) ? ` points above that of ${a}` : '')
      : x.need ? `about ${count(x.need)} more calls needed${x.peer ? '' : ', ' + ms(x.need / c.candidate.calls * time)}` : 'too few calls')],
    ['Answer', '', x => loud(WORDS[x.verdict], isWorse(x), isKnown(x) ? '' : 'm2 nw')]]}/>`;
}

// With one version there is none to compare it with but itself: now against the window before.
function Normal({ d }) {
  const { service: now, was } = d, s = d.seconds || 1, ago = d.base.seconds || 1,
    window = span(parseTime(d.base.from), parseTime(d.base.to));
  const quantile = p => [`Latency, ${p}`, ms(was[p + '_ns']), ms(now[p + '_ns']), p == 'p95' ? slowerThan(now, was) : null];
  const rows = [['Calls per second', bare(was.calls / ago), bare(now.calls / s)],
    ['Failures', share(ratio(was.errors, was.calls)), share(ratio(now.errors, now.calls)),
      marked(now.calls, now.errors) && ratio(now.errors, now.calls) > 2 * ratio(was.errors, was.calls)],
        ...['p50', 'p95', 'p99'].map(quantile)];
  const enough = was.calls >= ENOUGH && now.calls >= ENOUGH, answer = worse => enough ? worse ? 'worse' : 'same' : WORDS.not_enough_data;
  return html`<${Block} id="vs" c="rule" title="Now against normal"
    note=${`${d.versions.length == 1 && d.versions[0].version ? `only ${d.versions[0].version} took calls`
      : 'one version alone'}: against ${window}, ${count(was.calls)} calls`}>
    <${Table} rows=${rows} id=${x => x[0]}
      cols=${[['Measure', '', x => x[0]], ['Normal', 'r', x => x[1]], ['Now', 'r', x => loud(x[2], x[3], '')],
      ['Answer', 'after', x => x[3] == null ? '' : loud(answer(x[3]), x[3] && enough, 'm2')]]}/></${Block}>`;
}

// d: the answer about the service; asked: ?compare=
export function Versions({ d, asked }) {
  const c = d.compare;
  if (!c && !asked) return html`<${Normal} d=${d}/>`;
  if (!c) return html`<${Block} c="rule" title="Versions" note=${html`<b>${asked}</b>: not both took calls in this window.
    <${Word} act=${() => setQuery({ compare: null })}>The newest against the others</${Word}>`}/>`;
  const { baseline: was, candidate: is } = c, [a, b] = [was, is].map(x => versionWord(x.version)),
    time = 6e10 * c.minutes, /* in which both took calls */
    need = c.verdict == 'not_enough_data' && Math.max(0, ...c.checks.map(x => x.peer ? 0 : x.need || 0));
  return html`<${Block} id="vs" c="rule" at="mid" title=${`${b} against ${a}`}
    right=${html`<${Choice} names=${d.versions.map(v => v.version)} baseline=${was.version} candidate=${is.version}/>
      <${Menu} label="JSON for a pipeline" c="bare low only-l" items=${[['JSON', JSON.stringify({ ...c, parts: undefined }, null, 2)],
      ['curl', curlOf('compare', { service: d.service.node.service, baseline: was.version, candidate: is.version })]]}/>`}
    more=${[html`<span class=${'verdict ' + (c.verdict == 'worse' ? 'worse' : 'tag')}><${Icon} n="split"/>${capital(WORDS[c.verdict])}
      </span>`,
      html`<span class="m2 s">same callers, same ${ms(time)}: ${count(is.calls)} calls of ${b}, ${count(was.calls)} of ${a}
        ${need ? `; about ${count(need)} more needed` : ''}</span>`]}>
    <${Checks} c=${c} a=${a} b=${b} time=${time}/></${Block}>`;
}
