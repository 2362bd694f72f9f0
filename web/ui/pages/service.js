// service.js: one service from near, and the list of all: rate, failures, latency; versions side by side; who calls it, whom it calls;
// what it does and where it runs.
import { html, useMemo, useState } from '../html.js';
import { command, curlOf, useApi } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { NoPage, Page, useTitle } from '../frame/states.js';
import { href, setQuery } from '../frame/url.js';
import { Icon, Mark } from '../draw/marks.js';
import { Block, flag, listed } from '../draw/parts.js';
import { cell, Table } from '../draw/table.js';
import { bare, clock, count, day, ms, msWhole, parseTime, plural, rate, share, span, sqlText } from '../draw/text.js';
import { edgeRate, end, failed, MarkOr, p95, perSecond, rateCell, toPeer } from '../graph/columns.js';
import { edgeHref, nameOf, nameOfId, securityOf, serviceHref, servicePath, traces, versionWord } from '../graph/names.js';
import { best, byHarm, failuresIn, marked, markOf, plus, ratio, seriesOf, sum } from '../graph/numbers.js';
import { byVersion, Charts } from '../service/charts.js';
import { Operation } from '../service/operation.js';
import { Versions } from '../service/versions.js';

/* ---- the list ---- */

// Failed calls a step, as a line 90 px wide. Steps of which nothing is known are gaps.
function Spark({ v, words }) {
  const top = Math.max(...v, 1), step = 90 / Math.max(1, v.length - 1);
  return html`<svg class="spark" width="90" height="18" viewBox="0 0 90 18" role="img" aria-label=${words}>
    <path d=${v.map((n, i) => n == null ? ''
    : `${i && v[i - 1] != null ? 'L' : 'M'}${(i * step).toFixed(1)} ${(17 - 15 * n / top).toFixed(1)}`).join('')}/></svg>`;
}

const SORTS = { name: (a, b) => nameOf(a) < nameOf(b) ? -1 : 1, calls: (a, b) => b.calls - a.calls,
  p95: (a, b) => (b.p95_ns || 0) - (a.p95_ns || 0) };
const versionsOf = n => n.versions.map(v => v.version).filter(Boolean).join(', ') + (n.more_versions ? ' …' : '') || 'unknown';

export function Services({ query }) {
  const answer = useApi('red'), d = answer.data, s = d?.seconds || 1, { order } = query;
  const rows = useMemo(() =>
    [...d?.items || []].sort((a, b) => SORTS[order]?.(a, b) || byHarm(a, b)),
    [d, order]);
  const bad = rows.filter(n => n.mark == 'began').map(nameOf), more = bad.length > 2 ? [plural(bad.length - 2, 'other')] : [];
  const head = (by, [words, ...rest]) =>
    [html`<button class="th" aria-pressed=${flag(order == by)} onClick=${() => setQuery({ order: order == by ? null : by })}>${words}
    </button>`, ...rest];
  const title = bad.length ? `Failures began in ${listed([...bad.slice(0, 2), ...more]).flat().join('')}.` : 'No failures stand out.';
  useTitle(d && (rows.length ? title : 'No calls'), 'Services');
  return html`<${Page} name="Services" what="The list of services" answers=${[answer]} ready=${d} empty=${!rows.length}>
    <section class="answer"><h1>${title}</h1>
      <p class="sub">${plural(rows.length, 'service')}, ${rate(sum(rows, 'calls') / s)} between them.</p></section>
    <section class="blk">
      <${Table} rows=${rows} id=${n => n.id} to=${n => serviceHref(n.node)} name="Services, worst first" asked=${order} cols=${[
      head('name', ['Service', '',
        n => html`<${MarkOr} k=${markOf(n)}/> <a class="q brk" href=${serviceHref(n.node)}>
        ${n.mark ? html`<b>${nameOf(n)}</b>` : nameOf(n)}</a>${
        n.node.role == 'gateway' && html` <span class="m3 s">gateway</span>`}`]),
          ['Namespace', 'only-l m2', n => n.node.namespace || 'unknown'], head('calls', perSecond(s)),
      ['Began', 'r', n => rateCell(n.began, s, n.calls, n.mark == 'began')], ['Passed on', 'r', n => rateCell(n.passed, s, n.calls)],
        head('p95', p95('r only-l')), ['Versions', 'only-l m2 after', versionsOf],
      ['Failures', 'only-l',
        n => n.errors ? html`<${Spark} v=${n.failed} words=${`${count(n.errors)} failed calls over the window`}/>`
        : html`<span class="m3 s">none</span>`]]}/></section></${Page}>`;
}

/* ---- one ---- */

const SAME_MS = 12e4; /* between an onset by counts and the incident's that is the same */

function Three({ d, s, onset, since }) {
  const { series: ser, service: n, versions } = d, { v: per, ...time } = seriesOf(ser, d.from),
    newest = best(versions, v => parseTime(v.first_seen)), fresh = versions.length > 1 && parseTime(newest.first_seen);
  const lines = versions.length > 1 && versions.length < 5 ? versions.filter(v => v.series) : [{ version: '', series: ser.calls }];
  const rates = lines.map(({ version, series }, i) => ({ version, v: per(series).map((y, k) => series[k] ? y : i ? null : y) }));
  const latency = [['p50_ns', '--ctl', .9], ['p95_ns', '--ink', 1.75], ['p99_ns', '--ctl', .9, '4 3']]
    .map(([k, stroke, w, dash]) => ({ kind: 'line', stroke, w, dash, v: ser[k].map(v => v == null ? null : v / 1e6) }));
  const split = fresh > time.from && { at: fresh, colour: '--ink-3', dash: '3 3' }, began = onset && { at: onset, left: true };
  return html`<${Charts} time=${time} rate=${byVersion(rates)} failures=${[{ v: per(ser.passed), hatch: true }, { v: per(ser.began) }]}
    latency=${latency} failing=${marked(n.calls, n.errors)}
    numbers=${[bare(n.calls / s), bare((n.began + n.passed) / s), msWhole(n.p95_ns)]}
      legend=${html`<span class="m3">p50, p95, p99</span>`}
    marks=${[[split && { ...split, label: `${newest.version} first seen`, left: !(onset < fresh), dy: 34 }, began],
      [split, began && { ...began, label: `began ${since}` }], [split, began]]}
    words=${[`Calls per second over time, ${bare(n.calls / s)} on average`,
      `Failures per second: ${bare(n.began / s)} began here, ${bare(n.passed / s)} passed on`,
      `Latency: p50 ${ms(n.p50_ns)}, p95 ${ms(n.p95_ns)}, p99 ${ms(n.p99_ns)}`]}/>`;
}

const secured = ['Security', 'only-l sec nw',
  e => { const x = securityOf(e); return cell([x.icon && html`<${Icon} n=${x.icon}/> `, x.words], x.plain ? 'plain' : 'm2'); }];
const Ends = ({ title, edges, side, s, empty }) =>
  html`<${Block} title=${title + 's'}>
  <${Table} id=${e => e.id} rows=${[...edges].sort(byHarm)} to=${e => edgeHref(e.caller, e.callee)} name=${title + 's'}
  empty=${empty}
    cols=${[end(title, e => nameOfId(e[side])), edgeRate(s), ['Began', 'r', e => rateCell(e.errors_origin, s, e.calls, e.mark == 'began')],
    ['Passed on', 'r', e => rateCell(e.errors_carried, s, e.calls)], p95(), secured]}/></${Block}>`;

function Instances({ d, s }) {
  const [all, setAll] = useState(false), isBad = i => marked(i.calls, i.errors), k = i => isBad(i) ? markOf(d.service) || 'p' : '',
    rows = d.instances, among = sum(rows, 'calls') / d.service.calls; /* what they took of all is taken of the rate */
  const n = all || rows.length < 6 ? rows.length : Math.max(rows.filter(isBad).length, 3), rest = rows.slice(n), of = [...new Set(rest.map(i => versionWord(i.version)))];
  const words = count(rest.length) + ' more' + (of.length > 1 ? '' : `, all ${of}`) + (rest.some(isBad) ? '' : ', normal');
  const fold = { instance: null, version: '', calls: sum(rest, 'calls'), errors: sum(rest, 'errors'), p95_ns: Math.max(...rest.map(i => i.p95_ns)) };
  const open = () => setAll(true), isFold = i => i == fold;
  return html`<${Block} title="Instances" note=${`worst first${d.sampled.traces < 1000 ? '' : ', by 1 000 traces of all this time'}`}>
    <${Table} rows=${[...rows.slice(0, n), ...rest.length ? [fold] : []]} id=${i => i.instance + i.version} name="Instances"
      rowProps=${i => isFold(i) && { class: 'go', onClick: open }}
      empty="None of its own spans are among the traces of this window."
        cols=${[['Instance', '', i => [html`<${MarkOr} k=${isFold(i) ? '' : k(i)}/> `, isFold(i) ? html`<button class="th m2">${words}</button>`
          : html`<code class="brk">${i.instance || 'without a name'}</code>`]],
        ['Version', '', i => isFold(i) ? '' : versionWord(i.version)], perSecond(s * among), failed(), p95()]}/></${Block}>`;
}

const SQL = name => `SELECT minute, callee_version, sum(calls) AS calls, sum(errors) AS failed, max(p95_ns) AS p95_ns
FROM edge_minute WHERE callee_service = ${sqlText(name)}
GROUP BY 1, 2 ORDER BY 1`;
const PROMQL = name =>
  `sum by (server_service_version) (rate(traces_service_graph_request_failed_total{server=${JSON.stringify(name)}}[1m]))`;

// The share of its calls that fail, since they began: of the window's failures those that fall into that time, of the calls of that time.
function failing(d, onset, ended) {
  const { x, step } = seriesOf(d.series, d.from), fails = plus(d.series.began, d.series.passed),
    then = list => sum(list.filter((_, i) => !(x[i] + step / 2 <= onset || x[i] - step / 2 >= (ended || Infinity))), v => v);
  return share(ratio(d.service.errors * ratio(then(fails), sum(fails, v => v)), then(d.series.calls)));
}

// Where its failures began: in it, at a call of it, or further on. part: the share that fails, in words.
function Verdict({ d, part, onset, since, ended, own, s }) {
  const n = d.service, to = e => html`<a href=${edgeHref(e.caller, e.callee)}>${nameOfId(e.callee)}</a>`;
  if (!n.mark) return html`No failures stand out: ${part} of ${bare(n.calls / s)} calls per second fail.`;
  const bad = n.versions.length > 1 ? n.versions.filter(x => marked(x.calls, x.began)) : [],
    out = !own && best(d.callees.filter(e => e.mark == 'began' && e.unreached * 2 > e.errors_origin), e => e.unreached);
  const deeper = best(d.callees.filter(e => e.mark), e => e.errors);
  return html`<${Mark} k=${markOf(n)} quiet/> <b>${part} of calls ${
    ended ? `failed, ${span(onset, ended)}` : `fail${onset ? ` since ${since}` : ''}`}.</b> ${n.mark == 'began'
    ? html`They ${ended ? 'began' : 'begin'} here${bad.length == 1 && html`, in <b>${bad[0].version}</b>`}${
      out && html`, at its call to ${to(out)}`}${
      own && [': ', toPeer(own.suspects[0].reason, own.suspects[0])]}.`
    : html`They began further on${deeper && html`, beyond ${to(deeper)}`}, and ${ended ? 'were' : 'are'} passed on here.`}
      ${own && html` <a href=${href('/incident/' + own.id)}>Incident ${own.id}</a>`}`;
}

function Operations({ d, query, s }) {
  const n = d.service, isBad = o => marked(o.calls, o.errors), near = o => serviceHref(n.node, { ...query, op: o.operation });
  return html`<${Block} title="Operations">
    <${Table} rows=${d.operations} id=${o => o.operation} to=${near} name="Operations" empty="It sent no spans of calls that it took."
    cols=${[
    ['Operation', '',
      o => html`<${MarkOr} k=${isBad(o) ? markOf(n) || 'p' : ''}/> <a class="q brk" href=${near(o)}
      aria-current=${o.operation == query.op ? 'true' : null}>${o.operation}</a>`],
    perSecond(s), failed(), ['p50', 'r only-l', o => ms(o.p50_ns)], p95(), ['Self time', 'r only-l', o => ms(o.self_p50_ns)]]}/></${Block}>`;
}

export function Service({ cluster, namespace, name, query }) {
  const path = servicePath({ cluster, namespace, service: name }), answer = useApi(path, { compare: query.compare }), d = answer.data,
    s = d?.seconds || 1, n = d?.service, { began: onset, ended } = n?.mark ? failuresIn(d) : {};
  const own = useApi('incidents', { state: 'all' }, { every: 30000 }).data?.items
    .find(({ suspects: [x] }) => n && x?.node.service == n.node.service && x.node.namespace == n.node.namespace);
  /* An incident that is the same knows its onset to the second, the counts to the step. */
  const at = own && parseTime(own.onset), exact = Math.abs(at - onset) < SAME_MS, began = exact ? at : onset, since = clock(began, exact ? 1 : 0),
    part = d && failing(d, onset, ended);
  useTitle(n && (n.mark ? `${part} of calls to ${name} ${ended ? 'failed' : 'fail'}` : name), namespace != '-' && namespace, n?.mark
    && name);
  if (answer.error?.status == 404)
    return html`<${NoPage} title=${name}>No calls of <b>${name}</b> in this window. <a href=${href('/services')}>All services</a>
    </${NoPage}>`;
  const versions = d?.compare ? ` --baseline ${d.compare.baseline.version} --candidate ${d.compare.candidate.version}` : '';
  return html`<${Page} name=${name} what="The service" answers=${[answer]} ready=${d}>${d && html`<section class="answer">
      <p class="kick s"><a href=${href('/services')}>Services</a>
        ${[cluster, namespace].filter(x => x != '-').map(x => [html`<span class="m3">/</span>`, html`<span>${x}</span>`])}</p>
      <div class="row w heads"><h1>${nameOf(n)}</h1>
        <span class="m2">
        ${[n.node.role, d.instances.length && plural(d.instances.length, 'instance'), `first seen ${day(parseTime(d.first_seen))}`]
        .filter(Boolean).join(', ')}</span>
        <span class="grow"></span><span class="row w"><a class="btn" href=${href('/graph', { focus: n.id, sel: n.id })}>Neighbourhood</a>
        <a class="btn" href=${traces(['service', name], n.mark && ['status', 'error'])}>Traces</a>
          <${Menu} c="only-l" items=${[['SQL', SQL(name)], ['PromQL', PROMQL(name)], ['curl', () => curlOf(path)],
          ['Command', () => command(`compare --service ${name}${versions}`)]]}/></span></div>
      <p class="sub"><${Verdict} d=${d} part=${part} onset=${onset} since=${since} ended=${ended} own=${own} s=${s}/></p></section>
    <${Three} d=${d} s=${s} onset=${began} since=${since}/>${query.op && html`<${Operation} key=${query.op} d=${d} op=${query.op} s=${s}/>`}
      <${Versions} d=${d} asked=${query.compare}/>
    <div class="two-col"><${Ends} title="Caller" edges=${d.callers} side="caller" s=${s} empty="Nobody called it in this window."/>
      <${Ends} title="Callee" edges=${d.callees} side="callee" s=${s} empty="It called nobody in this window."/>
        <${Operations} d=${d} query=${query} s=${s}/><${Instances} d=${d} s=${s}/></div>`}</${Page}>`;
}
