// service.js: one service from near, and the list of all: rate, failures, latency; versions side by side; who calls it, whom it calls; what it does and where it runs.
import { html, useMemo, useState } from '../html.js';
import { curlOf, useApi } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { range, rangeText, useRange } from '../frame/range.js';
import { Empty, Failed } from '../frame/states.js';
import { useTitle } from '../frame/title.js';
import { href, setQuery } from '../frame/url.js';
import { Chart, niceMax } from '../draw/chart.js';
import { Icon, Mark } from '../draw/marks.js';
import { cell, Table } from '../draw/table.js';
import { clock, count, day, ms, msWhole, parseTime, plural, rate, share } from '../draw/text.js';
import { bare, edgeHref, nameOf, nameOfId, ratesOf, ratio, securityOf, serviceHref, traces } from '../graph/names.js';
import { marked, markOf, onsetOf, perSecond } from '../graph/numbers.js';

const MarkOr = ({ k }) => k ? html`<${Mark} k=${k}/>` : html`<span class="ok"></span>`;
const failedCell = (failed, calls, k) => cell(k ? html`<b>${share(ratio(failed, calls))}</b>` : share(ratio(failed, calls)), k ? 'fault' : 'm3');
const rateCell = (n, s, bold) => cell(n ? bold ? html`<b>${rate(n / s)}</b>` : rate(n / s) : '0', n ? 'fault' : 'm3');

/* ---- the list ---- */

// Failed calls a step, as a line 90 px wide. Steps of which nothing is known are gaps.
function Spark({ v, words }) {
  const top = Math.max(...v, 1), step = 90 / Math.max(1, v.length - 1);
  return html`<svg class="spark" width="90" height="18" viewBox="0 0 90 18" role="img" aria-label=${words}><path d=${v.map((n, i) => n == null ? '' : `${i && v[i - 1] != null ? 'L' : 'M'}${(i * step).toFixed(1)} ${(17 - 15 * n / top).toFixed(1)}`).join('')}/></svg>`;
}

const SORTS = { name: (a, b) => nameOf(a) < nameOf(b) ? -1 : 1, calls: (a, b) => b.calls - a.calls, p95: (a, b) => (b.p95_ns || 0) - (a.p95_ns || 0) };
export function Services({ query }) {
  const r = useRange(), { data: d, error, again } = useApi('red'), s = d?.seconds || 1;
  const rows = useMemo(() => [...d?.items || []].sort((a, b) => SORTS[query.order]?.(a, b) || b.began - a.began || b.passed - a.passed || b.calls - a.calls), [d, query.order]);
  const bad = rows.filter(n => n.mark == 'began'), head = by => (t => html`<button class="th" aria-pressed=${query.order == by ? 'true' : 'false'} onClick=${() => setQuery({ order: query.order == by ? null : by })}>${t}</button>`);
  const title = bad.length ? `Failures began in ${bad.slice(0, 2).map(nameOf).join(' and ')}${bad.length > 2 ? ` and ${bad.length - 2} more` : ''}.` : 'No failures stand out.';
  useTitle(d && title, 'Services');
  return html`<main id="main" tabindex="-1">${error && html`<${Failed} what="The list of services" error=${error} again=${again}/>`}${!d ? html`<h1 class="sr">Services</h1>` : !rows.length ? html`<${Empty} r=${r}/>` : html`
    <section class="answer"><h1>${title}</h1><p class="sub">${plural(rows.length, 'service')}, ${rate(rows.reduce((n, x) => n + x.calls, 0) / s)} between them.</p></section>
    <section class="blk scrollx"><${Table} rows=${rows} id=${n => n.id} to=${n => serviceHref(n.node)} head="Services, worst first" asked=${query.order} cols=${[
      [head('name')('Service'), '', n => html`<${MarkOr} k=${markOf(n)}/>${'\u00a0'}<a class="q brk" href=${serviceHref(n.node)}>${n.mark ? html`<b>${nameOf(n)}</b>` : nameOf(n)}</a>${n.node.role == 'gateway' ? html` <span class="m3 s">gateway</span>` : ''}`],
      ['Namespace', 'only-l m2', n => n.node.namespace || 'unknown'], [head('calls')('Calls/s'), 'r', n => bare(rate(n.calls / s))], ['Began', 'r', n => rateCell(n.began, s, n.mark == 'began')], ['Passed on', 'r', n => rateCell(n.passed, s)],
      [head('p95')('p95'), 'r only-l', n => msWhole(n.p95_ns)], ['Versions', 'only-l m2 after', n => n.versions.map(v => v.version).filter(Boolean).join(', ') + (n.more_versions ? ' …' : '') || 'unknown'],
      ['Failures', 'only-l', n => n.errors ? html`<${Spark} v=${n.failed} words=${`${count(n.errors)} failed calls over the window`}/>` : html`<span class="m3 s">none</span>`]]}/></section>`}</main>`;
}

/* ---- one: versions side by side ---- */

// All of it is the answer of /api/v1/compare.
const WORDS = { worse: 'worse', better: 'better', same: 'same', not_enough_data: 'not enough data' };
const UNITS = { ratio: x => share(x), ns: x => ms(x), count: x => x.toFixed(2) };
function signed(x, unit) {
  if (Math.abs(x) < (unit == 'ns' ? 5e4 : unit == 'ratio' ? 5e-5 : .005)) return '0';
  const text = unit == 'ratio' ? (Math.abs(x) * 100).toFixed(Math.abs(x) < .0995 ? 2 : 0) : UNITS[unit](Math.abs(x));
  return (x < 0 ? '−' : '+') + text;
}
const isSlow = x => x.metric == 'latency' && x.test == 'two_proportions';
// What a measure is called, and the number of one side that goes with it, where there is one.
const measure = (x, c) => ({ errors: 'Calls that fail', latency: isSlow(x) ? `Calls above the p95 of ${c.baseline.version || 'unknown'}` : 'Latency of all calls, p50', downstream_errors: `Failed calls to ${x.peer?.service}`, flow: `Calls to ${x.peer?.service} per call` })[x.metric];
const valueOf = (x, side) => x.metric == 'errors' ? share(side.error_share) : x.metric == 'latency' && side.p50_ns != null ? ms(isSlow(x) ? side.p95_ns : side.p50_ns) : '';
// A dot and its interval, in units of the margin: at the edge from four on.
function Interval({ c }) {
  const at = x => 50 + 44 * Math.max(-1, Math.min(1, x / c.margin / 4)), a = at(c.interval[0]), b = at(c.interval[1]);
  return html`<div class=${'ci' + (c.verdict == 'worse' ? ' w' : '')} role="img" aria-label=${WORDS[c.verdict]}><i style=${{ left: a + '%', width: Math.max(1, b - a) + '%' }}></i><u style=${{ left: at(c.effect) + '%' }}></u></div>`;
}

// Which two versions: all of them in two lists, as soon as there are more than two, or the reader turned them round.
function Choice({ d, baseline, candidate }) {
  const names = d.versions.map(v => v.version), to = (a, b) => setQuery({ compare: a == b ? null : `${a}..${b}` }, { replace: true });
  const list = (label, value, f) => html`<select aria-label=${label} value=${value} onChange=${e => f(e.target.value)}>${names.map(n => html`<option key=${n} value=${n}>${n || 'unknown'}</option>`)}</select>`;
  return names.length > 2 ? html`<span class="row s m2">${list('Candidate', candidate, v => to(baseline == v ? candidate : baseline, v))} against ${list('Baseline', baseline, v => to(v, candidate == v ? baseline : candidate))}</span>` : html`<button class="btn bare low only-l" onClick=${() => to(candidate, baseline)}>Turn round</button>`;
}

function Versions({ d, s, asked }) {
  const c = d.compare;
  if (!c && asked) return html`<section class="blk rule" id="versions"><header><h2>Versions</h2><span class="m2 s"><b>${asked}</b>: not both took calls in this window. <button class="lnk" onClick=${() => setQuery({ compare: null })}>The newest against the others</button></span></header></section>`;
  if (!c) return html`<section class="blk rule" id="versions"><header><h2>Versions</h2><span class="m2 s">${d.versions.length == 1 ? `Only ${d.versions[0].version || 'one, of unknown name,'} took calls in this window: there is nothing to compare it with.` : 'No calls in this window.'}</span></header></section>`;
  const word = { worse: 'Worse', better: 'Better', same: 'Same', not_enough_data: 'Not enough data' }[c.verdict], [was, is] = [c.baseline, c.candidate], [a, b] = [was, is].map(x => x.version || 'unknown');
  const points = x => x.unit == 'ratio' && signed(x.effect, x.unit) != '0' ? ' points' : '', need = c.verdict == 'not_enough_data' ? Math.max(0, ...c.checks.map(x => x.peer ? 0 : x.need || 0)) : 0;
  return html`<section class="blk rule" id="versions" aria-labelledby="vs"><header style=${{ alignItems: 'center' }}><h2 id="vs">${b} against ${a}</h2><span class=${'verdict ' + (c.verdict == 'worse' ? 'worse' : 'tag')}><${Icon} n="split"/>${word}</span>
      <span class="m2 s">where both took calls, for the same callers and operations: ${count(is.calls)} of ${b}, ${count(was.calls)} of ${a}${need ? `; about ${count(need)} more needed` : ''}</span><span class="grow"></span><${Choice} d=${d} baseline=${was.version} candidate=${is.version}/></header>
    <div class="scrollx"><${Table} rows=${c.checks} id=${x => x.metric + x.test + (x.peer ? x.peer.namespace + '/' + x.peer.service : '')} cols=${[['Measure', '', x => measure(x, c)],
      [a, 'r', x => valueOf(x, was)], [b, 'r', x => x.verdict == 'worse' ? cell(html`<b>${valueOf(x, is)}</b>`, 'fault') : valueOf(x, is)],
      ['Difference', 'r only-l', x => html`${x.verdict == 'worse' ? html`<b>${signed(x.effect, x.unit)}${points(x)}</b>` : signed(x.effect, x.unit) + points(x)}`],
      ['less ← → more', 'only-l mid', x => html`<${Interval} c=${x}/>`], ['95 % interval', 'only-l after', x => cell(`${signed(x.interval[0], x.unit)} to ${signed(x.interval[1], x.unit)}`, 'm2')],
      ['Answer', '', x => x.verdict == 'worse' ? html`<b class="fault">worse</b>` : cell(WORDS[x.verdict], x.verdict == 'not_enough_data' ? 'm2 nw' : '')]]}/></div></section>`;
}

/* ---- one: charts ---- */

function Charts({ d, s }) {
  const ser = d.series, from = parseTime(d.from), step = ser.step_ns / 1e6, to = from + ser.calls.length * step, x = ser.calls.map((_, i) => from + i * step + step / 2), n = d.service;
  const onset = onsetOf(ser.calls.map((_, i) => from + i * step), ser.calls, ser.began.map((v, i) => (v || 0) + (ser.passed[i] || 0))), newest = d.versions.reduce((a, b) => !a || b.first_seen > a.first_seen ? b : a, null), fresh = d.versions.length > 1 && parseTime(newest.first_seen);
  const split = label => [fresh > from && { at: fresh, colour: '--ink-3', dash: [3, 3], ...label }, onset && { at: onset, label: label ? null : `began ${clock(onset)}`, side: 'l' }].filter(Boolean);
  const per = counts => perSecond(ser, from, counts).v, lines = d.versions.length > 1 && d.versions.length < 5 ? d.versions.filter(v => v.series) : [{ version: '', series: ser.calls }], tokens = ['--ctl', '--accent', '--s1', '--s5'];
  const began = per(ser.began), passed = per(ser.passed), nice = v => { const [max, t] = niceMax(Math.max(...v, 0)); return { max, ticks: [0, t.at(-1) / 2, t.at(-1)] }; };
  const failing = marked(n.calls, n.errors), lat = [['p50_ns', '--ctl', .9], ['p95_ns', '--ink', 1.75], ['p99_ns', '--ctl', .9, [4, 3]]].map(([k, stroke, w, dash]) => ({ kind: 'line', stroke, w, dash, v: ser[k].map(v => v == null ? null : v / 1e6) }));
  const big = (title, value, c, legend, chart) => html`<div><header class="shead kpi"><h2>${title}</h2><span class=${'big ' + c}>${value}</span><span class="grow"></span><span class="legend">${legend}</span></header><${Chart} h=${118} x=${x} from=${from} to=${to} ...${chart}/></div>`;
  return html`<section class="blk spark3" aria-label="Rate, failures, latency">
    ${big('Calls per second', bare(rate(n.calls / s)), '', lines.length > 1 && lines.map((v, i) => html`<span key=${v.version}><i class="sw ln" style=${{ background: `var(${tokens[i]})` }}></i>${v.version || 'unknown'}</span>`), { ...nice(per(ser.calls)), label: `Calls per second over time, ${bare(rate(n.calls / s))} on average`, series: lines.map((v, i) => ({ kind: 'line', stroke: tokens[i], w: i ? 2 : 1.5, v: per(v.series).map((y, k) => v.series[k] ? y : i ? null : y) })), marks: split({ label: newest && `${newest.version} first seen`, side: 'l', dy: 34 }) })}
    ${big('Failures per second', bare(rate((n.began + n.passed) / s)), failing ? 'fault' : '', html`<span><i class="sw ba"></i>began here</span><span><i class="sw p"></i>passed on</span>`, { ...nice(began.map((v, i) => (v || 0) + (passed[i] || 0))), label: `Failures per second: ${bare(rate(n.began / s))} began here, ${bare(rate(n.passed / s))} passed on`, series: [{ v: passed, hatch: true }, { v: began }], marks: split() })}
    ${big('Latency, p95', msWhole(n.p95_ns), '', html`<span class="m3">p50, p95, p99</span>`, { ...nice(lat.flatMap(l => l.v)), label: `Latency: p50 ${ms(n.p50_ns)}, p95 ${ms(n.p95_ns)}, p99 ${ms(n.p99_ns)}`, series: lat, marks: split({}) })}</section>`;
}

/* ---- one: the tables below ---- */

const Ends = ({ title, edges, end, s }) => html`<section class="blk"><header><h2>${title}s</h2></header>${edges.length ? html`<${Table} id=${e => e.id} rows=${[...edges].sort((a, b) => b.errors_origin - a.errors_origin || b.errors_carried - a.errors_carried || b.calls - a.calls)} to=${e => edgeHref(e.caller, e.callee)} head=${title + 's'} cols=${[
  [title, '', e => html`<${MarkOr} k=${markOf(e)}/> <a class="q brk" href=${edgeHref(e.caller, e.callee)}>${nameOfId(e[end])}</a>${e.via && html` <span class="m3 s">via ${e.via}</span>`}`], ['Calls/s', 'r', e => bare(ratesOf(e, s).text)], ['Began', 'r', e => rateCell(e.errors_origin, s, e.mark == 'began')], ['Passed on', 'r', e => rateCell(e.errors_carried, s)], ['p95', 'r', e => ms(e.p95_ns)],
  ['Security', 'only-l sec', e => { const x = securityOf(e); return cell(html`${x.icon && html`<${Icon} n=${x.icon}/> `}${x.words}`, x.plain ? 'plain' : 'm2'); }]]}/>` : html`<p class="m2 s">${title == 'Caller' ? 'Nobody called it in this window.' : 'It called nobody in this window.'}</p>`}</section>`;

function Instances({ d, s }) {
  const [all, setAll] = useState(false), k = i => marked(i.calls, i.errors) ? markOf(d.service) || 'p' : '', bad = d.instances.filter(k), shown = all || d.instances.length < 6 ? d.instances : d.instances.slice(0, Math.max(bad.length, 3)), rest = d.instances.length - shown.length;
  return html`<section class="blk"><header><h2>Instances</h2><span class="m3 s">worst first, from the latest ${count(d.sampled.traces)} traces</span></header>${d.instances.length ? html`<${Table} rows=${shown} id=${i => i.instance + i.version} head="Instances" cols=${[['Instance', 'mono', i => html`<${MarkOr} k=${k(i)}/> <span class="brk">${i.instance || 'without a name'}</span>`], ['Version', '', i => i.version || 'unknown'], ['Calls', 'r', i => count(i.calls)], ['Failed', 'r', i => failedCell(i.errors, i.calls, k(i))], ['p95', 'r', i => msWhole(i.p95_ns)]]}/>
    ${rest > 0 && html`<button class="btn bare" onClick=${() => setAll(true)}><${Icon} n="right"/>${count(rest)} more${d.instances.slice(shown.length).every(i => !k(i)) ? ', normal' : ''}</button>`}` : html`<p class="m2 s">None of its own spans are among the latest traces.</p>`}</section>`;
}

export function Service({ cluster, namespace, name, query }) {
  const r = useRange(), path = 'service/' + [cluster, namespace, name].map(encodeURIComponent).join('/'), { data: d, error, again } = useApi(path, { compare: query.compare }), s = d?.seconds || 1, n = d?.service, k = n && markOf(n);
  const onset = d && onsetOf(d.series.calls.map((_, i) => parseTime(d.from) + i * d.series.step_ns / 1e6), d.series.calls, d.series.began.map((v, i) => (v || 0) + (d.series.passed[i] || 0)));
  useTitle(n && (k ? `${share(ratio(n.errors, n.calls))} of calls to ${name} fail` : name), namespace != '-' && namespace, n && k && name);
  const crumbs = html`<p class="kick s"><a href=${href('/services')}>Services</a>${[cluster, namespace].filter(x => x != '-').map(x => html`<span class="m3">/</span><span>${x}</span>`)}</p>`;
  if (!d) return html`<main id="main" tabindex="-1"><section class="answer">${crumbs}<h1>${name}</h1></section>${error && (error.status == 404 ? html`<p class="note">No calls of <b>${name}</b> in this window. <a href=${href('/services')}>All services</a></p>` : html`<${Failed} what="The service" error=${error} again=${again}/>`)}</main>`;
  const v = n.versions.length > 1 && n.versions.filter(x => marked(x.calls, x.began)), out = d.callees.filter(e => e.mark == 'began' && e.unreached * 2 > e.errors_origin).sort((a, b) => b.unreached - a.unreached)[0], deeper = d.callees.filter(e => e.mark).sort((a, b) => b.errors - a.errors)[0], op = x => marked(x.calls, x.errors) ? k || 'p' : '';
  const verdict = k == 'began' || n.mark == 'began' ? html`They begin here${v && v.length == 1 ? html`, in <b>${v[0].version}</b>` : ''}${out ? html`, at its call to <a href=${edgeHref(out.caller, out.callee)}>${nameOfId(out.callee)}</a>` : ''}.` : n.mark == 'passed' ? html`They began further on${deeper ? html`, beyond <a href=${edgeHref(deeper.caller, deeper.callee)}>${nameOfId(deeper.callee)}</a>` : ''}, and are passed on here.` : '';
  return html`<main id="main" tabindex="-1">${error && html`<${Failed} what="The service" error=${error} again=${again}/>`}<section class="answer">${crumbs}
      <div class="row w" style=${{ gap: '6px 14px' }}><h1>${nameOf(n)}</h1><span class="m2">${[n.node.role, d.instances.length && plural(d.instances.length, 'instance'), `first seen ${day(parseTime(d.first_seen))}`].filter(Boolean).join(', ')}</span><span class="grow"></span>
        <span class="row w"><a class="btn" href=${href('/graph', { focus: n.id, sel: n.id })}>Neighbourhood</a><a class="btn" href=${traces(['service', n.node.service], ...(n.mark ? [['status', 'error']] : []))}>Traces</a><${Menu} c="only-l" items=${[['Link', () => location.href], ['SQL', () => `SELECT minute, callee_version, sum(calls) AS calls, sum(errors) AS failed, max(p95_ns) AS p95_ns\nFROM edge_minute WHERE callee_service = '${n.node.service.replace(/'/g, "''")}'\nGROUP BY 1, 2 ORDER BY 1`], ['PromQL', () => `sum by (server_service_version) (rate(traces_service_graph_request_failed_total{server=${JSON.stringify(n.node.service)}}[1m]))`], ['curl', () => curlOf(path)], ['Command', () => `faultline compare --service ${n.node.service}${d.compare ? ` --baseline ${d.compare.baseline.version} --candidate ${d.compare.candidate.version}` : ''}${Object.entries(rangeText(range())).map(([k, v]) => ` --${k} ${v}`).join('')}`]]}/></span></div>
      <p class="sub" style=${{ marginTop: '2px' }}>${n.mark ? html`<${Mark} k=${n.mark == 'began' ? 'b' : 'p'} quiet/> <b>${share(ratio(n.errors, n.calls))} of calls fail${onset ? ` since ${clock(onset)}` : ''}.</b> ${verdict}` : html`No failures stand out: ${share(ratio(n.errors, n.calls))} of ${bare(rate(n.calls / s))} calls per second fail.`}</p></section>
    <${Charts} d=${d} s=${s}/><${Versions} d=${d} s=${s} asked=${query.compare}/>
    <div class="two-col"><${Ends} title="Caller" edges=${d.callers} end="caller" s=${s}/><${Ends} title="Callee" edges=${d.callees} end="callee" s=${s}/>
      <section class="blk"><header><h2>Operations</h2></header>${d.operations.length ? html`<${Table} rows=${d.operations} id=${o => o.operation} to=${o => traces(['service', n.node.service], ['operation', o.operation])} head="Operations" cols=${[['Operation', '', o => html`<${MarkOr} k=${op(o)}/> <a class="q brk" href=${traces(['service', n.node.service], ['operation', o.operation])}>${o.operation}</a>`], ['Calls/s', 'r', o => bare(rate(o.calls / s))], ['Failed', 'r', o => failedCell(o.errors, o.calls, op(o))], ['p50', 'r', o => ms(o.p50_ns)], ['p95', 'r', o => msWhole(o.p95_ns)], ['Self time', 'r only-l', o => ms(o.self_p50_ns)]]}/>` : html`<p class="m2 s">It sent no spans of calls that it took.</p>`}</section>
      <${Instances} d=${d} s=${s}/></div></main>`;
}
