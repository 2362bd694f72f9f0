// panel.js: the side panel: one edge, or one node, from near.
import { html } from '../html.js';
import { curlOf, useApi } from '../frame/api.js';
import { copy, copyLink, Menu } from '../frame/menu.js';
import { range, rangeText } from '../frame/range.js';
import { Failed } from '../frame/states.js';
import { href } from '../frame/url.js';
import { Chart, niceMax } from '../draw/chart.js';
import { Icon, Mark } from '../draw/marks.js';
import { clock, count, ms, parseTime, plural, rate, share, sqlText } from '../draw/text.js';
import { cell, Table } from '../draw/table.js';
import { marked, markOf, onsetOf, perSecond } from './numbers.js';
import { bare, edgeHref, hasPage, isUser, knownOf, nameOf, nameOfId, ratesOf, ratio, securityOf, serviceHref, traces } from './names.js';

const sum = (list, field) => list.reduce((n, x) => n + (x[field] || 0), 0);

// One edge of several ways between the same two nodes.
export function together(edges) {
  if (edges.length == 1) return edges[0];
  const all = { ...edges[0] };
  for (const k of ['calls', 'errors', 'client_errors', 'errors_origin', 'errors_carried', 'retries', 'recovered', 'adjusted_calls', 'unreached']) all[k] = sum(edges, k);
  all.security = Object.fromEntries(Object.keys(all.security).map(k => [k, edges.reduce((n, e) => n + e.security[k], 0)]));
  all.known_by = {};
  for (const e of edges) for (const k in e.known_by) all.known_by[k] = (all.known_by[k] || 0) + e.known_by[k];
  all.hairpin = edges.some(e => e.hairpin);
  all.p50_ns = all.p95_ns = all.p99_ns = all.transit_p50_ns = null; /* those of a sum are not known */
  return all;
}

export function sentence(r, e) {
  const calls = html`<b>${bare(r.text)}</b> calls per second`;
  if (!e.errors) return html`No failures among ${calls}.`;
  const of = html`, ${share(r.share)} of ${bare(r.text)} calls per second.`;
  if (e.errors_origin && !e.errors_carried) return html`<b>${bare(rate(r.began))} failures per second began here</b>${of} None passed on.`;
  if (!e.errors_origin) return html`<b>${bare(rate(r.passed))} failures per second were passed on</b>${of} None began here.`;
  return html`<b>${bare(rate(r.began))} failures per second began here</b>, ${bare(rate(r.passed))} were passed on${of}`;
}

const place = n => [n.node.namespace, n.node.role != 'workload' && !isUser(n) && n.node.role].filter(Boolean);
function where(a, b) {
  const spaces = [a.node.namespace, b.node.namespace].filter(Boolean), clusters = [...new Set([a.node.cluster, b.node.cluster].filter(Boolean))];
  return [spaces.length == 2 && spaces[0] != spaces[1] ? spaces.join(' → ') : spaces[0], b.node.role != 'workload' && b.node.role, clusters.length && `cluster ${clusters.join(' → ')}`].filter(Boolean).join(', ');
}

function FailuresChart({ data, label }) {
  const s = data.series, from = parseTime(data.from), began = perSecond(s, from, s.began), passed = perSecond(s, from, s.passed), step = s.step_ns / 1e6;
  const onset = onsetOf(s.calls.map((_, i) => from + i * step), s.calls, s.began.map((b, i) => (b || 0) + (s.passed[i] || 0)));
  const top = Math.max(...began.v.map((v, i) => (v || 0) + (passed.v[i] || 0)), 0);
  if (!(top > 0)) return null;
  const [max, ticks] = niceMax(top), series = [];
  if (began.v.some(v => v > 0)) series.push({ v: began.v });
  if (passed.v.some(v => v > 0)) series.push({ v: passed.v, hatch: true });
  return html`<div style=${{ marginTop: '8px' }}><${Chart} h=${92} x=${began.x} from=${from} to=${from + s.calls.length * step} max=${max} ticks=${[ticks[0], ticks.at(-1) / 2, ticks.at(-1)]} label=${label}
    series=${series} marks=${onset ? [{ at: onset, label: clock(onset), side: 'l' }] : []}/></div>`;
}

function ByVersion({ rows, what, seconds }) {
  if (rows.length < 2) return null;
  const newest = rows.reduce((a, b) => a.first_seen > b.first_seen ? a : b);
  return html`<section class="blk"><h2>By ${what.side} version</h2><${Table} id=${v => v.version} rows=${[...rows].sort((a, b) => ratio(b.errors, b.calls) - ratio(a.errors, a.calls))} cols=${[[what.name, '', v => html`<b>${v.version || 'unknown'}</b> ${v == newest && parseTime(v.first_seen) > range().fromMs && html`<span class="m3 s">since ${clock(parseTime(v.first_seen), 1)}</span>`}`],
    ['Calls/s', 'r', v => bare(rate(v.calls / seconds))], ['Began', 'r', v => marked(v.calls, v.errors_origin) ? cell(html`<b>${share(ratio(v.errors_origin, v.calls))}</b>`, 'fault') : share(ratio(v.errors_origin, v.calls))], ['p95', 'r', v => ms(v.p95_ns)]]}/></section>`;
}

// Where a call's time goes, as far as both halves tell: on the way, and in the callee.
function Hops({ e, a, b }) {
  if (e.p50_ns == null || e.transit_p50_ns == null || e.transit_p50_ns > e.p50_ns) return null;
  const way = e.transit_p50_ns, inside = e.p50_ns - way;
  return html`<section class="blk"><header class="shead" style=${{ paddingBottom: '4px' }}><h2>Where the time goes</h2><span class="m3 s">p50 of calls, ${ms(e.p50_ns)}</span></header>
    <div class="hops" role="img" aria-label=${`network and proxies ${ms(way)}, ${nameOf(b)} ${ms(inside)}`}><span class="nt" style=${{ flex: Math.max(way, e.p50_ns * .01) }}></span><span class="app" style=${{ flex: Math.max(inside, e.p50_ns * .01) }}></span></div>
    <div class="hoplist"><i class="nt"></i><span>network and proxies</span><span class="r">${ms(way)}</span><span></span><i class="app"></i><span>${nameOf(b)}</span><span class="r">${ms(inside)}</span><span></span></div></section>`;
}

function Facts({ data, e, r }) {
  const s = securityOf(e), facts = [];
  if (data.reasons_of) facts.push(['Failures', data.reasons.slice(0, 3).map(x => `${x.reason || 'no reason given'}, ${share(x.n / data.reasons_of)}`).join('; ') + (data.reasons_of < e.errors_origin ? ` (of ${count(data.reasons_of)} looked at)` : '')]);
  if (e.retries || e.recovered) facts.push(['Retries', `${(e.retries / e.calls).toFixed(2)} per call${e.recovered ? `, ${rate(e.recovered / data.seconds)} recovered` : ''}`]);
  if (e.client_errors) facts.push(['Client errors', `${rate(e.client_errors / data.seconds)}, ${share(e.client_errors / e.calls)}`]);
  if (!isUser(data.caller)) facts.push(['Security', html`${s.icon && html`<${Icon} n=${s.icon} c=${s.plain ? 'plain' : 'm2'}/> `}${s.words}${e.security.unknown != e.calls && s.words.indexOf('%') < 0 ? ' 100 %' : ''}`]);
  if (e.via) facts.push(['Via', e.via]);
  const others = data.others, fails = sum(others, 'errors');
  if (others.length) facts.push([`Others to ${nameOf(data.callee)}`, `${others.length == 1 ? nameOfId(others[0].caller) : plural(others.length, 'caller')} ${rate(sum(others, 'calls') / data.seconds)}, ${fails ? `${rate(fails / data.seconds)} fail` : '0 failures'}${others.length == 1 ? `, p95 ${ms(others[0].p95_ns)}` : ''}`]);
  return html`<section class="blk"><h2>Facts</h2><dl class="kv" style=${{ marginTop: '4px' }}>${facts.map(([k, v]) => html`<dt key=${k}>${k}</dt><dd>${v}</dd>`)}</dl></section>`;
}

const sqlOf = (a, b) => `SELECT minute, caller_version, callee_version, known_by, sum(calls) AS calls, sum(errors_origin) AS began, sum(errors_carried) AS passed_on\nFROM edge_minute\nWHERE caller_service = ${sqlText(a.node.service)} AND callee_service = ${sqlText(b.node.service)}\n  AND minute_ns >= ${Math.floor(range().fromMs / 6e4) * 6e4}000000 AND minute_ns < ${Math.ceil(range().toMs / 6e4) * 6e4}000000\nGROUP BY 1, 2, 3, 4 ORDER BY 1`;
const promOf = (a, b) => `sum by (fault) (rate(faultline_edge_errors_total{client=${JSON.stringify(a.node.service)},server=${JSON.stringify(b.node.service)}}[1m]))`;

function Links({ a, b, e }) {
  const failed = e.errors_origin > 0, q = [['service', a.node.service], ['service', b.node.service]], bad = e.errors ? [['status', 'error']] : [];
  const to = isUser(a) ? traces(...bad, ['service', b.node.service]) : failed ? traces(['began', `${a.node.service}>${b.node.service}`]) : traces(...bad, ...q);
  return html`<div class="row w" style=${{ marginTop: '18px' }}><a class=${'btn' + (e.errors ? ' pri' : '')} href=${to}>${failed ? 'Traces that failed here' : e.errors ? 'Failed traces through here' : 'Traces through here'}</a>
    <button class="btn" onClick=${() => copy(sqlOf(a, b), 'SQL copied')}>SQL</button><button class="btn" onClick=${() => copy(promOf(a, b), 'PromQL copied')}>PromQL</button></div>`;
}
function CopyAs({ a, b, keys }) {
  const r = rangeText(range()), cli = `faultline graph --from ${r.from}${r.to ? ` --to ${r.to}` : ''} --format table`;
  return html`<${Menu} label="" icon="copy" c="bare" title="Copy as" items=${[['Link', () => location.href], ['SQL', () => sqlOf(a, b)], ['PromQL', () => promOf(a, b)], ['curl', () => curlOf('edge', { caller: keys(a.id), callee: keys(b.id) })], ['Command', () => cli]]}/>`;
}

export function EdgePanel({ caller, callee, keys, lead }) {
  const { data, error, again } = useApi('edge', { caller, callee });
  if (error?.status == 404) return html`<p class="m2">No calls from <b>${nameOfId(caller)}</b> to <b>${nameOfId(callee)}</b> in this window.</p>`;
  if (error && !data) return html`<${Failed} what="The edge" error=${error} again=${again}/>`;
  if (!data || data.caller.id != caller || data.callee.id != callee) return html`<p class="m3 s">${nameOfId(caller)} → ${nameOfId(callee)}</p>`;
  const a = data.caller, b = data.callee, e = together(data.edges), r = ratesOf(e, data.seconds), name = n => hasPage(n) ? html`<a class="q" href=${serviceHref(n.node)}>${nameOf(n)}</a>` : nameOf(n);
  const k = markOf(e);
  const several = data.caller_versions.length > 1 || data.callee_versions.length < 2;
  return html`${lead}<div class="row"><h1 class="grow">${name(a)} → ${name(b)}</h1><${CopyAs} a=${a} b=${b} keys=${keys}/></div>
    <p class="s m2">${where(a, b)}${where(a, b) ? '. ' : ''}Known from ${knownOf(e)}.</p>
    <p style=${{ marginTop: '10px' }}>${k && html`<${Mark} k=${k} quiet/> `}${sentence(r, e)}</p>
    <${FailuresChart} data=${data} label=${`Failures per second of ${nameOf(a)} to ${nameOf(b)} over time`}/>
    ${several ? html`<${ByVersion} rows=${data.caller_versions} what=${{ side: 'caller', name: nameOf(a) }} seconds=${data.seconds}/>` : html`<${ByVersion} rows=${data.callee_versions} what=${{ side: 'callee', name: nameOf(b) }} seconds=${data.seconds}/>`}
    <${Hops} e=${e} a=${a} b=${b}/>
    ${data.edges.length > 1 && html`<section class="blk"><h2>Ways</h2><${Table} rows=${data.edges} id=${x => x.id} cols=${[['Way', '', x => [x.protocol, x.via && `via ${x.via}`, x.crossing != 'unknown' && x.crossing.replace('_', ' ')].filter(Boolean).join(', ') || 'direct'], ['Calls/s', 'r', x => bare(ratesOf(x, data.seconds).text)], ['Failed', 'r', x => share(ratio(x.errors, x.calls))], ['p95', 'r', x => ms(x.p95_ns)]]}/></section>`}
    <${Facts} data=${data} e=${e} r=${r}/>
    ${(e.examples.error.length > 0 || e.examples.slow.length > 0) && html`<section class="blk"><h2>Examples</h2><dl class="kv" style=${{ marginTop: '4px' }}>${e.examples.error.length > 0 && html`<dt>Failed</dt><dd>${e.examples.error.map(id => html`<a key=${id} href=${href('/trace/' + id)}><code>${id.slice(0, 8)}</code></a> `)}</dd>`}${e.examples.slow.length > 0 && html`<dt>Slow</dt><dd>${e.examples.slow.map(id => html`<a key=${id} href=${href('/trace/' + id)}><code>${id.slice(0, 8)}</code></a> `)}</dd>`}</dl></section>`}
    <${Links} a=${a} b=${b} e=${e}/>`;
}

/* ---- a node ---- */

function Ends({ title, edges, end, g, keys }) {
  if (!edges.length) return null;
  return html`<section class="blk"><h2>${title}</h2><${Table} id=${e => e.id} rows=${[...edges].sort((x, y) => y.errors_origin - x.errors_origin || y.errors_carried - x.errors_carried || y.calls - x.calls)} cols=${[[html`<span class="sr">${title}</span>`, '', e => html`${e.mark ? html`<${Mark} k=${markOf(e)}/> ` : ''}<a class="q" href=${edgeHref(keys(e.caller), keys(e.callee), g.query)}>${nameOf(g.byId.get(e[end]))}</a>`],
    ['Calls/s', 'r', e => bare(ratesOf(e, g.seconds).text)], ['Failed', 'r', e => cell(e.errors ? share(ratio(e.errors, e.calls)) : '0', e.mark ? 'fault' : 'm3')], ['p95', 'r', e => ms(e.p95_ns)]]}/></section>`;
}

export function NodePanel({ node: n, graph: g, keys, onFocus, onUnfold }) {
  const into = g.into.get(n.id) || [], out = g.out.get(n.id) || [], calls = isUser(n) ? n.out_calls : n.calls, r = rate(calls / (g.seconds || 1)), failed = isUser(n) ? sum(out, 'errors') : n.errors;
  const k = markOf(n);
  const facts = [!isUser(n) && ['Latency', `p50 ${ms(n.p50_ns)}, p95 ${ms(n.p95_ns)}, p99 ${ms(n.p99_ns)}`], n.client_errors > 0 && ['Client errors', share(ratio(n.client_errors, n.calls))], n.versions?.length > 0 && ['Versions', n.versions.map(v => v.version || 'unknown').join(', ') + (n.more_versions ? ' and more' : '')], n.node.cluster && ['Cluster', n.node.cluster]].filter(Boolean);
  return html`<div class="row"><h1 class="grow">${hasPage(n) ? html`<a class="q" href=${serviceHref(n.node)}>${nameOf(n)}</a>` : nameOf(n)}</h1><button class="btn bare" aria-label="Copy link" title="Copy link (y)" onClick=${copyLink}><${Icon} n="copy"/></button></div>
    <p class="s m2">${n.fold ? `${count(n.fold.nodes)} nodes, folded: nothing failed in them` : [...place(n), isUser(n) && 'where requests come from'].filter(Boolean).join(', ') || 'workload'}</p>
    <p style=${{ marginTop: '10px' }}>${k && html`<${Mark} k=${k} quiet/> `}${failed ? html`<b>${share(ratio(failed, calls))}</b> of ${bare(r)} calls per second fail. ${n.mark == 'began' ? html`<b>They begin here.</b>` : n.mark == 'passed' ? 'They began further on and are passed on here.' : ''}` : html`No failures among <b>${bare(r)}</b> calls per second.`}</p>
    ${n.versions?.length > 1 && html`<section class="blk"><h2>By version</h2><${Table} rows=${n.versions} id=${v => v.version} cols=${[['Version', '', v => html`<b>${v.version || 'unknown'}</b>`], ['Calls/s', 'r', v => bare(rate(v.calls / g.seconds))], ['Failed', 'r', v => cell(share(ratio(v.errors, v.calls)), marked(v.calls, v.errors) ? 'fault' : '')]]}/></section>`}
    ${facts.length > 0 && html`<section class="blk"><h2>Facts</h2><dl class="kv" style=${{ marginTop: '4px' }}>${facts.map(([t, v]) => html`<dt key=${t}>${t}</dt><dd>${v}</dd>`)}</dl></section>`}
    <${Ends} title="Callers" edges=${into} end="caller" g=${g} keys=${keys}/><${Ends} title="Callees" edges=${out} end="callee" g=${g} keys=${keys}/>
    <div class="row w" style=${{ marginTop: '18px' }}>${n.fold ? html`<button class="btn pri" onClick=${() => onUnfold(n)}>Unfold</button>` : html`<button class="btn" onClick=${() => onFocus(n)}>Neighbourhood</button>`}
      ${hasPage(n) && html`<a class="btn" href=${serviceHref(n.node)}>Service</a><a class="btn" href=${traces(['service', n.node.service], ...(n.mark ? [['status', 'error']] : []))}>Traces</a>`}</div>`;
}
