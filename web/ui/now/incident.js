// incident.js: an incident as it is told: headline, what it did so far, its examples, the others; and where its windows lie.
import { html } from '../html.js';
import { curlOf, useApi } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { href } from '../frame/url.js';
import { Chart, niceMax } from '../draw/chart.js';
import { Mark } from '../draw/marks.js';
import { cell, Table } from '../draw/table.js';
import { clock, count, day, iso, ms, msWhole, parseTime, rate, share, span } from '../draw/text.js';
import { bare, ratio } from '../graph/names.js';
import { marked } from '../graph/numbers.js';
import { graphOf, kept, pageOf, placeOf, reasonOf, versionOf } from './suspects.js';

const MINUTE = 6e4, BEFORE_MS = 10 * MINUTE, NORMAL_MS = 30 * MINUTE;
const floor = t => Math.floor(t / MINUTE) * MINUTE;
export const isSlow = incident => incident.symptom == 'latency';

// The window of an incident's own page: ten minutes before it began to its end; without an end while it is open.
export function windowOf(incident) {
  const end = incident.closed && parseTime(incident.closed);
  return { from: iso(floor(parseTime(incident.onset)) - BEFORE_MS), to: end ? iso(floor(end) + MINUTE) : null };
}
// Of the questions about what it did: since it began, against the half hour before.
export function sinceOnset(incident) {
  const onset = floor(parseTime(incident.onset)), end = incident.closed && parseTime(incident.closed);
  return { from: onset / 1000, ...(end && { to: end / 1000 }), base: `${iso(onset - NORMAL_MS)}..${iso(onset)}` };
}
export const normalWords = incident => { const onset = floor(parseTime(incident.onset)); return span(onset - NORMAL_MS, onset); };
export const overlaps = (incident, r) => parseTime(incident.onset) < r.toMs && (!incident.closed || parseTime(incident.closed) > r.fromMs);

const lasted = (incident, now) => ms(1e6 * Math.max(1000, Math.round(((incident.closed ? parseTime(incident.closed) : now) - parseTime(incident.onset)) / (incident.closed ? 1000 : 6e4)) * (incident.closed ? 1000 : 6e4)));
const entryOf = (incident, d) => d?.entries.find(e => e.operation == incident.entry.operation && e.service == incident.entry.node.service);

function headline(i, d) {
  const was = i.state == 'closed', op = i.entry.operation || i.entry.node.service, e = entryOf(i, d);
  if (i.symptom == 'errors') return `${share(i.failed_share)} of ${op} ${was ? 'failed' : 'fail'}. `;
  if (i.symptom == 'traffic') return `The traffic of ${op} ${was ? 'was' : 'is'} not what is normal. `;
  return e?.p95_ns && e.was.p95_ns && e.p95_ns > e.was.p95_ns ? `${op} ${was ? 'took' : 'takes'} ${ms(e.p95_ns)} instead of ${ms(e.was.p95_ns)} at p95. ` : `${op} ${was ? 'was' : 'is'} slower than normal. `;
}

function Origin({ s, window }) {
  if (!s || s.confidence < .4) return 'No clear origin yet.';
  return html`It ${s.confidence < .7 ? 'probably ' : ''}began in <a class="q" href=${pageOf(s, window)}>${placeOf(s)}</a>: ${reasonOf(s)}.`;
}

const markdown = (i, d) => `**Incident ${i.id}, ${i.state}: ${i.summary}**\n\n* began ${i.onset}${i.closed ? `, over ${i.closed}` : ''}; affected calls: ${count(i.affected_calls)}\n${
  i.suspects.slice(0, 3).map(s => `* suspect ${s.rank}: ${placeOf(s)}, ${share(s.confidence)} sure: ${s.reason}`).join('\n')}\n${(i.suspects[0]?.examples || []).map(t => `* trace ${t}`).join('\n')}\n${d ? `\n| entry | calls/s | failed | p95 |\n|---|---|---|---|\n${d.entries.map(e => `| ${e.operation} | ${bare(rate(e.calls / (d.seconds || 1)))} | ${share(ratio(e.errors, e.calls))} | ${ms(e.p95_ns)} |`).join('\n')}\n` : ''}\n${location.origin}/incident/${i.id}\n`;

// d: the counts since it began against normal (null while they come); changes: of the window on show.
export function Told({ i, d, changes, now, window }) {
  const s = i.suspects[0], slow = isSlow(i), closed = i.state == 'closed', onset = parseTime(i.onset), v = s && versionOf(s), fail = closed ? 'failed' : 'fail';
  const fresh = v && changes?.find(c => c.kind == 'new_version' && c.version == v), ahead = fresh && Math.round((onset - parseTime(fresh.at)) / 1000), bad = d ? d.entries.filter(e => slow ? e.was.calls >= 20 && e.p95_ns >= 1.3 * e.was.p95_ns : marked(e.calls, e.errors)).slice(0, 4) : [];
  const first = s?.examples?.[0], seconds = d?.seconds || 1, q = d?.requests;
  return html`<section class="answer" aria-labelledby="ans">
    <p class="kick"><span class=${'tag ' + (closed ? '' : slow ? 'slow' : 'fault')}><${Mark} k=${slow ? 's' : 'b'} quiet/>Incident ${i.id}, ${i.state}</span><span title=${i.onset}>${closed ? `${clock(onset, 1)}–${clock(parseTime(i.closed), 1)} UTC` : `since ${clock(onset, 1)} UTC`}, ${lasted(i, now)}${closed || day(onset) != day(now) ? `, ${day(onset)}` : ''}</span></p>
    <h1 id="ans">${headline(i, d)}<${Origin} s=${s} window=${window}/></h1>
    <p class="sub">${q ? slow ? html`p95 of all requests is <b>${ms(q.p95_ns)}</b> (normal: ${q.was.calls ? ms(q.was.p95_ns) : 'not known'}), <b>${count(i.affected_calls)}</b> affected so far` : html`<b>${bare(rate(q.errors / seconds))} of ${bare(rate(q.calls / seconds))}</b> requests per second ${fail} (normal: ${q.was.calls ? share(ratio(q.was.errors, q.was.calls)) : 'not known'}), <b>${count(i.affected_calls)}</b> ${closed ? 'in all' : 'so far'}`
      : html`<b>${count(i.affected_calls)}</b> requests ${closed ? 'in all' : 'so far'}`}${bad.map((e, k) => html`${k ? k == bad.length - 1 ? ' and ' : ', ' : ', on '}<code>${e.operation}</code>`)}. ${
      fresh && ahead > 0 ? `${s.node.service} ${v} took its first traffic ${ahead < 60 ? `${ahead}\u00a0s` : ms(ahead * 1e9)} before. ` : ''}${s?.not?.length ? kept(`${s.node.service}: ${s.not.join('; ')}.`) : ''}</p>
    <div class="acts">${first && html`<a class="btn pri" href=${href('/trace/' + first, window)}>Open a ${slow ? 'slow' : 'failing'} trace</a>`}${s && html`<a class="btn" href=${graphOf(s, { ...window, ...(slow && { overlay: 'slow' }) })}>See it in the graph</a>`}${v && html`<a class="btn" href=${pageOf(s, window)}>Compare ${v} with the others</a>`}
      <${Menu} label="Copy as" c="bare" items=${[['Markdown', () => markdown(i, d)], ['Link', () => `${location.origin}/incident/${i.id}`], ['SQL', () => `SELECT rank, kind, service, version, confidence, reason FROM suspect WHERE incident_id = ${i.id} ORDER BY rank;`], ['curl', () => curlOf('incidents/' + i.id, { from: null, to: null })], ['Command', () => `faultline diagnose --from ${i.onset}${i.closed ? ` --to ${i.closed}` : ''}`]]}/></div></section>`;
}

// A second and third incident that is open: a headline each; more in one line.
export function Also({ others }) {
  if (!others.length) return null;
  const rest = others.slice(2);
  return html`<section class="blk" aria-labelledby="al"><h2 id="al">Also ${others.every(i => i.state == 'open') ? 'open' : 'in this time'}</h2><ul class="ev also">${others.slice(0, 2).map(i => html`<li key=${i.id}><span class="kd">incident ${i.id}</span><a class="q brk" href=${href('/incident/' + i.id, windowOf(i))}>${i.summary}</a></li>`)}${
    rest.length > 0 && html`<li><span class="kd">and</span><span>${rest.map(i => html`<a href=${href('/incident/' + i.id, windowOf(i))}>${i.id}</a> `)}</span></li>`}</ul></section>`;
}

// How long requests took, minute by minute, for an incident of slowness.
export function Slowness({ i, from, to }) {
  const x = i.timeline.map(t => parseTime(t.at) + MINUTE / 2), v = i.timeline.map(t => t.p95_ns == null ? null : t.p95_ns / 1e6), [max, ticks] = niceMax(Math.max(...v, 0));
  if (!x.length) return null;
  return html`<section class="blk" aria-labelledby="ch"><header><h2 id="ch">Duration of user requests, p95, in ms</h2></header><${Chart} h=${150} x=${x} from=${Math.min(from, x[0])} to=${to} max=${max} ticks=${ticks} label=${`p95 of user requests over time, ${msWhole(1e6 * (v.at(-1) || 0))} in the last minute`}
    series=${[{ kind: 'line', stroke: '--slow-mark', w: 2, v }]} marks=${[{ at: parseTime(i.onset), label: `began ${clock(parseTime(i.onset), 1)}`, side: 'r' }]}/></section>`;
}

// Three bad traces that the incident kept, and a good one beside them.
export function Kept({ s, slow, window }) {
  const ids = s ? [...s.examples.slice(0, 3), s.contrast].filter(Boolean) : [], { data } = useApi(ids.length ? 'traces' : null, { ids: ids.join(',') }, { timeless: true }), rows = data?.items || [];
  if (!rows.length) return null;
  const good = t => t.trace_id == s.contrast, to = t => href('/trace/' + t.trace_id, window);
  return html`<section class="blk" aria-labelledby="ex"><header><h2 id="ex">Example traces</h2><span class="m3 s">${rows.filter(t => !good(t)).length} that ${slow ? 'were slow' : 'failed'}${rows.some(good) ? ', one good for contrast' : ''}</span></header>
    <${Table} rows=${rows} id=${t => t.trace_id} to=${to} head="Example traces" cols=${[['Time', 'nw', t => html`${good(t) ? html`<span class="good ok">✓</span>` : html`<${Mark} k=${slow ? 's' : 'b'}/>`} ${clock(parseTime(t.start_time), 1)}`], ['Request', '', t => html`<a class="q brk" href=${to(t)}><b>${t.entry_operation}</b></a>`],
      ['Began in', 'only-l', t => good(t) ? cell(`through ${s.node.service}, as it should be`, 'm2') : t.origin_service ? `${t.origin_service}${t.origin_reason ? `, ${t.origin_reason}` : ''}` : slow ? `${s.node.service}, slow` : cell('unknown', 'm2')], ['Trace', 'only-l', t => html`<code class="m3">${t.trace_id.slice(0, 16)}</code>`], ['Spans', 'r', t => count(t.span_count)], ['Took', 'r', t => ms(t.duration_ns)]]}/></section>`;
}

// What was before: closed incidents, newest first.
export function Earlier({ items, more, all }) {
  if (!items.length) return null;
  return html`<section class="blk" aria-labelledby="ol"><header><h2 id="ol">Earlier incidents</h2><span class="grow"></span>${more}</header><ol class="chg two">${items.slice(0, all ? items.length : 4).map(i => html`<li key=${i.id}><${Mark} k=${isSlow(i) ? 's' : 'b'} quiet/><span><a class="q brk" href=${href('/incident/' + i.id, windowOf(i))}>${i.id} · ${i.suspects[0] ? placeOf(i.suspects[0]) : i.entry.operation}, ${isSlow(i) ? 'slow' : i.symptom == 'errors' ? 'failures' : i.symptom}</a>
    <small>${day(parseTime(i.onset))} ${clock(parseTime(i.onset))}, ${lasted(i)}, ${count(i.affected_calls)} requests</small></span></li>`)}</ol></section>`;
}
