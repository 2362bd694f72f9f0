// status.js: how the collector itself is: limits that were hit, what it received, what took long, what it is.
import { html } from '../html.js';
import { BEAT_MS, useRange } from '../frame/range.js';
import { apiUrl, curl, useApi, useSql } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { Failed, Page, useTitle } from '../frame/states.js';
import { href } from '../frame/url.js';
import { Mark } from '../draw/marks.js';
import { Block, Facts } from '../draw/parts.js';
import { loud, Table } from '../draw/table.js';
import { NB, capital, clock, count, ms, parseTime, plural, span, when } from '../draw/text.js';

function bytes(n) {
  let i = 0;
  for (; n >= 999.5 && i < 4; i++) n /= 1000;
  return n.toFixed(i && n < 99.5 ? 1 : 0) + NB + ['B', 'kB', 'MB', 'GB', 'TB'][i];
}

const LEDGER = `-- What was received, by format and transport, and what became of it
SELECT format, transport, sum(received) AS received, sum(received - rejected - duplicate - pending) AS kept,
       sum(rejected) AS rejected, sum(duplicate) AS duplicate, sum(pending) AS pending, sum(late) AS late, sum(conflict) AS conflict
FROM ingest_minute WHERE minute_ns >= :from AND minute_ns < :to
GROUP BY 1, 2 ORDER BY 3 DESC`;
const rejected = n => loud(count(n), n, 'm3', 'slow'), time = (at, detail = 1) => clock(parseTime(at), detail);

function Ledger() {
  const r = useRange(), answer = useSql(LEDGER, Math.floor(r.fromMs / 6e4) * 6e4, r.toMs), d = answer.data;
  return html`<${Block} id="le" title="Received" note=${`records ${r.words ? 'in the ' + r.words.toLowerCase() : span(r.fromMs, r.toMs)}`}
    right=${html`<a class="s" href=${href('/sql', { q: LEDGER })}>as SQL</a>`}>
    ${answer.error?.status == 404
      ? html`<p class="m2">Not counted here: SQL on the web is off (<code>web.sql</code>). <code>faultline sql</code> has it in the view <code>ingest_minute</code>.</p>`
    : answer.error ? html`<${Failed} what="The ledger" answer=${answer}/>`
      : d && html`<${Table} rows=${d.rows} id=${x => x[0] + x[1]} name="Received records" empty="Nothing was received in this time."
      cols=${d.columns
        .map(({ name }, i) => [capital(name), i > 1 ? 'r' : '', x => i < 2 ? x[i] : name == 'rejected' ? rejected(x[i]) : count(x[i])])}/>`}
        </${Block}>`;
}

function Tail() {
  const { data: d } = useApi('tail', {}, { timeless: true, every: BEAT_MS });
  return html`<${Block} id="ta" title="Last batches" note="newest first, as they came">
    ${d && html`<${Table} rows=${d.items.map((x, i) => ({ ...x, i }))} id=${x => x.i} name="Last batches"
    empty="No batch came since the start."
      cols=${[['Time', 'nw', x => time(x.at, 2)], ['Sender', 'mono', x => x.sender],
      ['Format', '', x => `${x.format || 'unknown'}, ${x.transport}`],
      ['Size', 'r only-l', x => bytes(x.bytes)], ['Records', 'r', x => count(x.records)], ['Rejected', 'r', x => rejected(x.rejected)],
        ['Reason', 'after m2', x => html`<span class="brk">${x.reason}</span>`]]}/>`}</${Block}>`;
}

const LISTENERS = { otlp_grpc: 'OTLP, gRPC', otlp_http: 'OTLP, HTTP', zipkin: 'Zipkin', web: 'This page' };
const inHand = d =>
  [['Inbox', `${bytes(d.inbox.bytes)}, ${plural(d.inbox.records, 'record')}, the oldest ${ms(d.inbox.oldest_s * 1e9)} old`],
  ['Live traces', `${count(d.live.traces)}, with ${plural(d.live.spans, 'span')} in ${bytes(d.live.bytes)}`],
  ['File', `${bytes(d.store.bytes)} and ${bytes(d.store.wal_bytes)} of log; ${plural(d.store.spans, 'span')}`],
  ['Traces from', d.store.oldest ? `${when(parseTime(d.store.oldest), 1)} to ${when(parseTime(d.store.newest), 1)}` : 'none yet'],
  ...Object.entries(d.listeners).map(([k, v]) => [LISTENERS[k] || k, html`<code>${v}</code>`])];

export function Status() {
  const answer = useApi('status', {}, { timeless: true, every: BEAT_MS }), d = answer.data, hit = d?.limits.filter(l => l.hit) || [];
  const title = hit.length ? `${plural(hit.length, 'limit')} ${hit.length == 1 ? 'is' : 'are'} hit: ${hit.map(l => l.name).join(', ')}.`
    : 'No limit is hit.';
  useTitle(d && title, 'Status');
  return html`<${Page} name="Status" what="The status" answers=${[answer]} ready=${d}>${d && html`
    <section class="answer"><h1>${hit.length > 0 && html`<${Mark} k="s"/> `}${title}</h1>
      <p class="sub">faultline ${d.version}, SQLite ${d.sqlite}, up ${ms(d.uptime_s * 1e9)}.</p>
      <div class="acts">
        <${Menu} c="bare"
        items=${[['JSON', JSON.stringify(d, null, 2)], ['curl', curl(apiUrl('status'))],
        ['Command', `faultline tail --url ${location.origin}`]]}/></div></section>
    <div class="two-col">
      <${Block} id="li" title="Limits"><${Table} rows=${d.limits} id=${l => l.name} name="Limits" cols=${[['Limit', 'mono', l => l.name],
      ['Value', 'r', l => l.unit == 'bytes' ? bytes(l.value) : count(l.value)],
        ['Hit', 'r', l => loud(l.hit ? 'yes' : 'no', l.hit, 'm3', 'slow')]]}/></${Block}>
      <${Block} id="wo" title="Work in hand"><${Facts} c="wide" rows=${inHand(d)}/></${Block}></div>
    <${Ledger}/><${Tail}/>
    <${Block} id="sl" title="Slow questions" note="of this API, a fifth of a second and longer, slowest first">
      <${Table} rows=${d.slow_queries || []} id=${q => q.at + q.path} name="Slow questions"
      empty="None since the start."
        cols=${[['Time', 'nw', q => time(q.at)], ['Question', 'mono', q => html`<span class="brk">${q.path}</span>`],
        ['Took', 'r', q => ms(q.took_ns)]]}/></${Block}>
    ${d.last_errors.length > 0
      && html`<${Block} id="er" title="Last warnings and errors">
      <ul>${d.last_errors.map((line, i) => html`<li key=${i} class="s pre"><code>${line}</code></li>`)}</ul></${Block}>`}
    <p class="m3 s blk">Programs ask <a href="/api/v1/openapi.json" target="_blank">the same API</a>; Prometheus scrapes <a
      href="/metrics" target="_blank">/metrics</a>.</p>`}</${Page}>`;
}
