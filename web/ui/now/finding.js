// finding.js: what Now tells: an incident as the localiser keeps it, or a diagnosis of a window that no incident covers. Pure but for links.
import { href } from '../frame/url.js';
import { NB, iso, ms, parseTime, share, span } from '../draw/text.js';
import { isOwn, nodeName, selOf, serviceHref } from '../graph/names.js';
import { marked, ratio, slowerThan } from '../graph/numbers.js';

const MINUTE = 6e4, BEFORE_MS = 10 * MINUTE;
export const NORMAL_MS = 30 * MINUTE; /* what is normal is learnt from as much */
export const ORDINARY = .02; /* of the requests that fail: no more to tell of; the least that the axis of a calm chart goes up to */
const floor = t => Math.floor(t / MINUTE) * MINUTE;
export const isSlow = incident => incident.symptom == 'latency';
export const onsetOf = incident => parseTime(incident.onset);
export const endOf = incident => incident.closed && parseTime(incident.updated); /* it was bad up to then, and closed after some calm */
export const overlaps = (incident, r) => onsetOf(incident) < r.toMs && (!incident.closed || endOf(incident) > r.fromMs);

// The window of an incident's own page: ten minutes before it began to its end; without an end while it is open.
export const windowOf = i => ({ from: iso(floor(onsetOf(i)) - BEFORE_MS), to: i.closed ? iso(floor(endOf(i)) + MINUTE) : null });
export const incidentHref = i => href('/incident/' + i.id, windowOf(i));
export const lasted = (i, now) => { const long = (endOf(i) || now) - onsetOf(i), step = i.closed || long < MINUTE ? 1000 : MINUTE;
  return ms(1e6 * Math.max(1000, Math.round(long / step) * step)); };

// Of the questions about what an incident did: since it began, against the half hour before; and of those about what came after it.
const beforeOnset = i => { const onset = floor(onsetOf(i)); return { base: `${iso(onset - NORMAL_MS)}..${iso(onset)}` }; };
const firstMinute = i => { const next = floor(onsetOf(i) + MINUTE / 2); /* the minute of the onset, unless most of that was as ever */
  return next + MINUTE <= parseTime(i.updated) ? next : floor(onsetOf(i)); };
const sinceOnset = i => ({ from: firstMinute(i) / 1000, ...i.closed && { to: endOf(i) / 1000 }, ...beforeOnset(i) });
export const sinceEnd = i => ({ from: (floor(endOf(i)) + MINUTE) / 1000, ...beforeOnset(i) }); /* the minute in which it ended is not clean */

/* {i: the incident or null, suspects, slow, onset: Unix ms or NaN, since: parameters of questions about what it did, window: of links to other views,
 * normal: what it is held against, in words; need: requests that a judgement still wants} */
export const ofIncident = i => ({ i, suspects: i.suspects, slow: isSlow(i), onset: onsetOf(i), since: sinceOnset(i), window: windowOf(i),
  normal: span(floor(onsetOf(i)) - NORMAL_MS, floor(onsetOf(i))) });
export function ofDiagnosis(g) {
  const { now, baseline } = g.requests,
    slow = !marked(now.n, now.failed) || ratio(now.failed, now.n) < 2 * ratio(baseline.failed, baseline.n);
  return { i: null, suspects: g.suspects.filter(s => s.significant), slow, onset: parseTime(g.onset), since: {}, window: {},
    normal: span(parseTime(g.baseline.from), parseTime(g.baseline.to)),
    need: g.need?.requests };
}

// The one version that explains a suspect, if one does.
export const versionOf = s => s.node.version || s.narrowed?.find(n => n.dimension == 'version' && n.share >= .8)?.value || '';
const isBetween = s => s.peer && (s.kind == 'edge' || s.kind == 'hop');
export const placeOf = s => `${nodeName(s.node)}${versionOf(s) ? ' ' + versionOf(s) : ''}${isBetween(s) ? ' → ' + s.peer.service : ''}`;
export const graphOf = (s, query) =>
  href('/graph', { ...query, sel: isBetween(s) ? `${selOf(s.node)}>${selOf(s.peer)}` : selOf(s.node) });
// Where more is said about a suspect: its page, or its place in the graph.
export const pageOf = (s, query) => isOwn(s.node) ? serviceHref(s.node, query) : graphOf(s, query);
// A number keeps its unit with it.
export const kept = text => text.replace(/(\d) (?=(?:%|µs|ms|s|min)(?!\w))/g, '$1' + NB);
// Without the name that stands before it.
export const reasonOf = ({ reason: r, node: { service } }) =>
  kept(r.startsWith(service) && /^:? (.*)/s.exec(r.slice(service.length))?.[1] || r);

export const isBad = (e, slow) => slow ? slowerThan(e, e.was) : marked(e.calls, e.errors);

// The symptom as users see it: of the entry, or of all requests where several fail. d: the counts since it began against normal (null while they come).
export function symptom({ i, slow }, d) {
  const over = i?.state == 'closed', [fail, take, be] = over ? ['failed', 'took', 'was'] : ['fail', i ? 'takes' : 'take', 'is'],
    q = d?.requests;
  const who = i ? i.entry.operation || nodeName(i.entry.node) : 'User requests',
    e = i ? d?.entries.find(e => e.operation == i.entry.operation && e.service == i.entry.node.service) : q;
  if (i?.symptom == 'traffic') return `The traffic of ${who} ${be} not what is normal. `;
  const all = !i || d?.entries.filter(e => isBad(e)).length > 1, of = all ? q : e,
    part = all || of?.calls ? ratio(of?.errors, of?.calls) : i.failed_share; /* until more is known */
  if (!slow) return `${share(part)} of ${all ? 'user requests' : who} ${fail}. `;
  return e && slowerThan(e, e.was) ? `${who} ${take} ${ms(e.p95_ns)} instead of ${ms(e.was.p95_ns)} at p95. `
    : `${who} ${i ? be : 'are'} slower than normal. `;
}
