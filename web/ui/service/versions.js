// versions.js: two versions of a service side by side, as /api/v1/compare judges them.
import { html } from '../html.js';
import { curlOf } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { setQuery, showQuery } from '../frame/url.js';
import { Icon } from '../draw/marks.js';
import { Block, Select, Word } from '../draw/parts.js';
import { grey, loud, Table } from '../draw/table.js';
import { capital, count, ms, share } from '../draw/text.js';
import { versionWord } from '../graph/names.js';

export const WORDS = { worse: 'worse', better: 'better', same: 'same', not_enough_data: 'not enough data' };
const UNITS = { ratio: x => share(x), ns: x => ms(x), count: x => x.toFixed(2) }, NOTHING = { ratio: 5e-5, ns: 5e4, count: .005 };
// A difference with its sign; shares in points, of which the unit is said once.
function signed(x, unit) {
  const a = Math.abs(x);
  return a < NOTHING[unit] ? '0' : (x < 0 ? '−' : '+') + (unit == 'ratio' ? (a * 100).toFixed(a < .0995 ? 2 : 0) : UNITS[unit](a));
}
const isTail = x => x.metric == 'latency' && x.test == 'two_proportions';
// What a measure is called, and the number of one side that goes with it, where there is one.
const measure = (x, was) =>
  ({ errors: 'Calls that fail', latency: isTail(x) ? `Calls above the p95 of ${was}` : 'Latency of all calls, p50',
  downstream_errors: `Failed calls to ${x.peer?.service}`, flow: `Calls to ${x.peer?.service} per call` })[x.metric];
const valueOf = (x, side) =>
  x.metric == 'errors' ? share(side.error_share) : x.metric == 'latency' && side.p50_ns != null
  ? ms(isTail(x) ? side.p95_ns : side.p50_ns) : '';

// A dot and its interval, in units of the margin: at the edge from four on.
function Interval({ c }) {
  if (!c.interval) return html`<div class="ci"></div>`;
  const at = x => 50 + 44 * Math.max(-1, Math.min(1, x / c.margin / 4)), [a, b] = c.interval.map(at);
  return html`<div class=${'ci' + (c.verdict == 'worse' ? ' w' : '')} role="img" aria-label=${WORDS[c.verdict]}>
    <i style=${{ left: a + '%', width: Math.max(1, b - a) + '%' }}></i>
    <u style=${{ left: at(c.effect) + '%' }}></u></div>`;
}

// Which two versions: all of them in two lists as soon as there are more than two.
function Choice({ names, baseline, candidate }) {
  const to = (a, b) => showQuery({ compare: a == b ? null : `${a}..${b}` }), options = names.map(n => [n, versionWord(n)]);
  return names.length < 3 ? html`<button class="btn bare low only-l" onClick=${() => to(candidate, baseline)}>Turn round</button>`
    : html`<span class="row s m2">
      <${Select} label="Candidate" options=${options} value=${candidate} set=${v => to(baseline == v ? candidate : baseline, v)}/> against
      <${Select} label="Baseline" options=${options} value=${baseline} set=${v => to(v, candidate == v ? baseline : candidate)}/></span>`;
}

function Checks({ c, a, b }) {
  const isWorse = x => x.verdict == 'worse', words = (x, effect) => signed(effect, x.unit),
    points = x => x.unit == 'ratio' && words(x, x.effect) != '0' ? ' points' : '';
  return html`<${Table} rows=${c.checks} id=${x => x.metric + x.test + (x.peer ? x.peer.namespace + '/' + x.peer.service : '')}
    cols=${[['Measure', '', x => measure(x, a)],
    [a, 'r', x => valueOf(x, c.baseline)], [b, 'r', x => loud(valueOf(x, c.candidate), isWorse(x), '')],
    ['Difference', 'r only-l', x => x.effect == null ? '' : loud(words(x, x.effect) + points(x), isWorse(x), '', '')],
      ['less ← → more', 'only-l mid', x => html`<${Interval} c=${x}/>`],
    ['95 % interval', 'only-l after',
      x => grey(x.interval ? x.interval.map(i => words(x, i)).join(' to ') : x.need ? `about ${count(x.need)} more calls needed`
      : 'too few calls')],
    ['Answer', '', x => loud(WORDS[x.verdict], isWorse(x), x.verdict == 'not_enough_data' ? 'm2 nw' : '')]]}/>`;
}

// d: the answer about the service; asked: ?compare=
export function Versions({ d, asked }) {
  const c = d.compare,
    none = d.versions.length == 1
    ? `Only ${d.versions[0].version || 'one, of unknown name,'} took calls in this window: there is nothing to compare it with.`
    : 'No calls in this window.';
  if (!c) return html`<section class="blk rule" id="versions">
    <header><h2>Versions</h2><span class="m2 s">${asked ? html`<b>${asked}</b>: not both took calls in this window.
    <${Word} act=${() => setQuery({ compare: null })}>The newest against the others</${Word}>` : none}</span></header></section>`;
  const { baseline: was, candidate: is } = c, [a, b] = [was, is].map(x => versionWord(x.version)),
    need = c.verdict == 'not_enough_data' && Math.max(0, ...c.checks.map(x => x.peer ? 0 : x.need || 0));
  return html`<${Block} id="vs" c="rule" at="mid" title=${`${b} against ${a}`}
    right=${html`<${Menu} label="JSON for a pipeline" c="bare low only-l" items=${[['JSON', JSON.stringify(c, null, 2)],
      ['curl', curlOf('compare', { service: d.service.node.service, baseline: was.version, candidate: is.version })]]}/>
        <${Choice} names=${d.versions.map(v => v.version)} baseline=${was.version} candidate=${is.version}/>`}
    more=${[html`<span class=${'verdict ' + (c.verdict == 'worse' ? 'worse' : 'tag')}><${Icon} n="split"/>${capital(WORDS[c.verdict])}
      </span>`,
      html`<span class="m2 s">where both took calls, for the same callers and operations: ${count(is.calls)} of ${b}, ${count(was.calls)} of ${a}
        ${need ? `; about ${count(need)} more needed` : ''}</span>`]}>
    <${Checks} c=${c} a=${a} b=${b}/></${Block}>`;
}
