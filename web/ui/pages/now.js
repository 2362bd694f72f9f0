// now.js: the state of things: the open incident with its suspects; without one what a diagnosis of the window finds, or that all is normal;
// what changed, the entries. /incident/ID is the same page, frozen to its window.
import { html, useEffect, useMemo } from '../html.js';
import { useApi } from '../frame/api.js';
import { BEAT_MS, useRange } from '../frame/range.js';
import { NoPage, Page, useTitle } from '../frame/states.js';
import { href, showQuery } from '../frame/url.js';
import { Chart } from '../draw/chart.js';
import { Block, Swatch } from '../draw/parts.js';
import { clock, msWhole, parseTime, rate } from '../draw/text.js';
import { nameOf, nameOfId } from '../graph/names.js';
import { keysOf } from '../graph/select.js';
import { best, marked, ratio, seriesOf, slowerThan, sum } from '../graph/numbers.js';
import { Calm, Told } from '../now/answer.js';
import { Also, Beside } from '../now/beside.js';
import { endOf, isSlow, ofDiagnosis, ofIncident, onsetOf, ORDINARY, overlaps, reasonOf, sinceEnd, versionOf, windowOf } from '../now/finding.js';
import { counted, Path, pathTo } from '../now/path.js';
import { Examples, Suspects, useExamples } from '../now/suspects.js';

/* ---- over time ---- */

const LEAST_MS = 2e4; /* of a minute, to be counted */

// Failed user requests, stacked by where they began: at the busiest edge of failures, and elsewhere.
const overMark = i => i.closed && { at: endOf(i), label: `over ${clock(endOf(i))}`, dash: '3 3' };
// calm: the axis does not magnify what is ordinary; last: the incident that is over.
function Failures({ d, onset, last, calm }) {
  const { v: per, from, step, ...time } = seriesOf(d.series, d.from), s = d.seconds || 1, [first] = d.origins, all = per(d.series.failed);
  /* A request may meet several failures that begin there, and be saved from some. */
  const here = first && per(first.began).map((v, i) => v == null ? null : Math.min(v, all[i])),
    rest = all.map((v, i) => v == null ? null : v - (here?.[i] || 0));
  const change = kind => d.changes.find(c => c.kind == kind), fresh = change('new_version'),
    began = onset || (last ? onsetOf(last) : parseTime(change('failures')?.at)),
    title = 'Failed user requests per second, by where they began';
  const before = began < parseTime(fresh?.at);
  /* Per second, of the time since it began. */
  const { seconds } = d.series, since = v => {
    const told = v.map((x, i) => x != null && (calm || !(time.x[i] + step / 2 < began)) ? i : -1).filter(i => i >= 0);
    return rate(sum(told, i => v[i] * seconds[i]) / (sum(told, i => seconds[i]) || 1));
  };
  const legend = html`<p class="legend only-l">
    ${first && html`<${Swatch} c="ba">${nameOf(first.caller)} → ${nameOf(first.callee)}, ${since(here)}
    </${Swatch}>`}
    <${Swatch} c="k">${first ? 'elsewhere' : 'all'}, ${since(rest)}</${Swatch}></p>`;
  return html`<${Block} id="ch" title=${title} right=${legend}>
    <${Chart} h=${150} from=${from} ...${time}
    label=${`${title}. ${rate(d.requests.errors / s)} on average${began ? `, since ${clock(began)}` : ''}.`}
    least=${calm && d.requests.calls / s * ORDINARY}
    series=${[{ v: rest, stroke: '--edge', fill: '--edge' }, ...here ? [{ v: here }] : []]} marks=${[
      fresh && { at: parseTime(fresh.at), label: `${nameOfId(fresh.id)} ${fresh.version} first seen ${clock(parseTime(fresh.at), 1)}`,
        short: `${fresh.version} first seen`, left: !before, colour: '--ink-2', dash: '3 3' },
      began && { at: began, label: `began ${clock(began, onset ? 1 : 0)}`, left: before },
      last && overMark(last)]}/></${Block}>`;
}

// How long requests took, minute by minute, for an incident of slowness.
function Slowness({ i }) {
  const r = useRange(), x = i.timeline.map(t => parseTime(t.at) + 3e4), v = i.timeline.map(t => t.p95_ns == null ? null : t.p95_ns / 1e6);
  return x.length > 0
    && html`<${Block} id="ch" title="Duration of user requests, p95, in ms">
    <${Chart} h=${150} x=${x} from=${Math.min(r.fromMs, x[0])} to=${Math.max(r.toMs, x.at(-1))}
    label=${`p95 of user requests over time, ${msWhole(1e6 * (v.at(-1) || 0))} in the last minute`}
      series=${[{ kind: 'line', stroke: '--slow-mark', w: 2, v }]}
    marks=${[{ at: onsetOf(i), label: `began ${clock(onsetOf(i), 1)}` }, overMark(i)]}/></${Block}>`;
}

/* ---- a finding, and all that stands beside it ---- */

const distinct = nodes => nodes.filter((n, i, all) => all.findIndex(o => o.id == n.id) == i);

// f: the finding; d: the window on show; others: incidents that are open beside it.
function Finding({ f, d, others, query }) {
  const { i, slow, since, window, suspects: [s] } = f, counts = useApi(i ? 'now' : null, since).data, own = i ? counts : d, examples = useExamples(s);
  // The counted path leads where most failures began; where the first suspect is elsewhere the way to it is looked for in the graph.
  const leads = !slow && own
    && (!s || own.path.nodes.some(n => n.node.service == s.node.service && n.node.namespace == s.node.namespace));
  const graph = useApi(own && s && !leads ? 'graph' : null, { ...since, versions: 'show', most: 150 }).data,
    path = own && (leads ? counted(own.path) : graph?.nodes && pathTo(graph, s.node, s.peer, slow));
  const keys = useMemo(() => keysOf(distinct([...path?.nodes || [], ...own?.origins.flatMap(o => [o.caller, o.callee]) || []])),
    [path, own]);
  return [html`<div><${Told} f=${f} d=${own} changes=${d.changes}/><${Also} others=${others}/>
      ${path && html`<${Path} path=${path} seconds=${(leads ? own : graph).seconds} keys=${keys}
        failed=${ratio(own.requests.errors, own.requests.calls)} others=${leads && own.origins[0]?.others}
        slow=${slow} over=${i?.state == 'closed'} version=${s && versionOf(s)}
        reason=${s && reasonOf(s)} began=${examples.map(t => t.began).find(Boolean)} query=${window}/>`}
      ${slow && i ? html`<${Slowness} i=${i}/>` : html`<${Failures} d=${d} onset=${f.onset}/>`}<${Suspects} f=${f} query=${query}/>
        <${Examples} f=${f} rows=${examples}/></div>`,
    html`<${Beside} d=${d} incident=${i} entries=${own || d} words=${i && own ? 'since it began, against normal' : undefined}
      query=${query}/>`];
}

const standsOut = q =>
  marked(q.calls, q.errors) && ratio(q.errors, q.calls) > 2 * ratio(q.was.errors, q.was.calls) || slowerThan(q, q.was);

// What no incident covers, as a diagnosis finds it where the counts stand out; else that all is normal.
// last: of the incidents of this window, all of them over, the one that ended last: then what came after it is told,
// as soon as a minute of that is known.
function Window({ d, last, query }) {
  const r = useRange(), since = last && sinceEnd(last), early = last && since.from * 1000 > r.toMs - LEAST_MS,
    after = useApi(last && !early ? 'now' : null, since || {}).data, own = last ? !early && after : d;
  const g = useApi(own && standsOut(own.requests) ? 'diagnose' : null,
    { limit: 10, ...since && { from: since.from, baseline: since.base } }, { every: 30000 });
  const slow = useApi(last && isSlow(last) ? 'incidents/' + last.id : null, {}, { timeless: true }).data;
  if (g.data) return html`<${Finding} f=${ofDiagnosis(g.data)} d=${own} others=${[]} query=${query}/>`;
  return !own && !early || g.loading ? null : [html`<div><${Calm} d=${own} last=${last}/>${
    slow ? html`<${Slowness} i=${slow}/>` : html`<${Failures} d=${d} last=${last} calm/>`}</div>`,
    html`<${Beside} across d=${d} incident=${last} entries=${own || d} query=${query}
      words=${last && own ? 'since it ended, against before' : undefined}/>`];
}

// id: of the incident whose page this is; '' for the state of things.
export function Now({ query, id = '' }) {
  const r = useRange(), now = useApi('now'), d = now.data,
    list = useApi(id ? null : 'incidents', { limit: 20 }, { timeless: true, every: BEAT_MS }),
    near = (list.data?.items || []).filter(i => overlaps(i, r));
  const told = near.filter(i => !r.live || i.state == 'open').sort((a, b) => b.affected_calls - a.affected_calls),
    wanted = id || told[0]?.id,
    last = !wanted && best(near, endOf);
  const one = useApi(wanted ? 'incidents/' + encodeURIComponent(wanted) : null, {}, { timeless: true, every: BEAT_MS }),
    i = one.data?.id == wanted ? one.data : null, q = d?.requests;
  const ready = d && (id || list.data || list.error) && (!wanted || i || (!id && one.error)),
    empty = ready && !i && !(q.calls || d.entries.length || d.began || d.seconds > 0);
  useEffect(() => { if (id && i && !query.from) showQuery(windowOf(i)); }, [id, i?.id, query.from]);
  useTitle(ready && !empty ? null : id ? `incident ${id}` : 'Now');
  if (id && one.error?.status == 404)
    return html`<${NoPage} title=${`There is no incident ${id}.`}><a href=${href('/')}>The state of things</a></${NoPage}>`;
  return html`<${Page} c=${ready && !empty && 'now'} name=${id ? `Incident ${id}` : 'Now'}
    what=${id && one.error ? 'The incident' : 'The state'} answers=${[now, one]} ready=${ready} empty=${empty}>${ready && (i
    ? html`<${Finding} key=${i.id} f=${ofIncident(i)} d=${d} others=${told.filter(o => o.id != i.id)} query=${query}/>`
      : html`<${Window} key=${last?.id} d=${d} last=${last} query=${query}/>`)}</${Page}>`;
}
