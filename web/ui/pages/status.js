// status.js: how the collector itself is: limits that were hit, what it received, what took long, what it is.
import { html } from '../html.js';
import { BEAT_MS, rangeParams, useRange } from '../frame/range.js';
import { apiUrl, useApi, useSql } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { Failed } from '../frame/states.js';
import { useTitle } from '../frame/title.js';
import { href } from '../frame/url.js';
import { Mark } from '../draw/marks.js';
import { cell, Table } from '../draw/table.js';
import { bytes, clock, count, ms, parseTime, plural, span, when } from '../draw/text.js';

const Kv = ({ rows }) => html`<dl class="kv wide">${rows.filter(Boolean).map(([k, v]) => html`<dt key=${k}>${k}</dt><dd key=${k + 'v'}>${v}</dd>`)}</dl>`;

const LEDGER = `-- What was received, by format and transport, and what became of it
SELECT format, transport, sum(received) AS received, sum(received - rejected - duplicate - pending) AS kept,
       sum(rejected) AS rejected, sum(duplicate) AS duplicate, sum(pending) AS pending, sum(late) AS late, sum(conflict) AS conflict
FROM ingest_minute WHERE minute_ns >= :from AND minute_ns < :to
GROUP BY 1, 2 ORDER BY 3 DESC`;

function Ledger({ r }) {
  const { data: d, error, again } = useSql(LEDGER, Math.floor(r.fromMs / 6e4) * 6e4, r.toMs);
  return html`<section class="blk" aria-labelledby="le"><header><h2 id="le">Received</h2><span class="m3 s">records ${r.words ? 'in the ' + r.words.toLowerCase() : span(r.fromMs, r.toMs)}</span><span class="grow"></span><a class="s" href=${href('/sql', { q: LEDGER })}>as SQL</a></header>
    ${error ? error.status == 404 ? html`<p class="m2">Not counted here: SQL on the web is off (<code>web.sql</code>). <code>faultline sql</code> has it in the view <code>ingest_minute</code>.</p>` : html`<${Failed} what="The ledger" error=${error} again=${again}/>`
      : d && (d.rows.length ? html`<div class="scrollx"><${Table} rows=${d.rows} id=${x => x[0] + x[1]} head="Received records" cols=${d.columns.map(({ name }, i) => [name, i > 1 ? 'r' : '', x => i < 2 ? x[i] : name == 'rejected' && x[i] ? cell(html`<b>${count(x[i])}</b>`, 'slow') : cell(count(x[i]), x[i] ? '' : 'm3')])}/></div>` : html`<p class="m2">Nothing was received in this time.</p>`)}</section>`;
}

function Tail() {
  const { data: d } = useApi('tail', {}, { timeless: true, every: BEAT_MS }), rows = d?.items || [];
  return html`<section class="blk" aria-labelledby="ta"><header><h2 id="ta">Last batches</h2><span class="m3 s">newest first, as they came</span></header>
    ${rows.length ? html`<div class="scrollx"><${Table} rows=${rows.map((x, i) => ({ ...x, i }))} id=${x => x.i} head="Last batches" cols=${[['Time', 'nw', x => clock(parseTime(x.at), 2)], ['Sender', 'mono', x => x.sender], ['Format', '', x => `${x.format || 'unknown'}, ${x.transport}`], ['Size', 'r', x => bytes(x.bytes)], ['Records', 'r', x => count(x.records)],
      ['Rejected', 'r', x => x.rejected ? cell(html`<b>${count(x.rejected)}</b>`, 'slow') : cell('0', 'm3')], ['Reason', 'after', x => cell(html`<span class="brk">${x.reason}</span>`, 'm2')]]}/></div>` : d && html`<p class="m2">No batch came since the start.</p>`}</section>`;
}

export function Status() {
  const r = useRange(), { data: d, error, again } = useApi('status', {}, { timeless: true, every: BEAT_MS }), hit = d?.limits.filter(l => l.hit) || [];
  const title = d && (hit.length ? `${plural(hit.length, 'limit')} ${hit.length == 1 ? 'is' : 'are'} hit: ${hit.map(l => l.name).join(', ')}.` : 'No limit is hit.');
  const size = n => n >= 1e4 ? bytes(n) : count(n);
  useTitle(title, 'Status');
  return html`<main id="main" tabindex="-1">${error && html`<${Failed} what="The status" error=${error} again=${again}/>`}${!d ? html`<h1 class="sr">Status</h1>` : html`
    <section class="answer"><h1>${hit.length > 0 && html`<${Mark} k="s"/> `}${title}</h1><p class="sub">faultline ${d.version}, SQLite ${d.sqlite}, up ${ms(d.uptime_s * 1e9)}.</p><div class="acts"><${Menu} c="bare" items=${[['JSON', () => JSON.stringify(d, null, 2)], ['curl', () => `curl -s '${location.origin}${apiUrl('status')}'`], ['Command', () => `faultline tail --url ${location.origin}`]]}/></div></section>
    <div class="two-col">
    <section class="blk" aria-labelledby="li"><h2 id="li">Limits</h2><${Table} rows=${d.limits} id=${l => l.name} head="Limits" cols=${[['Limit', 'mono', l => l.name], ['Value', 'r', l => size(l.value)], ['Hit', 'r', l => l.hit ? cell(html`<b>now</b>`, 'slow') : cell('no', 'm3')]]}/></section>
    <section class="blk" aria-labelledby="wo"><h2 id="wo">Work in hand</h2><${Kv} rows=${[['Inbox', `${bytes(d.inbox.bytes)}, ${plural(d.inbox.records, 'record')}, the oldest ${ms(d.inbox.oldest_s * 1e9)} old`], ['Live traces', `${count(d.live.traces)}, with ${plural(d.live.spans, 'span')} in ${bytes(d.live.bytes)}`],
      ['File', `${bytes(d.store.bytes)} and ${bytes(d.store.wal_bytes)} of log; ${plural(d.store.spans, 'span')}`], ['Traces from', d.store.oldest ? `${when(parseTime(d.store.oldest), 1)} to ${when(parseTime(d.store.newest), 1)}` : 'none yet'], ...Object.entries(d.listeners).map(([k, v]) => [k.replace('_', ' '), html`<code>${v}</code>`])]}/></section></div>
    <${Ledger} r=${r}/><${Tail}/>
    <section class="blk" aria-labelledby="sl"><header><h2 id="sl">Slow questions</h2><span class="m3 s">of this API, a fifth of a second and longer, slowest first</span></header>${d.slow_queries?.length ? html`<${Table} rows=${d.slow_queries} id=${q => q.at + q.path} head="Slow questions" cols=${[['Time', 'nw', q => clock(parseTime(q.at), 1)], ['Question', 'mono', q => html`<span class="brk">${q.path}</span>`], ['Took', 'r', q => ms(q.took_ns)]]}/>` : html`<p class="m2">None since the start.</p>`}</section>
    ${d.last_errors.length > 0 && html`<section class="blk" aria-labelledby="er"><h2 id="er">Last warnings and errors</h2><ul>${d.last_errors.map((line, i) => html`<li key=${i} class="s pre"><code>${line}</code></li>`)}</ul></section>`}
    <p class="m3 s blk">Programs ask <a href="/api/v1/openapi.json" target="_blank">the same API</a>; Prometheus scrapes <a href="/metrics" target="_blank">/metrics</a>.</p>`}</main>`;
}
