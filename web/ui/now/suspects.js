// suspects.js: who is suspected, with the evidence in the sentences of the server, for and against; and traces that show it.
import { html, useState } from '../html.js';
import { useApi } from '../frame/api.js';
import { href, showQuery } from '../frame/url.js';
import { Icon, Mark } from '../draw/marks.js';
import { Block } from '../draw/parts.js';
import { grey, Table } from '../draw/table.js';
import { NB, capital, clock, count, ms, ownId, parseTime, share, sqlText } from '../draw/text.js';
import { codesOf, isOwn, nodeName, serviceHref, traceHref, traces } from '../graph/names.js';
import { sum } from '../graph/numbers.js';
import { graphOf, kept, pageOf, placeOf, reasonOf } from './finding.js';

const MOST = 5, MOST_LINES = 6, STRONG = 3; /* evidence that is hardly more than chance is left out where there is better */
const sameNode = (a, b) => ['service', 'namespace', 'cluster', 'role'].every(k => a[k] == b[k]);

// What is rounded up to at least 1 %, for shares that a decision hangs on.
const wholeShare = x => x > 0 && x < .01 ? `< 1${NB}%` : `${Math.round(x * 100)}${NB}%`;

// "76.5 % of visits end … (normal 60.6 %)": the two numbers that differ are stressed.
const NUMBERS = /(?:\d[\d.\u202f]*[ \u00a0]?(?:%|µs|ms|s|min|\/s)(?![\w%]))(?: → \d[\d.\u202f]*[ \u00a0]?(?:%|µs|ms|s|min|\/s)(?![\w%]))?/g;
function stressed(text) {
  const found = [...text.matchAll(NUMBERS)], normal = found.findIndex(m => text.slice(0, m.index).endsWith('(normal ')), parts = [];
  let at = 0;
  for (const m of found.filter((_, k) => k == 0 || k == normal)) {
    parts.push(text.slice(at, m.index), html`<b>${m[0]}</b>`);
    at = m.index + m[0].length;
  }
  return [...parts, text.slice(at)];
}

const Sure = ({ share }) => {
  const bars = share >= .9 ? 4 : share >= .7 ? 3 : share >= .4 ? 2 : 1;
  return html`<span class="sure" aria-hidden="true">${[1, 2, 3, 4].map(i => html`<i class=${i > bars ? 'o' : ''}></i>`)}
    </span>${NB + ' '}${['weak', 'possible', 'likely', 'very likely'][bars - 1]}`;
};

// The same sentence with other numbers, as of another entry, is told once: the strongest comes first.
const wording = e => e.text.replace(/\d[\d.]*/g, '');
function strongest(evidence) {
  const distinct = evidence.filter((e, i) => evidence.findIndex(o => wording(o) == wording(e)) == i),
    strong = distinct.filter(e => Math.abs(e.deviation) >= STRONG);
  return (strong.length ? strong : distinct.slice(0, 2)).slice(0, MOST_LINES);
}

const METRIC_SQL = name => `SELECT name, at, value FROM metric_point JOIN metric_series USING (series_id)
WHERE at_ns BETWEEN :from AND :to AND json_extract(resource, '$."service.name"') = ${sqlText(name)}
ORDER BY name, at`;

// The lines of a suspect: [kind, text, word of the link, link, speaks against]. trouble: what it is narrowed of.
function lines(s, window, trouble) {
  const name = s.node.service, page = pageOf(s, window), graph = overlay => graphOf(s, { ...window, overlay }),
    seen = traces(['service', name]), failed = traces(['service', name], ['status', 'error']);
  const PROOF = { errors: ['where', 'traces', failed], self_time: ['own time', isOwn(s.node) ? 'service' : 'graph', page],
    gap: ['between', 'graph', graph('slow')], flow: ['flow', 'traces', seen], traffic: ['traffic', 'graph', graph()],
    metric: ['metric', 'SQL', href('/sql', { ...window, q: METRIC_SQL(name) })], change: ['change', 'graph before, after', graph('diff')] };
  const ONLY = { version: () => ['compare', page], instance: () => ['instances', page],
    operation: n => isOwn(s.node) ? ['operation', serviceHref(s.node, { ...window, op: n.value })] : ['traces', failed],
    attribute: n => ['traces', traces(['service', name], [`${name}:${n.name}`, n.value])] };
  const because = strongest(s.evidence)
    .map(e => { const [kind, ...proof] = PROOF[e.kind] || [e.kind, 'graph', graph()]; return [kind, stressed(kept(e.text)), ...proof]; });
  const only = (s.narrowed || [])
    .map(n => [n.dimension,
    html`<b>${share(n.share)}</b> of ${trouble}: ${n.dimension} ${
    n.dimension == 'attribute' && html`<code>${n.name}</code> = `}<b>${n.value}</b>${
    n.effect > 0 && n.effect < 100 && `, ${n.effect.toFixed(1)} times as much as elsewhere`}.`,
      ...(ONLY[n.dimension]?.(n) || ['traces', failed])]);
  const not = new Map(); /* by what is spoken against, which stands once */
  for (const text of s.not || []) {
    const [, what, words] = /^not ([^:]+): (.*)$/.exec(text) || [], kind = what ? 'not ' + what : 'not deeper',
      instances = /instance/.test(what), line = not.get(kind), said = capital(words || text) + '.';
    not.set(kind, [kind, line ? `${line[1]} ${said}` : said, instances ? 'instances' : 'graph', instances ? page : graph(), true]);
  }
  return [...because, ...only, ...not.values()];
}

// A suspect that may be chance: how many times the calls there are would tell, as a deviation grows with their square root;
// 0 when more would not.
function timesNeeded(s) {
  const most = Math.max(0, ...(s.evidence || []).map(e => Math.abs(e.deviation)));
  return s.significant || !most || most >= STRONG ? 0 : (STRONG / most) ** 2;
}

const callsNeeded = times => `${times < 9.5 ? times.toFixed(1) : count(times)} times the calls`;

const Line = ({ kind, text, word, to, against }) =>
  html`<li class=${against ? 'neg' : ''}><span class="kd">${kind}</span><span class="brk">${text}</span>
  ${word && html`<a class="src" href=${to}>${word}</a>`}</li>`;

function Suspect({ s, all, total, slow, open, window }) {
  const part = total ? s.score / total : 0, first = s.evidence?.[0]?.kind,
    late = first != 'errors' && (slow || /self_time|gap/.test(first)),
    times = timesNeeded(s),
    under = all.find(o => o.rank < s.rank && o.effects?.some(n => sameNode(n, s.node)));
  const show = e => { const o = document.getElementById('suspect-' + under.rank); e.preventDefault(); e.stopPropagation(); o.open = true;
    o.querySelector('summary').focus(); };
  return html`<details class="sus" id=${'suspect-' + s.rank} open=${open}>
    <summary><span class="rank">${s.rank}</span>
    <span class="el"><${Mark} k=${late ? 's' : 'b'}/>${'\u00a0 '}<span class="who">${placeOf(s)}</span>
      <span class="m2 only-l why">${'\u00a0 '}${s.instance || s.operation || ''} ${reasonOf(s)}</span></span>
      <span class="bar" role="img" aria-label=${Math.round(part * 100) + ' percent'}>
        <span class=${s.rank > 1 ? 'k' : slow ? 's' : 'b'} style=${{ width: part * 100 + '%' }}></span></span>
        <span class=${'r' + (open ? ' hard' : '')}>${wholeShare(part)}</span>
      <span class="sw8 s">
        ${s.significant ? html`<${Sure} share=${s.confidence}/>, ${wholeShare(s.confidence)}`
        : times ? `needs ${callsNeeded(times)}` : 'may be chance'}</span>
      <span class="chev"><${Icon} n="right"/></span></summary>
    <ul class="ev">
      ${lines(s, window, first == 'errors' ? 'its failures' : late ? 'its slowness' : 'the change')
      .map(([kind, text, word, to, against], i) =>
      html`<${Line} key=${i} kind=${kind} text=${text} word=${word} to=${to} against=${against}/>`)}
      ${s.effects?.length > 0
        && html`<${Line} against kind="passed on to" text=${s.effects.map(n => n.service).join(', ')} word="graph"
        to=${graphOf(s, window)}/>`}
      ${under && html`<${Line} against kind="effect"
        text=${html`What is seen here may be an effect of <a href=${'#suspect-' + under.rank} onClick=${show}>suspect ${under.rank}
        </a>, which called for it.`}/>`}
      ${!s.significant && html`<${Line} against kind="a hint" text=${times
        ? `Not enough data: about ${callsNeeded(times)} would tell whether it is chance.`
        : 'It may be chance: of all that was looked at, some place looks like this.'}/>`}
        </ul></details>`;
}

export function Suspects({ f: { suspects, slow, normal, window }, query }) {
  const [more, setMore] = useState(query.suspects == 'all'), total = sum(suspects, 'score'),
    shown = more ? suspects : suspects.slice(0, MOST);
  const all = () => { setMore(true); showQuery({ suspects: 'all' }); };
  return html`<${Block} id="su" title="Suspects"
    note=${suspects.length > 0 && `by their share of what all of them explain, against ${normal}`}>
    ${suspects.length
      ? html`<div>${shown.map((s, i) =>
      html`<${Suspect} key=${s.rank + placeOf(s)} s=${s} all=${suspects} total=${total} slow=${slow} open=${i == 0} window=${window}/>`)}
      </div>`
    : html`<p class="m2">None yet: no place does so differently from normal that it would not be chance.</p>`}
    ${suspects.length > shown.length
      && html`<button class="btn bare" onClick=${all}><${Icon} n="right"/>${suspects.length - shown.length} more, weaker</button>`}
      </${Block}>`;
}

// Three bad traces that show what a suspect did, and a good one beside them.
export function useExamples(s) {
  const ids = s ? [...s.examples.slice(0, 3), s.contrast].filter(Boolean) : [];
  return useApi(ids.length ? 'search/traces' : null, { ids: ids.join(',') }, { timeless: true }).data?.items || [];
}

export function Examples({ f: { suspects: [s], slow, window }, rows }) {
  const isGood = t => t.trace_id == s.contrast, to = t => traceHref(t.trace_id, window), bad = rows.filter(t => !isGood(t)).length;
  const isSame = t => rows.some(o => o != t && o.entry_operation == t.entry_operation), through = ({ services }) =>
    placeOf({ node: services.find(x => x.service == s.node.service) || s.node });
  const began = t =>
    isGood(t) ? grey(`${isSame(t) ? 'same route ' : ''}through ${through(t)}`)
    : t.began ? `${t.began.value.replace('→', ' → ')}, ${codesOf(t.began) || t.origin_reason}` : slow ? `${nodeName(s.node)}, slow` : grey('unknown');
  return rows.length > 0
    && html`<${Block} id="ex" title="Example traces"
    note=${`${['none', 'one', 'two', 'three'][bad]} that ${slow ? 'were slow' : 'failed'}${rows.length > bad ? ', one good for contrast' : ''}`}>
    <${Table} rows=${rows} id=${t => t.trace_id} to=${to} name="Example traces" cols=${[
      ['Time', 'nw',
        t => [isGood(t) ? html`<span class="good ok">✓</span>` : html`<${Mark} k=${slow ? 's' : 'b'}/>`, ' ',
        clock(parseTime(t.start_time), 1)]], ['Request', '', t => html`<a class="q brk" href=${to(t)}><b>${t.entry_operation}</b></a>
        <span class="m2"> ${codesOf(t.answer || {})}</span>`],
      ['Began in', 'only-l', began], ['Trace', 'only-l', t => html`<code class="m3">${ownId(t.trace_id)}</code>`],
        ['Spans', 'r', t => count(t.span_count)], ['Took', 'r', t => ms(t.duration_ns)]]}/></${Block}>`;
}
