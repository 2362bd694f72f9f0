// now.js: the state of things: the open incident with its suspects, else what fails for users and where that began, counted and not judged; what changed, the entries.
import { html, useEffect, useMemo } from '../html.js';
import { curlOf, useApi } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { BEAT_MS, range, rangeText, useRange } from '../frame/range.js';
import { Empty, Failed } from '../frame/states.js';
import { useTitle } from '../frame/title.js';
import { href, setQuery } from '../frame/url.js';
import { Chart, niceMax } from '../draw/chart.js';
import { Icon, Mark } from '../draw/marks.js';
import { clock, count, ms, msWhole, parseTime, rate, share, span } from '../draw/text.js';
import { bare, edgeHref, hasPage, isStore, keysOf, nameOf, nameOfId, ratio, serviceHref, traces } from '../graph/names.js';
import { marked, perSecond } from '../graph/numbers.js';
import { cell, Table } from '../draw/table.js';
import { Also, Earlier, isSlow, Kept, normalWords, overlaps, sinceOnset, Slowness, Told, windowOf } from '../now/incident.js';
import { counted, guilty, Path, pathTo } from '../now/path.js';
import { placeOf, Suspects, versionOf } from '../now/suspects.js';

const List = ({ items }) => items.map((x, i) => html`${i ? i == items.length - 1 ? ' and ' : ', ' : ''}${x}`);
const NodeLink = ({ n, version }) => html`<a class="q" href=${hasPage(n) ? serviceHref(n.node) : edgeHref('', '', { sel: null })}>${nameOf(n)}${version ? ' ' + version : ''}</a>`;

/* ---- the answer ---- */

function Answer({ d, r, keys }) {
  const q = d.requests, s = d.seconds || 1, first = d.origins[0], failing = marked(q.calls, q.errors) || first && q.errors > 0, onset = d.changes.find(c => c.kind == 'failures'), known = d.base.seconds > 0 && q.was.calls > 0;
  const was = known ? share(ratio(q.was.errors, q.was.calls)) : 'not known', bad = d.entries.filter(e => marked(e.calls, e.errors)).map(e => html`<code>${e.operation}</code>`);
  const learnt = d.base.seconds >= .8 * (parseTime(d.base.to) - parseTime(d.base.from)) / 1e3, v = first && guilty(first.caller), slow = known && q.was.calls >= 100 && q.p95_ns >= 1.3 * q.was.p95_ns && q.p95_ns - q.was.p95_ns > 5e6;
  const at = onset && parseTime(onset.at), minutes = at && Math.max(1, Math.round((r.toMs - at) / 6e4));
  const title = failing ? first ? html`${share(ratio(q.errors, q.calls))} of user requests fail. Most failures began in <${NodeLink} n=${first.caller} version=${v?.version}/>${first.edge.unreached * 2 > first.edge.errors_origin
    ? html`, at its calls to <a class="q" href=${edgeHref(keys(first.caller.id), keys(first.callee.id))}>${nameOf(first.callee)}</a>.` : html`${' → '}<a class="q" href=${edgeHref(keys(first.caller.id), keys(first.callee.id))}>${nameOf(first.callee)}</a>.`}`
    : html`${share(ratio(q.errors, q.calls))} of user requests fail. Where that began is not known.`
    : first ? html`No user request fails. Failures begin at <a class="q" href=${edgeHref(keys(first.caller.id), keys(first.callee.id))}>${nameOf(first.caller)} → ${nameOf(first.callee)}</a> and reach nobody.`
      : slow ? html`User requests take ${ms(q.p95_ns)} instead of ${ms(q.was.p95_ns)} at p95.` : learnt ? 'All normal.' : known ? `Learning what is normal: ${Math.round(d.base.seconds / 60)} of ${Math.round((parseTime(d.base.to) - parseTime(d.base.from)) / 6e4)} min.` : 'No failures stand out.';
  const fresh = d.changes.find(c => c.kind == 'new_version' && v && c.version == v.version && c.id == first.caller.id);
  return html`<section class="answer" aria-labelledby="ans">
    <p class="kick">${failing || first ? html`<span class="tag fault"><${Mark} k="b" quiet/>Failing</span>` : slow ? html`<span class="tag slow"><${Mark} k="s" quiet/>Slower</span>` : html`<span class="tag good">Normal</span>`}
      <span>${at ? `since ${clock(at)} UTC, ${minutes} min` : span(r.fromMs, r.toMs) + ' UTC'}<span class="only-l">; counted, not judged: no incident is open</span></span></p>
    <h1 id="ans">${title}</h1>
    <p class="sub"><b>${bare(rate(q.errors / s))} of ${bare(rate(q.calls / s))}</b> requests per second fail (in the window before: ${was})${q.errors ? html`, <b>${count(q.errors)}</b> in this window` : ''}${bad.length ? html`, on <${List} items=${bad}/>` : ''}. ${
      fresh && at ? `${nameOf(first.caller)} ${v.version} took its first traffic ${clock(parseTime(fresh.at), 1)}. ` : ''}${!failing ? `p95 ${ms(q.p95_ns)}${known ? ` (before: ${ms(q.was.p95_ns)})` : ''}.` : first && d.origins[0].others.calls && !d.origins[0].others.errors ? `Other callers of ${nameOf(first.callee)} see no failures.` : ''}</p>
    <div class="acts">${first?.edge.examples.error[0] && html`<a class="btn pri" href=${href('/trace/' + first.edge.examples.error[0])}>Open a failing trace</a>`}
      <a class="btn" href=${first ? edgeHref(keys(first.caller.id), keys(first.callee.id)) : href('/graph')}>See it in the graph</a>${v && html`<a class="btn" href=${serviceHref(first.caller.node)}>Compare ${v.version} with ${first.caller.versions.find(x => x != v).version}</a>`}
      <${Menu} label="Copy as" c="bare" items=${[['Markdown', () => markdown(d, first, v)], ['Link', () => location.href], ['curl', () => curlOf('now')], ['Command', () => `faultline graph --from ${rangeText(range()).from} --format table`]]}/></div></section>`;
}
const markdown = (d, first, v) => `**${share(ratio(d.requests.errors, d.requests.calls))} of user requests fail** (${count(d.requests.errors)} of ${count(d.requests.calls)}, ${d.from} to ${d.to}).${
  first ? ` Most failures began at ${nameOf(first.caller)}${v ? ' ' + v.version : ''} → ${nameOf(first.callee)}: ${count(first.edge.errors_origin)}.` : ''}\n\n| entry | calls/s | failed | p95 |\n|---|---|---|---|\n${d.entries.map(e => `| ${e.operation} | ${bare(rate(e.calls / d.seconds))} | ${share(ratio(e.errors, e.calls))} | ${ms(e.p95_ns)} |`).join('\n')}\n\n${location.href}\n`;

/* ---- over time ---- */

function Failures({ d, onset }) {
  const from = parseTime(d.from), ser = d.series, step = ser.step_ns / 1e6, s = d.seconds || 1, first = d.origins[0], origins = d.origins.slice(0, 1);
  const all = perSecond(ser, from, ser.failed), tops = origins.map(o => perSecond(ser, from, o.began));
  const top = Math.max(...all.v, ...(tops[0]?.v || []), 0), [max, ticks] = niceMax(top || 1), began = onset || parseTime(d.changes.find(c => c.kind == 'failures')?.at), fresh = d.changes.find(c => c.kind == 'new_version');
  const rest = all.v.map((v, i) => v == null ? null : Math.max(0, v - (tops[0]?.v[i] || 0))), elsewhere = rest.reduce((n, v, i) => n + (v || 0) * ser.seconds[i], 0) / s;
  const marks = [fresh && { at: parseTime(fresh.at), label: `${nameOfId(fresh.id)} ${fresh.version} first seen ${clock(parseTime(fresh.at), 1)}`, short: `${fresh.version} first seen`, side: 'l', colour: '--ink-2', dash: [3, 3] }, began && { at: began, label: `began ${clock(began, onset ? 1 : 0)}`, side: 'r' }].filter(Boolean);
  const title = 'Failed user requests per second, by where they began';
  return html`<section class="blk" aria-labelledby="ch"><header><h2 id="ch">${title}</h2><span class="grow"></span><p class="legend only-l">${first && html`<span><i class="sw ba"></i>${nameOf(first.caller)} → ${nameOf(first.callee)}, ${rate(first.edge.errors_origin / s)}</span>`}<span><i class="sw k"></i>${first ? 'elsewhere' : 'all'}, ${rate(elsewhere)}</span></p></header>
    <${Chart} h=${150} x=${all.x} from=${from} to=${from + ser.requests.length * step} max=${max} ticks=${ticks} label=${`${title}. ${rate(d.requests.errors / s)} on average${began ? `, since ${clock(began)}` : ''}.`}
      series=${[{ v: rest, stroke: '--edge', fill: '--edge' }, ...tops.map(t => ({ v: t.v }))]} marks=${marks}/></section>`;
}

/* ---- where failures began: counts, and what stands beside them ---- */

function evidence(d, o) {
  const s = d.seconds || 1, e = o.edge, v = guilty(o.caller), lines = [];
  lines.push(['where', html`${share(ratio(e.errors_origin, d.began))} of failures in this window began on this edge: <b>${bare(rate(e.errors_origin / s))} of ${bare(rate(d.began / s))}</b> per second.`, 'traces', traces(['began', `${o.caller.node.service}>${o.callee.node.service}`])]);
  if (v) {
    const others = o.caller.versions.filter(x => x != v), bad = others.reduce((n, x) => n + x.errors, 0), n = others.reduce((k, x) => k + x.calls, 0);
    lines.push(['version', html`<b>${share(ratio(v.errors, v.calls))}</b> of ${nameOf(o.caller)} ${v.version} calls fail, <b>${share(ratio(bad, n))}</b> of ${others.map(x => x.version || 'unknown').join(', ')} calls in the same window (${count(v.calls)} and ${count(n)} calls).`, 'compare', serviceHref(o.caller.node)]);
    const fresh = d.changes.find(c => c.kind == 'new_version' && c.id == o.caller.id && c.version == v.version), onset = d.changes.find(c => c.kind == 'failures' && c.caller == o.caller.id && c.callee == o.callee.id);
    if (fresh && onset) lines.push(['change', html`${nameOf(o.caller)} ${v.version} first seen ${clock(parseTime(fresh.at), 1)}. Failures rose in the minute of <b>${clock(parseTime(onset.at))}</b>.`, 'graph', edgeHref(nameOf(o.caller), nameOf(o.callee), { overlay: 'diff' })]);
  }
  if (e.unreached) lines.push(['seen by', html`<b>${share(ratio(e.unreached, e.errors_origin))}</b> of them are known by the caller alone: ${isStore(o.callee) || o.callee.node.role == 'external' ? `${nameOf(o.callee)} sends no spans` : `no span of ${nameOf(o.callee)} came`}.`, 'edge', edgeHref(nameOf(o.caller), nameOf(o.callee))]);
  if (o.others.calls) lines.push([o.others.errors ? 'others' : `not ${nameOf(o.callee)}`, html`${o.others.callers} other caller${o.others.callers > 1 ? 's' : ''} of ${nameOf(o.callee)}: ${rate(o.others.calls / s)}, ${o.others.errors ? share(ratio(o.others.errors, o.others.calls)) + ' fail' : '0 failures'}, p95 ${ms(o.others.p95_ns)}.`, 'edge', edgeHref(nameOf(o.caller), nameOf(o.callee)), !o.others.errors]);
  return lines;
}

function Origins({ d }) {
  if (!d.origins.length) return null;
  return html`<section class="blk" aria-labelledby="su"><header><h2 id="su">Where failures began</h2><span class="m3 s">by the share of all failures in this window; counted, not yet ranked as suspects</span></header><div>
    ${d.origins.map((o, i) => { const part = ratio(o.edge.errors_origin, d.began), v = guilty(o.caller); return html`<details class="sus" key=${o.edge.id} open=${i == 0}><summary><span class="rank">${i + 1}</span><span class="el"><${Mark} k="b"/>${'\u00a0 '}<span class="who">${nameOf(o.caller)}${v ? ' ' + v.version : ''} → ${nameOf(o.callee)}</span> <span class="m2 only-l">${'\u00a0'}${share(ratio(o.edge.errors, o.edge.calls))} of its calls fail</span></span>
      <span class="bar" role="img" aria-label=${Math.round(part * 100) + ' percent'}><span class=${i ? 'k' : 'b'} style=${{ width: part * 100 + '%' }}></span></span><b class="r">${share(part)}</b><span class="sw8 s">${rate(o.edge.errors_origin / d.seconds)} began</span><span class="chev"><${Icon} n="right"/></span></summary>
      <ul class="ev">${evidence(d, o).map(([kind, text, word, to, neg]) => html`<li key=${kind} class=${neg ? 'neg' : ''}><span class="kd">${kind}</span><span>${text}</span><a class="src" href=${to}>${word}</a></li>`)}</ul></details>`; })}</div></section>`;
}

function Examples({ d }) {
  const bad = useApi('traces', { status: 'error', limit: 3 }), op = bad.data?.items[0]?.entry_operation, good = useApi(op ? 'traces' : null, { status: 'ok', limit: 1, operation: op });
  const to = t => href('/trace/' + t.trace_id), rows = [...bad.data?.items || [], ...(op && good.data?.items) || []];
  if (!rows.length) return null;
  return html`<section class="blk" aria-labelledby="ex"><header><h2 id="ex">Example traces</h2><span class="m3 s">the latest that failed${good.data?.items.length ? ', one good for contrast' : ''}</span></header>
    <${Table} rows=${rows} id=${t => t.trace_id} to=${to} cols=${[['Time', 'nw', t => html`${t.status == 'error' ? html`<${Mark} k="b"/>` : html`<span class="good ok">✓</span>`} ${clock(parseTime(t.start_time), 1)}`], ['Request', '', t => html`<a class="q brk" href=${to(t)}><b>${t.entry_operation}</b></a>`],
      ['Began in', 'only-l', t => t.status == 'error' ? `${t.origin_service}${t.origin_reason ? `, ${t.origin_reason}` : ''}` : cell('the same request, good', 'm2')], ['Trace', 'only-l', t => html`<code class="m3">${t.trace_id.slice(0, 16)}</code>`], ['Spans', 'r', t => count(t.span_count)], ['Took', 'r', t => ms(t.duration_ns)]]}/></section>`;
}

/* ---- beside it ---- */

const KINDS = { incident: c => html`<${Mark} k=${c.slow ? 's' : 'b'}/>`, failures: c => html`<${Mark} k="b"/>`, new_version: () => html`<${Icon} n="split" c="m2"/>`, new_service: () => html`<${Icon} n="plus" c="m2"/>`, new_edge: () => html`<${Icon} n="plus" c="m2"/>`, first_plaintext: () => html`<${Icon} n="open" c="plain"/>` };
// incident: the one on show; its onset is a change too.
function Changed({ d, r, incident }) {
  const changes = !incident ? d.changes : [...d.changes, { kind: 'incident', at: incident.onset, id: incident.id, op: incident.entry.operation, slow: isSlow(incident), symptom: incident.symptom }].sort((a, b) => parseTime(b.at) - parseTime(a.at));
  const pair = c => html`<a class="q" href=${edgeHref(nameOfId(c.caller), nameOfId(c.callee))}><b>${nameOfId(c.caller)} → ${nameOfId(c.callee)}</b></a>`, s = d.seconds || 1;
  const words = { incident: c => [html`Incident <b>${c.id}</b> begins: ${c.op} ${c.slow ? 'gets slower' : c.symptom == 'errors' ? 'fails' : 'changes'}`, `change point; noticed after ${Math.max(0, Math.round((parseTime(incident.opened) - parseTime(incident.onset)) / 1000))}\u00a0s`], failures: c => [html`Failures begin at ${pair(c)}`, `${count(c.calls)} since; found by counting, to the minute`], new_version: c => [html`<b>${nameOfId(c.id)} ${c.version}</b> first seen`, c.of ? `${share(ratio(c.calls, c.of))} of its calls in this window` : ''],
    new_service: c => [html`<b>${nameOfId(c.id) || 'a service'}</b> first seen`, c.version], new_edge: c => [html`New edge ${pair(c)}`, rate(c.calls / s)], first_plaintext: c => [html`${pair(c)} first plaintext call`, `${count(c.calls)} calls since`] };
  return html`<section aria-labelledby="wc"><header><h2 id="wc">What changed</h2><span class="m3 s">${r.words ? r.words.toLowerCase() : span(r.fromMs, r.toMs)}</span></header>
    ${changes.length ? html`<ol class="chg">${changes.map(c => { const [text, note] = words[c.kind](c); return html`<li key=${c.kind + c.at + c.callee}><time>${clock(parseTime(c.at), c.at.slice(17, 19) == '00' ? 0 : 1)}</time>${KINDS[c.kind](c)}<span>${text}${note && html`<small>${note}</small>`}</span></li>`; })}</ol>`
      : html`<p class="m2 s">${d.base.seconds > 0 ? `Nothing new against ${span(parseTime(d.base.from), parseTime(d.base.to))}.` : 'Nothing to compare with: nothing is known of the time before this window.'}</p>`}</section>`;
}

function Entries({ d, words = 'this window, against the one before' }) {
  const s = d.seconds || 1;
  return html`<section class="blk" aria-labelledby="en"><header><h2 id="en">Entries</h2><span class="m3 s">${words}</span></header>
    ${d.entries.length ? html`<${Table} rows=${d.entries} id=${e => e.id + e.operation} cols=${[['Operation', '', e => html`<a class="q brk" href=${traces(['entry', e.operation])}>${e.operation}</a>`], ['Calls/s', 'r', e => bare(rate(e.calls / s))],
      ['Failed', 'r', e => marked(e.calls, e.errors) ? cell(html`<b>${share(ratio(e.errors, e.calls))}</b>`, 'fault') : cell(e.calls ? share(ratio(e.errors, e.calls)) : 'no calls', 'm2')], ['p95', 'r', e => cell(html`<span title=${e.was.p95_ns != null ? `before: ${ms(e.was.p95_ns)}` : 'before: not known'}>${msWhole(e.p95_ns)}</span>`, e.was.calls >= 20 && e.calls >= 20 && e.p95_ns >= 1.3 * e.was.p95_ns && e.p95_ns - e.was.p95_ns >= 1e6 ? 'slow' : '')]]}/>` : html`<p class="m2 s">No request from outside was seen in this window.</p>`}</section>`;
}

function Standing({ d }) {
  if (!d.standing.length) return null;
  return html`<section class="blk" aria-labelledby="st"><header><h2 id="st">Standing findings</h2><span class="m3 s">no incident</span></header><ol class="chg two">${d.standing.slice(0, 6).map(f => html`<li key=${f.kind + f.caller + f.callee}>${f.kind == 'hairpin' ? html`<${Icon} n="turn" c="turn"/>` : html`<${Icon} n="open" c="plain"/>`}
    <span><a class="q" href=${edgeHref(nameOfId(f.caller), nameOfId(f.callee), { overlay: f.kind == 'hairpin' ? 'cross' : 'sec' })}><b>${nameOfId(f.caller)} → ${nameOfId(f.callee)}</b></a> is ${f.kind == 'hairpin' ? 'a hairpin' : 'plaintext'}<small>${f.kind == 'hairpin' ? `out by ${f.via || 'a gateway'} and back: ${rate(f.calls / d.seconds)}` : `${share(ratio(f.calls, f.of))} of ${rate(f.of / d.seconds)}`}</small></span></li>`)}</ol></section>`;
}

/* ---- the page ---- */

const MOST_INCIDENTS = 20;
const distinct = nodes => nodes.filter((n, i, all) => all.findIndex(o => o.id == n.id) == i);

// An incident and all that stands beside it. d: the window on show; list: incidents as they are known.
function Incident({ i, others, d, r, query }) {
  const since = sinceOnset(i), window = windowOf(i), slow = isSlow(i), s = i.suspects[0], own = useApi('now', since).data;
  // The counted path leads where most failures began; where the first suspect is elsewhere the way to it is looked for in the graph.
  const leads = !slow && s && own?.path.nodes.some(n => n.node.service == s.node.service && n.node.namespace == s.node.namespace), graph = useApi(own && s && !leads ? 'graph' : null, { ...since, versions: 'show', most: 150 }).data;
  const path = own && (leads ? counted(own.path) : graph?.nodes && pathTo(graph, s.node, s.peer, slow));
  const keys = useMemo(() => keysOf(distinct([...path?.nodes || [], ...own?.origins.flatMap(o => [o.caller, o.callee]) || []])), [path, own]);
  return html`<div><${Told} i=${i} d=${own} changes=${d.changes} now=${r.toMs} window=${window}/><${Also} others=${others}/>
      ${path && html`<${Path} path=${path} seconds=${(leads ? own : graph).seconds} keys=${keys} failed=${ratio(own.requests.errors, own.requests.calls)} others=${leads && own.origins[0]?.others} slow=${slow} version=${s && versionOf(s)} query=${window}/>`}
      ${slow ? html`<${Slowness} i=${i} from=${r.fromMs} to=${r.toMs}/>` : html`<${Failures} d=${d} onset=${parseTime(i.onset)}/>`}
      <${Suspects} suspects=${i.suspects} slow=${slow} normal=${normalWords(i)} window=${window} query=${query}/><${Kept} s=${s} slow=${slow} window=${window}/></div>
    <${Beside} d=${d} r=${r} incident=${i} entries=${own || d} words=${own ? 'since it began, against normal' : undefined} query=${query}/>`;
}

function Beside({ d, r, entries = d, words, query, incident }) {
  const all = query.earlier == 'all', list = useApi('incidents', { state: 'closed', limit: all ? 1000 : MOST_INCIDENTS }, { timeless: true, every: 60000, optional: true }).data, items = (list?.items || []).filter(i => i.id != incident?.id);
  return html`<aside aria-label="What changed, entries, findings, earlier incidents"><${Changed} d=${d} r=${r} incident=${incident}/><${Entries} d=${entries} words=${words}/><${Standing} d=${d}/>
    <${Earlier} items=${items} all=${all} more=${items.length > 4 && !all && html`<button class="lnk s" onClick=${() => setQuery({ earlier: 'all' }, { replace: true })}>all ${list.next ? '' : count(items.length)}</button>`}/></aside>`;
}

const Frame = ({ error, again, what, children, c }) => html`<main id="main" tabindex="-1" class=${c}>${error && html`<${Failed} what=${what} error=${error} again=${again}/>`}${children}</main>`;

// id: of the incident whose page this is; '' for the state of things.
export function Now({ query, id = '' }) {
  const r = useRange(), { data: d, error, again } = useApi('now');
  const list = useApi(id ? null : 'incidents', r.live ? { state: 'open' } : { limit: MOST_INCIDENTS }, { timeless: true, every: BEAT_MS, optional: true });
  const open = (list.data?.items || []).filter(i => r.live ? i.state == 'open' : overlaps(i, r)).sort((a, b) => b.affected_calls - a.affected_calls), wanted = id || open[0]?.id;
  const one = useApi(wanted ? 'incidents/' + encodeURIComponent(wanted) : null, {}, { timeless: true, every: BEAT_MS }), i = one.data?.id == wanted ? one.data : null;
  const keys = useMemo(() => d?.origins ? keysOf(distinct([...d.path.nodes, ...d.origins.flatMap(o => [o.caller, o.callee])])) : x => x, [d]);
  const q = d?.requests, failing = q && marked(q.calls, q.errors), s = i?.suspects[0];
  useEffect(() => { if (id && i && !query.from) setQuery(windowOf(i), { replace: true }); }, [id, i?.id, query.from]);
  useTitle(i ? i.summary : q && q.calls ? `${share(ratio(q.errors, q.calls))} of requests fail` : 'Now', i ? id ? `incident ${id}` : 'Now' : failing && d.origins[0] && `${nameOf(d.origins[0].caller)} → ${nameOf(d.origins[0].callee)}`);
  if (id && one.error) return one.error.status == 404 ? html`<main id="main" tabindex="-1"><h1 class="big">There is no incident ${id}.</h1><p class="m2 note"><a href=${href('/')}>The state of things</a></p></main>` : html`<${Frame} what="The incident" error=${one.error} again=${one.again}/>`;
  if (!d || (!id && list.loading && !list.data) || (wanted && !i && !one.error)) return html`<main id="main" tabindex="-1">${error ? html`<${Failed} what="The state" error=${error} again=${again}/>` : html`<h1 class="sr">${id ? `Incident ${id}` : 'Now'}</h1>`}</main>`;
  if (!i && !(q.calls || d.entries.length || d.began || d.seconds > 0)) return html`<${Frame} what="The state" error=${error} again=${again}><${Empty} r=${r}/></${Frame}>`;
  const path = counted(d.path);
  return html`<${Frame} c="now" what="The state" error=${error || one.error} again=${error ? again : one.again}>${i ? html`<${Incident} key=${i.id} i=${i} others=${open.filter(o => o.id != i.id)} d=${d} r=${r} query=${query}/>` : html`
    <div><${Answer} d=${d} r=${r} keys=${keys}/>${path && html`<${Path} path=${path} seconds=${d.seconds} keys=${keys} failed=${ratio(q.errors, q.calls)} others=${d.origins[0]?.others}/>`}<${Failures} d=${d}/><${Origins} d=${d}/><${Examples} d=${d}/></div>
    <${Beside} d=${d} r=${r} query=${query}/>`}</${Frame}>`;
}
