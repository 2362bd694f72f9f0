// beside.js: what stands beside the answer: what changed, the entries, findings that are no incident, what was before.
import { html } from '../html.js';
import { useApi } from '../frame/api.js';
import { useRange } from '../frame/range.js';
import { href, showQuery } from '../frame/url.js';
import { Icon, Mark } from '../draw/marks.js';
import { Block, Word } from '../draw/parts.js';
import { cell, loud, Table } from '../draw/table.js';
import { clock, count, ms, msWhole, parseTime, rate, share, span, when } from '../draw/text.js';
import { perSecond } from '../graph/columns.js';
import { edgeHref, nameOfId, pairOfIds, traces } from '../graph/names.js';
import { ratio } from '../graph/numbers.js';
import { incidentHref, isBad, isSlow, lasted, onsetOf, placeOf } from './finding.js';

const MOST = 20, FEW = 4, FEW_STANDING = 6;

const pair = (c, overlay) =>
  html`<a class="q" href=${edgeHref(nameOfId(c.caller), nameOfId(c.callee), { overlay })}><b>${pairOfIds(c)}</b></a>`;
const PLUS = html`<${Icon} n="plus" c="m2"/>`, begins = html`<${Mark} k="b"/>`;
// Each: [mark, sentence, note]. s: seconds of the window.
const CHANGES = {
  incident: c =>
    [html`<${Mark} k=${isSlow(c) ? 's' : 'b'}/>`,
    c.counted ? CHANGES.failures(c.counted)[1]
    : html`Incident <b>${c.id}</b> begins: ${c.entry.operation} ${isSlow(c) ? 'gets slower' : c.symptom == 'errors' ? 'fails' : 'changes'}`,
    `change point; noticed after ${ms(1e9 * Math.round(Math.max(0, parseTime(c.opened) - onsetOf(c)) / 1e3))}`],
  over: c => [html`<span class="good ok">✓</span>`, html`Incident <b>${c.id}</b> is over`,
    `after ${lasted(c)}, ${count(c.affected_calls)} requests`],
  failures: c => [begins, ['Failures begin at ', pair(c)], `${count(c.calls)} since; found by counting, to the minute`],
  new_version: c =>
    [html`<${Icon} n="split" c="m2"/>`, html`<b>${nameOfId(c.id)} ${c.version}</b> first seen`,
    c.of && `${share(ratio(c.calls, c.of))} of its calls in this window`],
  new_service: c => [PLUS, html`<b>${nameOfId(c.id) || 'a service'}</b> first seen`, c.version],
  new_edge: (c, s) => [PLUS, ['New edge ', pair(c)], rate(c.calls / s)],
  first_plaintext: c => [html`<${Icon} n="open" c="plain"/>`, [pair(c, 'sec'), ' first plaintext call'], `${count(c.calls)} calls since`],
};

// incident: the one on show; its onset is a change too, and the same as failures that were counted to begin in that time.
const SAME_MS = 12e4;
function Changed({ d, incident }) {
  const r = useRange(), counted = incident?.symptom == 'errors'
    && d.changes.find(c => c.kind == 'failures' && Math.abs(parseTime(c.at) - onsetOf(incident)) < SAME_MS),
    own = incident
    ? [{ ...incident, kind: 'incident', at: incident.onset, counted }, incident.closed && { ...incident, kind: 'over', at: incident.updated }] : [],
    all = [...d.changes.filter(c => c != counted), ...own.filter(Boolean)].sort((a, b) => parseTime(b.at) - parseTime(a.at));
  const row = c => { const [mark, text, note] = CHANGES[c.kind](c, d.seconds || 1);
    return html`<li key=${c.kind + c.at + c.callee}><time>${clock(parseTime(c.at), c.kind != 'incident' && c.at.slice(17, 19) == '00' ? 0 : 1)}</time>${mark}
    <span>${text}${note && html`<small>${note}</small>`}</span></li>`; };
  return html`<section aria-labelledby="wc">
    <header><h2 id="wc">What changed</h2><span class="m3 s">${r.words ? r.words.toLowerCase() : span(r.fromMs, r.toMs)}</span></header>
    ${all.length
    ? html`<ol class="chg">${all.map(row)}</ol>`
      : html`<p class="m2 s">${d.base.seconds > 0 ? `Nothing new against ${span(parseTime(d.base.from), parseTime(d.base.to))}.`
      : 'Nothing to compare with: nothing is known of the time before this window.'}</p>`}</section>`;
}

const Entries = ({ d, words = 'this window, against the one before' }) =>
  html`<${Block} id="en" title="Entries" note=${words}><${Table} rows=${d.entries} id=${e => e.id + e.operation} name="Entries"
  empty="No request from outside was seen in this window."
    cols=${[['Operation', '', e => html`<a class="q brk" href=${traces(['entry', e.operation])}>${e.operation}</a>`],
    perSecond(d.seconds || 1),
    ['Failed', 'r', e => loud(e.calls ? share(ratio(e.errors, e.calls)) : 'no calls', isBad(e), 'm2')],
    ['p95', 'r', e =>
      cell(html`<span title=${`before: ${e.was.p95_ns != null ? ms(e.was.p95_ns) : 'not known'}`}>${msWhole(e.p95_ns)}</span>`,
      isBad(e, true) ? 'slow' : '')]]}/></${Block}>`;

// Each: [icon and colour, sentence, note]. s: seconds of the window.
const STANDING = {
  hairpin: (f, s) => ['turn', 'turn', [pair(f, 'cross'), ' is a hairpin'],
    `out by ${f.via || 'a gateway'} and back: ${f.added_ns ? `+${ms(f.added_ns)}, ` : ''}${rate(f.calls / s)}`],
  plaintext: (f, s) => ['open', 'plain', [pair(f, 'sec'), ' is plaintext'], `${share(ratio(f.calls, f.of))} of ${rate(f.of / s)}`],
  gap: (f, s) => ['gap', 'm2',
    [html`<a class="q" href=${traces(['service', nameOfId(f.id)])}><b>${nameOfId(f.id)}</b></a>`, ' drops trace context'],
    `${rate(f.calls / s)} begin anew behind ${f.operation || 'it'}, of ${rate(f.of / s)}`],
};

function Standing({ d }) {
  const all = d.standing, shown = all.slice(0, FEW_STANDING);
  return all.length > 0
    && html`<${Block} id="st" title="Standing findings" note="no incident"
    right=${all.length > shown.length && html`<a class="s" href=${href('/network')}>all ${count(all.length)}</a>`}>
    <ol class="chg two">${shown.map(f => {
    const [icon, c, text, note] = STANDING[f.kind](f, d.seconds || 1);
    return html`<li key=${f.kind + f.caller + f.callee + f.id + f.operation}><${Icon} n=${icon} c=${c}/>
      <span>${text}<small>${note}</small></span></li>`;
  })}</ol></${Block}>`;
}

// What was before: closed incidents, newest first.
function Earlier({ query, but }) {
  const all = query.earlier == 'all',
    list = useApi('incidents', { state: 'closed', limit: all ? 1000 : MOST }, { timeless: true, every: 60000 }).data,
    items = (list?.items || []).filter(i => i.id != but?.id);
  const more = items.length > FEW && !all
    && html`<${Word} c="s" act=${() => showQuery({ earlier: 'all' })}>all ${list.next ? '' : count(items.length)}</${Word}>`;
  return items.length > 0
    && html`<${Block} id="ol" title="Earlier incidents" right=${more}>
    <ol class="chg two">
    ${items.slice(0, all ? items.length : FEW).map(i => html`<li key=${i.id}><${Mark} k=${isSlow(i) ? 's' : 'b'} quiet/>
    <span><a class="q brk" href=${incidentHref(i)}>
      ${i.id} · ${i.suspects[0] ? placeOf(i.suspects[0]) : i.entry.operation}, ${isSlow(i) ? 'slow' : i.symptom == 'errors' ? 'failures'
      : i.symptom}</a>
    <small>${when(onsetOf(i))}, ${lasted(i)}, ${count(i.affected_calls)} requests</small></span></li>`)}</ol></${Block}>`;
}

// d: the window on show; entries, words: what the entries are counted over; incident: that of the page; across: side by side, below;
// then the incident is over and one of the earlier.
export const Beside = ({ d, entries = d, words, query, incident, across }) =>
  html`<aside class=${across && 'across'} aria-label="What changed, entries, findings, earlier incidents">
  <${Changed} d=${d} incident=${incident}/>
  <${Entries} d=${entries} words=${words}/><${Standing} d=${d}/><${Earlier} query=${query} but=${!across && incident}/></aside>`;

// Others that are open: two have a headline each; more stand in one line.
export function Also({ others }) {
  const rest = others.slice(2);
  return others.length > 0
    && html`<${Block} id="al" title=${`Also ${others.every(i => i.state == 'open') ? 'open' : 'in this time'}`}>
    <ul class="ev also">${others.slice(0, 2).map(i => html`<li key=${i.id}>
    <span class="kd">incident ${i.id}</span><a class="q brk" href=${incidentHref(i)}>${i.summary}</a></li>`)}${
    rest.length > 0
      && html`<li><span class="kd">and</span><span>${rest.map(i => html`<a href=${incidentHref(i)}>${i.id}</a> `)}</span></li>`}</ul>
      </${Block}>`;
}
