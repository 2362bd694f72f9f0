// suspects.js: who an incident suspects, with the evidence in the sentences of the server, for and against.
import { html, useState } from '../html.js';
import { Icon, Mark, Sure } from '../draw/marks.js';
import { share, sqlText } from '../draw/text.js';
import { servicePath, traces } from '../graph/names.js';
import { href, setQuery } from '../frame/url.js';

const MOST = 5;
const sameNode = (a, b) => a && b && a.service == b.service && a.namespace == b.namespace && a.cluster == b.cluster && a.role == b.role;
const isOwn = n => n.role == 'workload' || n.role == 'gateway';
const selOf = n => (n.namespace ? n.namespace + '/' : '') + n.service;

// The one version that explains a suspect, if one does.
export const versionOf = s => s.node.version || s.narrowed?.find(n => n.dimension == 'version' && n.share >= .8)?.value || '';
export const placeOf = s => `${s.node.service || 'without a name'}${versionOf(s) ? ' ' + versionOf(s) : ''}${s.peer && (s.kind == 'edge' || s.kind == 'hop') ? ' → ' + s.peer.service : ''}`;
export const graphOf = (s, query) => href('/graph', { ...query, sel: s.peer && (s.kind == 'edge' || s.kind == 'hop') ? `${selOf(s.node)}>${selOf(s.peer)}` : selOf(s.node) });
// Where more is said about a suspect: its page, or its place in the graph.
export const pageOf = (s, query) => isOwn(s.node) ? href(servicePath(s.node), query) : graphOf(s, query);

// "76.5 % of visits end … (normal 60.6 %)": the two numbers that differ are stressed.
const NUMBERS = /(?:\d[\d.\u202f]*[ \u00a0]?(?:%|µs|ms|s|min|\/s)(?![\w%]))(?: → \d[\d.\u202f]*[ \u00a0]?(?:%|µs|ms|s|min|\/s)(?![\w%]))?/g;
function stressed(text) {
  const found = [...text.matchAll(NUMBERS)], first = found[0], normal = found.find(m => /\(normal $/.test(text.slice(0, m.index))), parts = [];
  let at = 0;
  for (const m of [first, normal].filter((x, i, all) => x && all.indexOf(x) == i)) {
    parts.push(text.slice(at, m.index), html`<b>${m[0]}</b>`);
    at = m.index + m[0].length;
  }
  return [...parts, text.slice(at)];
}

// A number keeps its unit with it.
export const kept = text => text.replace(/(\d) (?=(?:%|µs|ms|s|min)(?!\w))/g, '$1\u00a0');

// Without the name that stands before it.
export const reasonOf = s => kept(s.reason.startsWith(s.node.service + ' ') ? s.reason.slice(s.node.service.length + 1) : s.reason);
const whole = x => x > 0 && x < .01 ? '< 1\u00a0%' : `${Math.round(x * 100)}\u00a0%`;

// Evidence that is hardly more than chance is left out where there is better.
const STRONG = 3, MOST_LINES = 6;
function told(evidence) {
  const distinct = evidence.filter((e, i) => evidence.findIndex(o => o.text == e.text) == i), strong = distinct.filter(e => Math.abs(e.deviation) >= STRONG);
  return (strong.length ? strong : distinct.slice(0, 2)).slice(0, MOST_LINES);
}

const KINDS = { errors: 'where', self_time: 'own time', gap: 'between', flow: 'flow', traffic: 'traffic', metric: 'metric', change: 'change' };
// The lines of a suspect: [kind, text, word of the link, link, speaks against].
function lines(s, window) {
  const name = s.node.service, failed = traces(['service', name], ['status', 'error']), page = pageOf(s, window), list = [];
  const proof = { errors: ['traces', failed], self_time: [isOwn(s.node) ? 'service' : 'graph', page], gap: ['graph', graphOf(s, { ...window, overlay: 'slow' })], flow: ['traces', traces(['service', name])], traffic: ['graph', graphOf(s, window)],
    metric: ['SQL', href('/sql', { ...window, q: `SELECT name, at, value FROM metric_point JOIN metric_series USING (series_id)\nWHERE at_ns BETWEEN :from AND :to AND json_extract(resource, '$."service.name"') = ${sqlText(name)}\nORDER BY name, at` })], change: ['before, after', graphOf(s, { ...window, overlay: 'diff' })] };
  for (const e of told(s.evidence)) list.push([KINDS[e.kind] || e.kind, stressed(kept(e.text)), ...(proof[e.kind] || ['graph', graphOf(s, window)])]);
  for (const n of s.narrowed || []) {
    const to = n.dimension == 'version' || n.dimension == 'instance' ? [n.dimension == 'version' ? 'compare' : 'instances', page] : n.dimension == 'operation' && isOwn(s.node) ? ['operation', href(servicePath(s.node), { ...window, op: n.value })] : ['traces', n.dimension == 'attribute' ? traces(['service', name], [`${name}:${n.name}`, n.value]) : failed];
    list.push(['only ' + n.dimension, html`<b>${share(n.share)}</b> of it is ${n.dimension == 'attribute' ? html`<code>${n.name}</code> = ` : ''}<b>${n.value}</b>${n.effect > 0 && n.effect < 100 ? `, ${n.effect.toFixed(1)} times as much as elsewhere` : ''}.`, ...to]);
  }
  for (const text of s.not || []) {
    const m = /^not ([^:]+): (.*)$/.exec(text);
    list.push([m ? 'not ' + m[1] : 'not deeper', m ? m[2][0].toUpperCase() + m[2].slice(1) + '.' : text[0].toUpperCase() + text.slice(1) + '.', m && /instance/.test(m[1]) ? 'instances' : 'graph', m && /instance/.test(m[1]) ? page : graphOf(s, window), true]);
  }
  return list;
}

function Suspect({ s, all, total, slow, open, window }) {
  const part = total ? s.score / total : 0, k = s.evidence?.[0]?.kind, under = all.find(o => o.rank < s.rank && o.effects?.some(n => sameNode(n, s.node)));
  return html`<details class="sus" id=${'suspect-' + s.rank} open=${open}><summary><span class="rank">${s.rank}</span><span class="el"><${Mark} k=${slow || k == 'self_time' || k == 'gap' ? 's' : 'b'}/>${'\u00a0 '}<span class="who">${placeOf(s)}</span> <span class="m2 only-l">${'\u00a0'}${s.instance || s.operation || ''} ${reasonOf(s)}</span></span>
      <span class="bar" role="img" aria-label=${Math.round(part * 100) + ' percent'}><span class=${s.rank > 1 ? 'k' : slow ? 's' : 'b'} style=${{ width: part * 100 + '%' }}></span></span><b class="r">${whole(part)}</b><span class="sw8 s"><${Sure} share=${s.confidence}/>, ${whole(s.confidence)}</span><span class="chev"><${Icon} n="right"/></span></summary>
    <ul class="ev">${lines(s, window).map(([kind, text, word, to, neg], i) => html`<li key=${i} class=${neg ? 'neg' : ''}><span class="kd">${kind}</span><span class="brk">${text}</span><a class="src" href=${to}>${word}</a></li>`)}
      ${s.effects?.length > 0 && html`<li class="neg"><span class="kd">passed on to</span><span class="brk">${s.effects.map(n => n.service).join(', ')}</span><a class="src" href=${graphOf(s, window)}>graph</a></li>`}
      ${under && html`<li class="neg"><span class="kd">effect</span><span>What is seen here may be an effect of <a href=${'#suspect-' + under.rank} onClick=${e => { e.preventDefault(); e.stopPropagation(); const o = document.getElementById('suspect-' + under.rank); o.open = true; o.querySelector('summary').focus(); }}>suspect ${under.rank}</a>, which called for it.</span></li>`}
      ${!s.significant && html`<li class="neg"><span class="kd">a hint</span><span>It may be chance: the difference is too small for so few calls.</span></li>`}</ul></details>`;
}

// suspects in their order; normal: the window that they are held against, in words.
export function Suspects({ suspects, slow, normal, window, query }) {
  const [more, setMore] = useState(query.suspects == 'all'), total = suspects.reduce((n, s) => n + s.score, 0), shown = more ? suspects : suspects.slice(0, MOST);
  if (!suspects.length) return html`<section class="blk" aria-labelledby="su"><header><h2 id="su">Suspects</h2></header><p class="m2">None yet: no place does so differently from normal that it would not be chance.</p></section>`;
  return html`<section class="blk" aria-labelledby="su"><header><h2 id="su">Suspects</h2><span class="m3 s">by their share of what all of them explain, against ${normal}</span></header><div>
    ${shown.map((s, i) => html`<${Suspect} key=${s.rank + placeOf(s)} s=${s} all=${suspects} total=${total} slow=${slow} open=${i == 0} window=${window}/>`)}</div>
    ${suspects.length > shown.length && html`<button class="btn bare" onClick=${() => { setMore(true); setQuery({ suspects: 'all' }, { replace: true }); }}><${Icon} n="right"/>${suspects.length - shown.length} more, weaker</button>`}</section>`;
}
