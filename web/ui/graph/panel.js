// panel.js: the side panel: one edge, or one node, from near.
import { html } from '../html.js';
import { command, curlOf, useApi } from '../frame/api.js';
import { copyItem, copyLink, Menu } from '../frame/menu.js';
import { range } from '../frame/range.js';
import { Failed } from '../frame/states.js';
import { Chart } from '../draw/chart.js';
import { Icon, Mark } from '../draw/marks.js';
import { Block, Facts, HopBar } from '../draw/parts.js';
import { Table } from '../draw/table.js';
import { bare, clock, count, ms, parseTime, plural, rate, share, sqlText, shortId } from '../draw/text.js';
import { edgeRate, end, failed, failedCell, p95, perSecond, version } from './columns.js';
import { hasPage, isUser, nameOf, nameOfId, ratesOf, securityOf, serviceHref, traceHref, traces, versionWord } from './names.js';
import { knownOf } from './select.js';
import { best, byHarm, failuresIn, marked, markOf, plus, ratio, seriesOf, sum } from './numbers.js';

const SUMS = ['calls', 'errors', 'client_errors', 'errors_origin', 'errors_carried', 'retries', 'recovered', 'adjusted_calls',
  'unreached'];
// One edge of several ways between the same two nodes. Quantiles of a sum are not known.
function together(edges) {
  if (edges.length == 1) return edges[0];
  const merged = of => { const all = {}; for (const e of edges) for (const k in e[of]) all[k] = (all[k] || 0) + e[of][k]; return all; };
  return { ...edges[0], ...Object.fromEntries(SUMS.map(k => [k, sum(edges, k)])), security: merged('security'),
    known_by: merged('known_by'), hairpin: edges.some(e => e.hairpin),
    p50_ns: null, p95_ns: null, p99_ns: null, transit_p50_ns: null };
}

const sentence = (r, e) =>
  !e.errors ? html`No failures among <b>${r.bare}</b> calls per second.`
  : [html`<b>${bare(r.began || r.passed)} failures per second ${e.errors_origin ? '' : 'were '}
  ${e.errors_origin ? 'began here' : 'passed on'}</b>`,
  e.errors_origin && e.errors_carried ? `, ${bare(r.passed)} were passed on` : '', `, ${share(r.share)} of ${r.bare} calls per second.`,
    e.errors_origin ? e.errors_carried ? '' : ' None passed on.' : ' None began here.'];

function where(a, b) {
  const both = of => [...new Set([a.node[of], b.node[of]].filter(Boolean))].join(' → '), clusters = both('cluster');
  return [both('namespace'), b.node.role != 'workload' && b.node.role, clusters && `cluster ${clusters}`].filter(Boolean).join(', ');
}

function FailuresChart({ d, label }) {
  const { v, step, ...time } = seriesOf(d.series, d.from), began = v(d.series.began), passed = v(d.series.passed), onset = failuresIn(d).began,
    some = list => list.some(n => n > 0);
  return some(plus(began, passed))
    && html`<${Chart} h=${92} ...${time} label=${label} marks=${[onset && { at: onset, label: clock(onset), left: true }]}
    series=${[some(began) && { v: began }, some(passed) && { v: passed, hatch: true }].filter(Boolean)}/>`;
}

function ByVersion({ rows, side, name, s }) {
  const newest = best(rows, v => parseTime(v.first_seen)),
    fresh = v => v == newest && parseTime(v.first_seen) > range().fromMs
    && html` <span class="m3 s">since ${clock(parseTime(v.first_seen), 1)}</span>`;
  return rows.length > 1
    && html`<${Block} title=${`By ${side} version`}>
    <${Table} id=${v => v.version} rows=${[...rows].sort((a, b) => ratio(b.errors, b.calls) - ratio(a.errors, a.calls))}
    cols=${[version(name, fresh), perSecond(s),
      ['Began', 'r', v => failedCell(v.errors_origin, v.calls, marked(v.calls, v.errors_origin), '')], p95()]}/></${Block}>`;
}

const latency = x => ['Latency', `p50 ${ms(x.p50_ns)}, p95 ${ms(x.p95_ns)}, p99 ${ms(x.p99_ns)}`];

function factsOf(d, e) {
  const s = securityOf(e), others = d.others, fails = sum(others, 'errors'), one = others.length == 1 && others[0],
    looked = d.reasons_of < e.errors_origin && ` (of ${count(d.reasons_of)} looked at)`;
  return [!e.mark && e.p50_ns != null && latency(e), d.reasons_of > 0
    && ['Failures',
    d.reasons.slice(0, 3).map(x => `${x.reason || 'no reason given'}, ${share(x.n / d.reasons_of)}`).join('; ') + (looked || '')],
    e.retries + e.recovered > 0
      && ['Retries', `${(e.retries / e.calls).toFixed(2)} per call${e.recovered ? `, ${rate(e.recovered / d.seconds)} recovered` : ''}`],
    e.client_errors > 0 && ['Client errors', `${rate(e.client_errors / d.seconds)}, ${share(e.client_errors / e.calls)}`],
    !isUser(d.caller)
      && ['Security',
      [s.icon && html`<${Icon} n=${s.icon} c=${s.plain ? 'plain' : 'm2'}/> `, s.words,
      e.security.unknown != e.calls && !s.words.includes('%') && ' 100 %']],
    e.crossing && !/inside|unknown/.test(e.crossing)
      && ['Crosses', e.crossing.replace('cross_', '').replace('in', 'from outside').replace(/^out$/, 'leaves the mesh')],
      e.via && ['Via', e.via],
    others.length > 0
      && [`Others to ${nameOf(d.callee)}`,
      `${one ? nameOfId(one.caller) : plural(others.length, 'caller')} ${rate(sum(others, 'calls') / d.seconds)}, ${
      fails ? `${rate(fails / d.seconds)} fail` : '0 failures'}${one ? `, p95 ${ms(one.p95_ns)}` : ''}`]];
}
const examplesOf = ({ error, slow }) =>
  [['Failed', error], ['Slow', slow]]
  .map(([words, ids]) =>
  ids.length > 0 && [words, ids.map(id => html`<a key=${id} href=${traceHref(id)}><code>${shortId(id)}</code></a> `)]).filter(Boolean);

const sqlOf = (a, b) =>
  `SELECT minute, caller_version, callee_version, known_by, sum(calls) AS calls, sum(errors_origin) AS began, sum(errors_carried) AS passed_on
FROM edge_minute
WHERE caller_service = ${sqlText(a.node.service)} AND callee_service = ${sqlText(b.node.service)}
  AND minute_ns >= ${Math.floor(range().fromMs / 6e4) * 6e4}000000 AND minute_ns < ${Math.ceil(range().toMs / 6e4) * 6e4}000000
GROUP BY 1, 2, 3, 4 ORDER BY 1`;
const promOf = (a, b) =>
  `sum by (fault) (rate(faultline_edge_errors_total{client=${JSON.stringify(a.node.service)},server=${JSON.stringify(b.node.service)}}[1m]))`;

const linked = n => hasPage(n) ? html`<a class="q" href=${serviceHref(n.node)}>${nameOf(n)}</a>` : nameOf(n);
export const wayWords = x =>
  [x.protocol, x.via && `via ${x.via}`, x.crossing != 'unknown' && x.crossing.replace('_', ' ')].filter(Boolean).join(', ') || 'direct';

// caller, callee: ids; keys: as they stand in URLs.
export function EdgePanel({ caller, callee, keys }) {
  const answer = useApi('edge', { caller, callee }), d = answer.data, names = [nameOfId(caller), ' → ', nameOfId(callee)];
  if (answer.error?.status == 404) return html`<p class="m2">No calls from <b>${names[0]}</b> to <b>${names[2]}</b> in this window.</p>`;
  if (answer.error && !d) return html`<${Failed} what="The edge" answer=${answer}/>`;
  if (!d || d.caller.id != caller || d.callee.id != callee) return html`<p class="m3 s">${names}</p>`;
  const a = d.caller, b = d.callee, e = together(d.edges), r = ratesOf(e, d.seconds), k = markOf(e), s = d.seconds, place = where(a, b),
    byCaller = d.caller_versions.length > 1 || d.callee_versions.length < 2;
  const way = e.transit_p50_ns, split = e.p50_ns != null && way != null && way <= e.p50_ns, bad = e.errors && ['status', 'error'],
    began = e.errors_origin > 0 && !isUser(a), examples = examplesOf(e.examples);
  const to = isUser(a) ? traces(bad, ['service', b.node.service]) : began ? traces(['began', `${a.node.service}>${b.node.service}`])
    : traces(bad, ['service', a.node.service], ['service', b.node.service]);
  const copies = [['SQL', () => sqlOf(a, b)], ['PromQL', promOf(a, b)]],
    button = item => html`<button class="btn" onClick=${() => copyItem(item)}>${item[0]}</button>`;
  return html`<div class="row"><h1 class="grow">${linked(a)} → ${linked(b)}</h1>
    <${Menu} label="" c="bare"
    items=${[...copies, ['curl', () => curlOf('edge', { caller: keys(a.id), callee: keys(b.id) })],
    ['Command', () => command('graph --format table')]]}/></div>
    <p class="s m2">${place && place + '. '}Known from ${knownOf(e)}.</p>
      <p class="says">${k && html`<${Mark} k=${k} quiet/> `}${sentence(r, e)}</p>
    <${FailuresChart} d=${d} label=${`Failures per second of ${nameOf(a)} to ${nameOf(b)} over time`}/>
    <${ByVersion} rows=${byCaller ? d.caller_versions : d.callee_versions} side=${byCaller ? 'caller' : 'callee'}
      name=${nameOf(byCaller ? a : b)} s=${s}/>
    ${split && html`<${HopBar} title="Where the time goes" note=${`p50 of calls, ${ms(e.p50_ns)}`}
      parts=${[{ c: 'nt', name: 'network and proxies', ns: way }, { c: 'app', name: nameOf(b), ns: e.p50_ns - way }]}/>`}
    ${d.edges.length > 1
      && html`<${Block} title="Ways">
      <${Table} rows=${d.edges} id=${x => x.id} cols=${[['Way', '', wayWords], edgeRate(s), failed(), p95()]}/></${Block}>`}
    <${Block} title="Facts"><${Facts} rows=${factsOf(d, e)}/></${Block}>
      ${examples.length > 0 && html`<${Block} title="Examples"><${Facts} rows=${examples}/></${Block}>`}
    <div class="row w blk">
      <a class=${'btn' + (bad ? ' pri' : '')} href=${to}>
      ${began ? 'Traces that failed here' : bad ? 'Failed traces through here' : 'Traces through here'}</a>${copies.map(button)}</div>`;
}

/* ---- a node ---- */

const Ends = ({ title, edges = [], side, g, keys }) =>
  edges.length > 0 && html`<${Block} title=${title}><${Table} id=${e => e.id} rows=${[...edges].sort(byHarm)} name=${title}
  cols=${[end(html`<span class="sr">${title}</span>`, e => nameOf(g.byId.get(e[side])), keys), edgeRate(g.seconds), failed(e => e.mark),
    p95()]}/></${Block}>`;

// act(node, true): its neighbourhood, or the fold opened.
export function NodePanel({ node: n, graph: g, keys, act }) {
  const out = g.out.get(n.id) || [], user = isUser(n), calls = user ? n.out_calls : n.calls, bad = user ? sum(out, 'errors') : n.errors,
    k = markOf(n), per = bare(calls / (g.seconds || 1)), versions = n.versions || [];
  const where = { began: html` <b>They begin here.</b>`, passed: ' They began further on and are passed on here.' }[n.mark];
  const facts = [!user && latency(n),
    n.client_errors > 0 && ['Client errors', share(ratio(n.client_errors, n.calls))],
    versions.length > 0 && ['Versions', versions.map(v => versionWord(v.version)).join(', ') + (n.more_versions ? ' and more' : '')],
      n.node.cluster && ['Cluster', n.node.cluster]];
  const what = n.fold ? `${count(n.fold.nodes)} nodes, folded: nothing failed in them` : user ? 'where requests come from'
    : [n.node.namespace, n.node.role != 'workload' && n.node.role].filter(Boolean).join(', ') || 'workload';
  return html`<div class="row"><h1 class="grow">${linked(n)}</h1>
    <button class="btn bare" aria-label="Copy link" title="Copy link (y)" onClick=${copyLink}><${Icon} n="copy"/></button></div>
    <p class="s m2">${what}</p>
      <p class="says">${k && html`<${Mark} k=${k} quiet/> `}
      ${bad ? html`<b>${share(ratio(bad, calls))}</b> of ${per} calls per second fail.${where}`
      : html`No failures among <b>${per}</b> calls per second.`}</p>
    ${versions.length > 1
      && html`<${Block} title="By version">
      <${Table} rows=${versions} id=${v => v.version} cols=${[version('Version'), perSecond(g.seconds), failed(undefined, '')]}/>
      </${Block}>`}
    ${facts.some(Boolean) && html`<${Block} title="Facts"><${Facts} rows=${facts}/></${Block}>`}
    <${Ends} title="Callers" edges=${g.into.get(n.id)} side="caller" g=${g} keys=${keys}/>
      <${Ends} title="Callees" edges=${out} side="callee" g=${g} keys=${keys}/>
    <div class="row w blk">
      <button class=${'btn' + (n.fold ? ' pri' : '')} onClick=${() => act(n, true)}>${n.fold ? 'Unfold' : 'Neighbourhood'}</button>
      ${hasPage(n) && [html`<a class="btn" href=${serviceHref(n.node)}>Service</a>`,
        html`<a class="btn" href=${traces(['service', n.node.service], n.mark && ['status', 'error'])}>Traces</a>`]}</div>`;
}
