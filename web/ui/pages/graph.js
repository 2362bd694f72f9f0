// graph.js: the call graph: overlays, what is selected, folds and focus, find, the table, and three hours below to travel in.
import { html, useMemo } from '../html.js';
import { command, curlOf, useApi } from '../frame/api.js';
import { useKeys } from '../frame/keys.js';
import { Menu } from '../frame/menu.js';
import { useRange } from '../frame/range.js';
import { Empty, Failed, useTitle } from '../frame/states.js';
import { usePhone } from '../frame/store.js';
import { setQuery, showQuery } from '../frame/url.js';
import { Chart } from '../draw/chart.js';
import { Icon } from '../draw/marks.js';
import { Seg, Select, Swatch, Word } from '../draw/parts.js';
import { clock, count, iso, parseTime, plural, rate, share, span } from '../draw/text.js';
import { EdgePanel, NodePanel, wayWords } from '../graph/panel.js';
import { edgeHref, idOf, nameOf, nameOfId, pairOfIds } from '../graph/names.js';
import { findSelected, keysOf } from '../graph/select.js';
import { best, byHarm, ratio, seriesOf } from '../graph/numbers.js';
import { matchesOf } from '../graph/match.js';
import { needsBase, overlaid, OVERLAYS } from '../graph/overlay.js';
import { Picture } from '../graph/picture.js';
import { isTwin } from '../graph/ways.js';
import { asText, EdgeTable } from '../graph/table.js';

const MOST = 150, TABLE_ONLY = 2000, HOURS_MS = 3 * 36e5; /* nodes shown at once; edges beyond which there is no picture; time below it */

const BASES = { '': 0, day: 1440, week: 10080 }; /* minutes back; 0: the window before */
// The window to compare with, as the API takes it: relative while live, so that a beat asks the same question.
function baseOf(r, kind = '') {
  if (/\.\./.test(kind)) return kind;
  const length = r.toMs - r.fromMs, minutes = Math.round(length / 6e4), back = BASES[kind] || 0, shift = back ? back * 6e4 : length;
  return r.live && r.relative ? `${(back || minutes) + minutes}m..${back || minutes}m`
    : `${iso(r.fromMs - shift)}..${iso(r.toMs - shift)}`;
}
const baseWords = (r, own, words) =>
  [['', !own && words || `${clock(2 * r.fromMs - r.toMs)}–${clock(r.fromMs)}`], ['day', 'same time yesterday'], ['week', 'same time last week'],
  ...own ? [[own, own]] : []];

const Sign = ({ n, c, children }) => html`<span><${Icon} n=${n} c=${c}/>${children}</span>`;
const Legend = ({ overlay, words }) => html`<div class="glegend">${{
  fault: () => html`<${Swatch} c="b">began on this edge</${Swatch}><${Swatch} c="lad">passed on: began further right</${Swatch}>
    <${Swatch} c="ln quiet">no failures; width = calls</${Swatch}>
    <${Sign} n="turn" c="turn">hairpin</${Sign}><${Sign} n="open" c="plain">plaintext</${Sign}><${Sign} n="cross">other cluster</${Sign}>
      <${Swatch} c="ln queue">through a queue</${Swatch}>`,
  slow: () => html`<${Swatch} c="slow">slowness began here</${Swatch}><${Swatch} c="waits">slow because it waits</${Swatch}>
    <span>labels: p95 seen by the caller; the rest on hover</span><span>against ${words}</span>`,
  sec: () => html`<${Sign} n="lock">mTLS</${Sign}><${Sign} n="tls">TLS</${Sign}><${Sign} n="open" c="plain">plaintext</${Sign}>`,
  cross: () => html`<${Sign} n="cross">other cluster or zone</${Sign}>
    <${Sign} n="turn" c="turn">hairpin: out by a gateway and back</${Sign}><${Sign} n="ext">leaves the mesh</${Sign}>`,
  diff: () => html`<span class="good">+ new, faster</span><span class="m3">− gone</span><span class="fault">redder</span>
    <span class="slow">slower</span><span>against ${words}</span>`,
}[overlay]()}</div>`;

// Three hours of what users saw: the failed share, the requests behind it, the window on show. Dragging chooses another.
function Strip() {
  const r = useRange(), length = Math.max(HOURS_MS, (r.toMs - r.fromMs) * 1.5),
    { data: d } = useApi('series', { from: r.live ? `${Math.round(length / 6e4)}m` : iso(r.toMs - length) });
  if (!d) return html`<div class="gtime"></div>`;
  const { x, v, from } = seriesOf(d, d.from), requests = v(d.requests),
    failed = d.failed.map((n, i) => requests[i] == null ? null : ratio(n, d.requests[i]) * 100),
    last = requests.findLast((n, i) => n != null && d.seconds[i] >= d.step_ns / 1e9);
  const worst = Math.max(...failed, 0), max = [1, 2, 4, 6, 10, 20, 40, 60, 100].find(m => m >= worst * 1.15) || 100,
    most = Math.max(...requests, 0) || 1;
  return html`<div class="gtime">
    <${Chart} h=${66} l=${38} r=${14} x=${x} from=${r.toMs - length} to=${r.toMs} max=${max} ticks=${[0, max]} fmt=${t => t + ' %'}
    win=${[r.fromMs, r.toMs]}
    label=${`Share of failed user requests, ${span(from, r.toMs)}; the window is ${span(r.fromMs, r.toMs)}`}
      marks=${[{ at: r.fromMs, label: last == null ? 'no requests' : `requests ${rate(last)}`, left: true, colour: '--ink-3' }]}
    series=${[{ v: failed }, { v: requests.map(n => n == null ? null : n / most * max * .72), kind: 'line', stroke: '--ctl', w: 1 }]}/>
      </div>`;
}

function Changes({ g, keys, query, words }) {
  const size = ({ e }) => Math.max(e.errors, e.was.errors) * 1e6 + Math.max(e.calls, e.was.calls),
    rows = g.drawn.filter(d => d.hot).sort((a, b) => size(b) - size(a));
  return html`<h1>${plural(rows.length, 'change')}</h1><p class="s m2">against ${words}, largest first</p>
    <ol class="chg kinds">${rows.map(d => { const { e, what, cls, label, rate } = d; return html`<li key=${e.id}>
    <span class=${({ gd: 'good', f: 'fault', sl: 'slow' }[cls] || 'm3') + ' s nw'}>${what || 'faster'}</span>
      <span><a class="q" href=${edgeHref(keys(e.caller), keys(e.callee), query)}><b>${pairOfIds(e)}</b></a>
    <small>${what == 'new' ? rate.text : what == 'gone' ? `was ${count(e.was.calls)} calls` : label}${
    rows.some(o => o != d && isTwin(o, d)) && ', ' + wayWords(e)}</small></span></li>`; })}</ol>`;
}

/* ---- the bar above ---- */

const VERSIONS = [['', 'where they differ'], ['always', 'always'], ['never', 'never']],
  FOLDS = [['', 'quiet namespaces'], ['nothing', 'nothing'], ['all', 'all namespaces']],
  STEPS = [['1', '1 step'], ['2', '2 steps'], ['3', '3 steps']];
const known = (options, value) => options.some(([v]) => v == value) ? value : '';
const List = ({ words, c = ' only-l', ...list }) => html`<label class=${'row s m2' + c}>${words} <${Select} label=${words} ...${list}/></label>`;
const Chip = ({ children, clear, what }) =>
  html`<span class="chip">${children} <button aria-label=${what} onClick=${clear}>×</button></span>`;

function Bar({ g, overlay, setOverlay, query, matches, words, counts, around, table, phone, asTable }) {
  const r = useRange(), own = /\.\./.test(query.base) && query.base, open = query.unfold?.split(',') || [],
    cut = g && g.nodes.length < g.all.nodes && !g.all.folds && !query.focus;
  const against = v => setQuery({ base: v == '?' ? baseOf({ ...r, live: false }) : v }), find = e => showQuery({ find: e.target.value });
  return html`<div class="gbar" role="toolbar" aria-label="Graph">
    <${Seg} label="Overlay" options=${OVERLAYS} value=${overlay} set=${setOverlay}/>
    ${overlay == 'diff'
      && html`<${List} words="against" c="" value=${query.base || ''} set=${against}
      options=${[...baseWords(r, own, !query.base && g?.base && words), ...own ? [] : [['?', 'another window …']]]}/>`}
    ${overlay == 'diff' && own
      && html`<input type="text" aria-label="Window to compare with" class="gfind" value=${own}
      onChange=${e => /\.\./.test(e.target.value) && setQuery({ base: e.target.value.trim() })}/>`}
    <${List} words="Versions" options=${VERSIONS} value=${known(VERSIONS, query.versions)} set=${v => setQuery({ versions: v })}/>
      <${List} words="Fold" options=${FOLDS} value=${known(FOLDS, query.fold)} set=${v => setQuery({ fold: v, unfold: null })}/>
    <input type="search" class="gfind only-l" aria-label="Find in graph" placeholder="Find: name, ns:, fail>1%" value=${query.find || ''}
      onInput=${find}/>
    ${query.focus
      && html`<${Chip} what="Show all again" clear=${() => setQuery({ focus: null, hops: null })}><span>around <b>${around}</b>,</span>
      <${Select} label="Steps" c="inchip" options=${STEPS} value=${query.hops || '1'}
      set=${v => setQuery({ hops: v == '1' ? null : v })}/></${Chip}>`}
    ${open.length > 0
      && html`<${Chip} what="Fold again" clear=${() => setQuery({ unfold: null })}>
      ${open.length > 1 ? `${open.length} namespaces` : open} unfolded</${Chip}>`}
    <span class="s m3 el">${matches ? `${count(matches.edges.size)} of ${plural(g.edges.length, 'edge')} match` : overlay != 'diff' && !phone && counts}</span>
    ${cut && html`<${Word} c="s only-l nw" act=${() => setQuery({ all: 1 })}>show all</${Word}>`}
    ${asTable && g
      && html`<${Menu} c="bare only-l"
      items=${[['CSV', () => asText(g, 'csv')], ['Markdown', () => asText(g, 'markdown')], ['curl', () => curlOf('graph')],
      ['Command', () => command('graph --format table')]]}/>`}
    <${Seg} label="View" options=${[['graph', 'Graph'], ['table', 'Table']]} value=${table ? 'table' : 'graph'}
      set=${v => setQuery({ view: v == (phone ? 'table' : 'graph') ? null : v })}/></div>`;
}

const countsOf = g =>
  g.nodes.length < g.all.nodes && !g.all.folds ? `${count(g.nodes.length)} of ${count(g.all.nodes)} shown` : g.all.folds
  ? `${plural(g.all.nodes, 'service')}, ${plural(g.all.folds, 'quiet namespace')} folded`
  : `${plural(g.nodes.length, 'node')}, ${plural(g.edges.length, 'edge')}${g.seen
    ? `, ${share(g.seen_both / g.seen)} of calls seen from both sides` : ''}`;

// Of the calls between two nodes that change their zone, from where to where most do: "from → to" by "caller>callee".
function zonesOf(items) {
  return new Map(items.filter(x => x.from_zone != x.to_zone).sort((a, b) => a.calls - b.calls)
    .map(x => [`${idOf(x.caller)}>${idOf(x.callee)}`, `${x.from_zone} → ${x.to_zone}`]));
}

export function Graph({ query }) {
  const r = useRange(), phone = usePhone(), overlay = OVERLAYS.some(([k]) => k == query.overlay) ? query.overlay : 'fault',
    table = query.view == 'table' || (phone && query.view != 'graph'), compares = needsBase(overlay);
  const answer = useApi('graph',
    { crossings: 'joined', ...table ? {} : { fold: { nothing: 'none', all: 'all' }[query.fold] || 'quiet', unfold: query.unfold }, focus: query.focus,
    hops: query.focus && (query.hops || 1),
    versions: query.versions == 'never' ? null : 'show', most: table || query.all ? null : MOST,
      base: compares ? baseOf(r, query.base) : null, gone: overlay == 'diff' ? 'show' : null }), { data } = answer;
  const zones = useApi(overlay == 'cross' ? 'zones' : null, { limit: 1000 }).data;
  const blind = overlay == 'diff' && data?.base?.seconds == 0, /* all would be new */
    drawn = blind || compares && !data?.base ? 'fault' : overlay;
  const g = useMemo(() => data?.edges && overlaid(data, drawn, zones && zonesOf(zones.items)), [data, drawn, zones]),
    keys = useMemo(() => g ? keysOf(g.nodes) : x => x, [g]);
  const matches = useMemo(() => matchesOf(g, query.find), [g, query.find]),
    worst = g && g.edges.filter(e => e.mark).sort(byHarm)[0];
  const late = drawn == 'slow' && g && best(g.drawn.filter(d => d.kind == 's'), ({ e }) => (e.p95_ns - e.was.p95_ns) * e.calls)?.e;
  const selected = findSelected(g, query.sel), shown = selected || (overlay != 'diff' && worst) || late || null, node = shown?.node,
    centre = findSelected(g, query.focus)?.node;
  const edge = e => showQuery({ sel: `${keys(e.caller)}>${keys(e.callee)}` });
  const act = (n, further) =>
    !further ? showQuery({ sel: keys(n.id) }) : n.fold
    ? setQuery({ unfold: [...new Set([...query.unfold?.split(',') || [], n.fold.name])].join(','), sel: null })
    : setQuery({ focus: keys(n.id), hops: null, sel: keys(n.id) });
  const setOverlay = k => setQuery({ overlay: k == 'fault' ? null : k, base: needsBase(k) ? query.base : null });
  useKeys({ ...Object.fromEntries(OVERLAYS.map(([k], i) => [i + 1, () => setOverlay(k)])),
    Escape: () => query.sel ? showQuery({ sel: null }) : query.focus ? setQuery({ focus: null, hops: null }) : false });
  const name = node ? nameOf(node) : shown && pairOfIds(shown), bad = worst && pairOfIds(worst);
  useTitle(worst && `${bad}: failures ${worst.mark == 'began' ? 'began here' : 'passed on'}`, name != bad && name, 'Graph',
    span(r.fromMs, r.toMs));
  const many = g?.edges.length > TABLE_ONLY, asTable = table || many, counts = g && countsOf(g),
    words = g?.base ? span(parseTime(g.base.from), parseTime(g.base.to)) + (g.base.seconds ? '' : ', of which nothing is known') : '',
    empty = g && !g.nodes.length;
  const around = query.focus && (centre ? nameOf(centre) : nameOfId(query.focus)),
    failed = answer.error && html`<${Failed} what="The graph" answer=${answer}/>`, common = { matches, edge, keys, query };
  return html`<main id="main" tabindex="-1" class="gpage">
    <${Bar} ...${{ g, overlay, setOverlay, query, matches, words, counts, around, table, phone, asTable }}/>
    ${(!g && !failed) || (g && !empty && !asTable)
      ? g ? html`<${Picture} graph=${g} overlay=${drawn} selected=${shown} versions=${query.versions} act=${act} ...${common}>
      <${Legend} overlay=${drawn} words=${words}/></${Picture}>` : html`<div class="gcanvas"></div>`
    : html`<div class="gphone gwide">${failed}${empty && html`<${Empty} around=${around}/>`}${g && !empty && [
      many && !table
        && html`<p class="note part">
        ${plural(g.edges.length, 'edge')} are too many for a picture: all of them are here, and the find box narrows them.</p>`,
      g.truncated && html`<p
        class="note part">The graph was cut at ${count(g.all.edges)} edges. Ask for less time, or for one namespace.</p>`,
        html`<${EdgeTable} graph=${g} selected=${selected} ...${common}/>`]}</div>`}
    <aside class="gside" aria-label=${node ? 'Selected node' : 'Selected edge'}>
      ${g && !empty && (node ? html`<${NodePanel} node=${node} graph=${g} keys=${keys} act=${act}/>`
      : shown ? html`<${EdgePanel} key=${shown.caller + '>' + shown.callee} caller=${shown.caller} callee=${shown.callee} keys=${keys}/>`
        : blind ? html`<h1>Nothing to compare with</h1><p class="m2 says">Against ${words}. Choose another window above.</p>`
        : overlay == 'diff' && g.base ? html`<${Changes} g=${g} keys=${keys} query=${query} words=${words}/>`
      : query.sel ? html`<p class="m2">Nothing in this window is called <b>${query.sel}
        </b>. <${Word} act=${() => setQuery({ sel: null })}>Clear</${Word}></p>`
      : html`<h1>No failures stand out</h1><p class="m2 says">${counts}. Choose a node or an edge for its numbers.</p>`)}</aside>
        <${Strip}/></main>`;
}
