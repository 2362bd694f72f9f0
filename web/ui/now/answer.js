// answer.js: the first lines of Now: what users see, where that began and why; counts; what to do next.
import { html } from '../html.js';
import { apiUrl, command, curlOf } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { rangeParams, useRange } from '../frame/range.js';
import { useTitle } from '../frame/states.js';
import { href } from '../frame/url.js';
import { asMarkdown } from '../draw/markdown.js';
import { Icon, Mark } from '../draw/marks.js';
import { listed } from '../draw/parts.js';
import { bare, clock, count, day, ms, NB, parseTime, plural, share, span } from '../draw/text.js';
import { toPeer } from '../graph/columns.js';
import { traceHref } from '../graph/names.js';
import { marked, ratio } from '../graph/numbers.js';
import { endOf, graphOf, kept, incidentHref, isBad, lasted, NORMAL_MS, ORDINARY, pageOf, placeOf, reasonOf, symptom, versionOf } from './finding.js';

// need: requests that a judgement still wants, null for none; q: those there are, in `per` seconds.
function Origin({ f: { suspects: [s], window, need }, q, per }) {
  if (need) return `Not enough data: ${count(q.calls)} requests, about ${count(need)} more needed (${ms(need / q.calls * per * 1e9)} at this rate).`;
  if (!s || s.confidence < .4) return 'No clear origin yet.';
  return html`It ${s.confidence < .7 && 'probably '}began in <a href=${pageOf(s, window)}>${placeOf(s).replace(' ', NB)}</a>: ${toPeer(reasonOf(s), s, window)}.`;
}

// Everything as a note to paste elsewhere.
function markdown({ i, suspects }, d, title) {
  const entries = d
    && asMarkdown([['entry', 'calls/s', 'failed', 'p95'],
    ...d.entries.map(e => [e.operation, bare(e.calls / (d.seconds || 1)), share(ratio(e.errors, e.calls)), ms(e.p95_ns)])]);
  return [`**${title}**`,
    i && `* incident ${i.id}, ${i.state}: began ${i.onset}${i.closed ? `, over ${i.updated}`
    : ''}; affected calls: ${count(i.affected_calls)}`,
    ...suspects.slice(0, 3).map(s => `* suspect ${s.rank}: ${placeOf(s)}, ${share(s.confidence)} sure: ${s.reason}`),
      ...(suspects[0]?.examples || []).map(t => `* trace ${t}`), '', entries, location.href].filter(x => x != null).join('\n') + '\n';
}
const SQL = id => `SELECT rank, kind, service, version, confidence, reason FROM suspect WHERE incident_id = ${id} ORDER BY rank;`;

// What is copied, and what is taken away as a database of its own.
function Acts({ i, r, items, children }) {
  const of = i ? `incident=${encodeURIComponent(i.id)}` : new URLSearchParams(rangeParams(r));
  return html`<div class="acts">${children}<${Menu} c="bare" items=${items}/>
    <a class="btn bare only-l" href=${apiUrl('export') + '?' + of} download
      title="A database of its own with the rows of this time, for SQL or for another faultline"><${Icon} n="dl"/>Export .db</a></div>`;
}

// "(normal: 0.03 %)"; nothing while it is still being learnt.
const normal = (q, words, learning) => q.was.calls ? ` (normal: ${words(q.was)})` : learning ? '' : ' (normal: not known)',
  failedOf = q => share(ratio(q.errors, q.calls)), p95Of = q => ms(q.p95_ns);
const failing = (q, per, word) =>
  html`<b>${bare(q.errors / per)} of ${bare(q.calls / per)}</b> requests per second ${word}${normal(q, failedOf)}`;

/* f: a finding; d: the counts since it began against normal (null while they come); changes: of the window on show. */
export function Told({ f, d, changes }) {
  const r = useRange(), { i, slow, onset, suspects, window } = f, s = suspects[0], over = i?.state == 'closed', v = s && versionOf(s),
    q = d?.requests, per = d?.seconds || 1, title = symptom(f, d);
  const fresh = v && changes?.find(c => c.kind == 'new_version' && c.version == v),
    ahead = fresh && Math.round((onset - parseTime(fresh.at)) / 1000), bad = d ? d.entries.filter(e => isBad(e, slow)).slice(0, 4) : [];
  const rest = s && d?.path.nodes.find(n => n.node.service == s.node.service)?.versions?.filter(x => x.version != v) || [];
  const so = i ? html`<b>${count(i.affected_calls)}</b> ${q ? slow ? 'affected so far' : over ? 'in all' : 'so far' : 'requests so far'}`
    : html`<b>${count(q.errors)}</b> in this window`;
  const counts = !q ? so
    : [slow ? html`p95 of all requests is <b>${p95Of(q)}</b>${normal(q, p95Of)}`
    : failing(q, per, over ? 'failed' : 'fail'), ', ', so];
  const tag = i ? `Incident ${i.id}, ${i.state}` : slow ? 'Slower' : 'Failing',
    when = over ? `${clock(onset, 1)}–${clock(endOf(i), 1)} UTC, ${lasted(i)}`
    : `since ${clock(onset, 1)} UTC, ${lasted(i || { onset: new Date(onset || r.fromMs).toISOString() }, r.toMs)}`;
  useTitle(title.replace(/\. ?$/, ''), i ? `incident ${i.id}` : 'Now');
  return html`<section class="answer" aria-labelledby="ans">
    <p class="kick"><span class=${'tag ' + (over ? '' : slow ? 'slow' : 'fault')}><${Mark} k=${slow ? 's' : 'b'} quiet/>${tag}</span>
      <span>${i || onset ? when : span(r.fromMs, r.toMs)}${
      over || i && day(onset) != day(r.toMs) ? `, ${day(onset)}` : ''}${!i && '; no incident is open'}</span></p>
    <h1 id="ans">${title}<${Origin} f=${f} q=${q} per=${per}/></h1>
    <p class="sub">${counts}
      ${bad.length > 0 && [', on ', listed(bad.map(e => html`<code>${e.operation}</code>`))]}. ${ahead > 0
      && `${s.node.service} ${v} took its first traffic ${ms(ahead * 1e9)} before. `}${
      s?.not?.length > 0 && kept(`${s.node.service}: ${s.not.map(t => t.replace(/^not [^:]+: /, '')).join('; ')}.`)}</p>
    <${Acts} i=${i} r=${r}
      items=${[['Markdown', () => markdown(f, d, title + (s ? `Suspect: ${placeOf(s)}.` : ''))], i && ['SQL', SQL(i.id)],
      ['curl', () => i ? curlOf('incidents/' + i.id, { from: null, to: null }) : curlOf('diagnose')],
      ['Command', () => i ? `faultline diagnose --from ${i.onset}${i.closed ? ` --to ${i.updated}` : ''}` : command('diagnose')]]
        .filter(Boolean)}>
      ${s?.examples?.[0]
        && html`<a class="btn pri" href=${traceHref(s.examples[0], window)}>Open a ${slow ? 'slow' : 'failing'} trace</a>`}
      ${s && html`<a class="btn" href=${graphOf(s, { ...window, ...slow && { overlay: 'slow' } })}>See it in the graph</a>`}
        ${v && html`<a class="btn" href=${pageOf(s, window)}>Compare ${v} with ${rest.length == 1 && rest[0].version || 'the others'}</a>`}</${Acts}></section>`;
}

// What was, when it is over: the incident that ended last.
const Over = ({ i, i: { suspects: [s] } }) =>
  html`Incident ${i.id} lasted ${lasted(i)} and affected <b>${plural(i.affected_calls, 'request')}</b>. ${
    s && `It ${s.confidence < .7 ? 'probably ' : ''}began in ${placeOf(s)}. `}`;

/* Nothing to tell: what is normal, which may be failures, or how much of that is known; after an incident, what it was. d: the counts to tell;
 * last: the incident of this window that ended last, of which `d` is what came after, null until that is known. */
export function Calm({ d, last }) {
  const r = useRange(), q = d?.requests, known = d ? d.seconds + d.base.seconds : 0,
    whole = d && Math.min(NORMAL_MS, 2 * (parseTime(d.base.to) - parseTime(d.base.from))) / 1e3, learning = !last && known < .8 * whole,
    minutes = t => Math.round(t / 60);
  const loud = !learning && !last && marked(q.calls, q.errors) && ratio(q.errors, q.calls) > ORDINARY;
  const title = learning ? `Learning what is normal: ${minutes(known)} of ${minutes(whole)} min.`
    : last ? `All normal again since ${clock(endOf(last))}.` : loud ? 'Nothing stands out.' : 'All normal.';
  useTitle(title.replace(/\. ?$/, ''), 'Now');
  return html`<section class="answer" aria-labelledby="ans">
    <p class="kick">${!loud && html`<span class="tag good">${learning ? 'Learning' : 'Normal'}</span>`}
    <span>${span(r.fromMs, r.toMs)}; no incident is open</span></p>
    <h1 id="ans">${title}</h1>
    <p class="sub">${last && html`<${Over} i=${last}/>`}${
      q?.calls > 0 && html`${last && 'Now '}<b>${bare(q.calls / (d.seconds || 1))}</b> requests per second, <b>${failedOf(q)}</b>
      ${' '}fail${normal(q, failedOf, learning)}, p95 <b>${p95Of(q)}</b>${normal(q, p95Of, learning)}.`}</p>
    <${Acts} r=${r} items=${[['curl', () => curlOf('now')], ['Command', () => command('graph --format table')]]}>
      ${last && html`<a class="btn" href=${incidentHref(last)}>See incident ${last.id}</a>`}
      <a class="btn" href=${href('/graph')}>See it in the graph</a></${Acts}></section>`;
}
