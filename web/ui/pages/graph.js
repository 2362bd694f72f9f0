// graph.js: the call graph: overlays, what is selected, folds and focus, find, the table, and three hours below to travel in.
import { html, useEffect, useMemo, useState } from '../html.js';
import { curlOf, useApi } from '../frame/api.js';
import { useKeys } from '../frame/keys.js';
import { freeze, useRange } from '../frame/range.js';
import { Empty, Failed } from '../frame/states.js';
import { setQuery } from '../frame/url.js';
import { useTitle } from '../frame/title.js';
import { Chart } from '../draw/chart.js';
import { Icon } from '../draw/marks.js';
import { clock, count, iso, parseTime, plural, rate, share, span } from '../draw/text.js';
import { EdgePanel, NodePanel } from '../graph/panel.js';
import { perSecond } from '../graph/numbers.js';
import { asText, EdgeTable } from '../graph/table.js';
import { Menu } from '../frame/menu.js';
import { edgeHref, findSelected, keysOf, nameOf, nameOfId, ratio } from '../graph/names.js';
import { matchesOf } from '../graph/match.js';
import { needsBase, overlaid, OVERLAYS } from '../graph/overlay.js';
import { Picture } from '../graph/picture.js';

const MOST = 150, TABLE_ONLY = 2000; /* nodes shown at once; edges beyond which there is no picture */
const HOURS_MS = 3 * 36e5;

const BASES = [['', r => `${clock(2 * r.fromMs - r.toMs)}–${clock(r.fromMs)}`], ['day', () => 'same time yesterday'], ['week', () => 'same time last week']];
// The window to compare with, as the API takes it: relative while live, so that a beat asks the same question.
export function baseOf(r, kind) {
  if (/\.\./.test(kind || '')) return kind;
  const back = { day: 1440, week: 10080 }[kind] || 0, minutes = Math.round((r.toMs - r.fromMs) / 6e4);
  if (r.live && r.relative) return back ? `${back + minutes}m..${back}m` : `${2 * minutes}m..${minutes}m`;
  const shift = back ? back * 6e4 : r.toMs - r.fromMs;
  return `${iso(r.fromMs - shift)}..${iso(r.toMs - shift)}`;
}

const Legend = ({ overlay, words }) => html`<div class="glegend">${{
  fault: html`<span><i class="sw b"></i>began on this edge</span><span><i class="sw lad"></i>passed on: began further right</span><span><i class="sw ln quiet"></i>no failures; width = calls</span>
    <span><${Icon} n="turn" c="turn"/>hairpin</span><span><${Icon} n="open" c="plain"/>plaintext</span><span><${Icon} n="cross"/>other cluster</span><span><i class="sw ln queue"></i>through a queue</span>`,
  slow: html`<span><i class="sw slow"></i>slowness began here</span><span><i class="sw waits"></i>slow because it waits</span><span>labels: p95 seen by the caller; the rest on hover</span><span>against ${words}</span>`,
  sec: html`<span><${Icon} n="lock"/>mTLS</span><span><${Icon} n="tls"/>TLS</span><span><${Icon} n="open" c="plain"/>plaintext</span>`,
  cross: html`<span><${Icon} n="cross"/>other cluster, zone or namespace</span><span><${Icon} n="turn" c="turn"/>hairpin: out by a gateway and back</span><span><${Icon} n="ext"/>leaves the mesh</span>`,
  diff: html`<span class="good">+ new</span><span class="fault">redder</span><span class="slow">slower</span><span>against ${words}</span>`,
}[overlay]}</div>`;

// Three hours of what users saw: the failed share, the requests behind it, the window on show. Dragging chooses another.
function Strip({ r }) {
  const length = Math.max(HOURS_MS, (r.toMs - r.fromMs) * 1.5), { data } = useApi('series', { from: r.live ? `${Math.round(length / 6e4)}m` : iso(r.toMs - length) });
  if (!data) return html`<div class="gtime" style=${{ height: '80px' }}></div>`;
  const from = parseTime(data.from), requests = perSecond(data, from, data.requests), failed = data.failed.map((n, i) => requests.v[i] == null ? null : ratio(n, data.requests[i]) * 100);
  const worst = Math.max(...failed, 0), max = [1, 2, 4, 6, 10, 20, 40, 60, 100].find(m => m >= worst * 1.15) || 100, most = Math.max(...requests.v, 0), last = requests.v.findLast((v, i) => v != null && data.seconds[i] >= data.step_ns / 1e9);
  const scaled = requests.v.map(v => v == null ? null : v / (most || 1) * max * .72);
  return html`<div class="gtime"><${Chart} h=${66} l=${38} r=${14} x=${requests.x} from=${r.toMs - length} to=${r.toMs} max=${max} ticks=${[0, max]} fmt=${v => v + ' %'}
    label=${`Share of failed user requests, ${span(from, r.toMs)}; the window is ${span(r.fromMs, r.toMs)}`} win=${[r.fromMs, r.toMs]} onSelect=${(a, b) => freeze(a, b)}
    series=${[{ v: failed }, { v: scaled, kind: 'line', stroke: '--ctl', w: 1 }]} marks=${[{ at: r.fromMs, label: last == null ? 'no requests' : `requests ${rate(last)}`, side: 'l', colour: '--ink-3' }]}/></div>`;
}

function Changes({ g, keys, query }) {
  const rows = g.drawn.filter(d => d.hot).sort((a, b) => b.e.errors - a.e.errors || b.e.calls - a.e.calls);
  return html`<section><h1>${plural(rows.length, 'change')}</h1><p class="s m2">against ${span(parseTime(g.base.from), parseTime(g.base.to))}, largest first</p>
    <ol class="chg" style=${{ marginTop: '8px' }}>${rows.map(d => html`<li key=${d.e.id}><span class=${{ gd: 'good', f: 'fault', sl: 'slow' }[d.cls] + ' s nw'}>${d.cls == 'gd' && !d.e.was.calls ? 'new' : { gd: 'faster', f: 'redder', sl: 'slower' }[d.cls]}</span><span></span>
      <span><a class="q" href=${edgeHref(keys(d.e.caller), keys(d.e.callee), query)}><b>${nameOfId(d.e.caller)} → ${nameOfId(d.e.callee)}</b></a><small>${d.e.was.calls ? d.label : d.rate.text}</small></span></li>`)}</ol></section>`;
}

export function Graph({ query }) {
  const r = useRange(), overlay = OVERLAYS.some(([k]) => k == query.overlay) ? query.overlay : 'fault', [find, setFind] = useState(query.find || '');
  const phone = matchMedia('(max-width:720px)').matches, table = query.view == 'table' || (phone && query.view != 'graph');
  const base = needsBase(overlay) ? baseOf(r, query.base) : null;
  const { data, error, again } = useApi('graph', { fold: table ? null : query.fold == 'nothing' ? 'none' : query.fold == 'all' ? 'all' : 'quiet', unfold: table ? null : query.unfold, focus: query.focus, hops: query.focus && (query.hops || 1),
    versions: query.versions == 'never' ? null : 'show', most: table || query.all ? null : MOST, base });
  const g = useMemo(() => data && data.edges && overlaid(data, !needsBase(overlay) || data.base ? overlay : 'fault'), [data, overlay]);
  const keys = useMemo(() => g ? keysOf(g.nodes) : x => x, [g]), matches = useMemo(() => matchesOf(g, query.find), [g, query.find]);
  const worst = g && [...g.edges].filter(e => e.mark).sort((a, b) => (b.mark == 'began') - (a.mark == 'began') || b.errors_origin - a.errors_origin || b.errors - a.errors)[0];
  const selected = findSelected(g, query.sel), shown = selected || (overlay != 'diff' && worst && { caller: worst.caller, callee: worst.callee }) || null;
  useEffect(() => setFind(query.find || ''), [query.find]);
  const select = (node, edge) => setQuery({ sel: node ? keys(node.id) : edge ? `${keys(edge.caller)}>${keys(edge.callee)}` : null }, { replace: true });
  const focus = n => setQuery({ focus: keys(n.id), hops: null, sel: keys(n.id) }), unfold = n => setQuery({ unfold: [...new Set([...(query.unfold || '').split(','), n.fold.name])].filter(Boolean).join(','), sel: null });
  const setOverlay = k => setQuery({ overlay: k == 'fault' ? null : k, base: needsBase(k) ? query.base : null });
  useKeys({ ...Object.fromEntries(OVERLAYS.map(([k], i) => [i + 1, () => setOverlay(k)])), Escape: () => query.sel ? setQuery({ sel: null }, { replace: true }) : query.focus ? setQuery({ focus: null, hops: null }) : false });
  const centre = query.focus && findSelected(g, query.focus)?.node, around = query.focus && (centre ? nameOf(centre) : nameOfId(query.focus));
  const name = shown ? shown.node ? nameOf(shown.node) : `${nameOfId(shown.caller)} → ${nameOfId(shown.callee)}` : null;
  useTitle(worst ? `${nameOfId(worst.caller)} → ${nameOfId(worst.callee)}: failures ${worst.mark == 'began' ? 'began here' : 'passed on'}` : null, name && (!worst || name != `${nameOfId(worst.caller)} → ${nameOfId(worst.callee)}`) && name, 'Graph', span(r.fromMs, r.toMs));
  const many = g && g.edges.length > TABLE_ONLY, asTable = table || many;
  const counts = g && (g.nodes.length < g.all.nodes && !g.all.folds ? `${count(g.nodes.length)} of ${count(g.all.nodes)} shown` : g.all.folds ? `${plural(g.all.nodes, 'service')}, ${plural(g.all.folds, 'quiet namespace')} folded`
    : `${plural(g.nodes.length, 'node')}, ${plural(g.edges.length, 'edge')}${g.seen ? `, ${share(g.seen_both / g.seen)} of calls seen from both sides` : ''}`);
  const words = g?.base ? span(parseTime(g.base.from), parseTime(g.base.to)) : '', empty = g && !g.nodes.length;
  return html`<main id="main" tabindex="-1" class="gpage">
  <div class="gbar" role="toolbar" aria-label="Graph">
    <div class="seg" role="group" aria-label="Overlay">${OVERLAYS.map(([k, t]) => html`<button key=${k} aria-pressed=${overlay == k ? 'true' : 'false'} onClick=${() => setOverlay(k)}>${t}</button>`)}</div>
    ${overlay == 'diff' && html`<label class="row s m2">against <select aria-label="Compare with" value=${query.base || ''} onChange=${e => setQuery({ base: e.target.value })}>${BASES.map(([k, t]) => html`<option key=${k} value=${k}>${t(r)}</option>`)}${/\.\./.test(query.base || '') && html`<option value=${query.base}>${query.base}</option>`}</select></label>`}
    <label class="row s m2 only-l">Versions <select aria-label="Versions" value=${query.versions || ''} onChange=${e => setQuery({ versions: e.target.value })}><option value="">where they differ</option><option value="always">always</option><option value="never">never</option></select></label>
    <label class="row s m2 only-l">Fold <select aria-label="Fold" value=${query.fold || ''} onChange=${e => setQuery({ fold: e.target.value, unfold: null })}><option value="">quiet namespaces</option><option value="nothing">nothing</option><option value="all">all namespaces</option></select></label>
    <form class="only-l" onSubmit=${e => { e.preventDefault(); setQuery({ find: find.trim() }, { replace: true }); }}><input type="search" class="gfind" aria-label="Find in graph" placeholder="Find: name, ns:, fail>1%" value=${find} onInput=${e => { setFind(e.target.value); setQuery({ find: e.target.value.trim() }, { replace: true }); }}/></form>
    ${query.focus && html`<span class="chip"><span>around <b>${around}</b>,</span><select aria-label="Steps" class="inchip" value=${query.hops || '1'} onChange=${e => setQuery({ hops: e.target.value == '1' ? null : e.target.value })}><option value="1">1 step</option><option value="2">2 steps</option><option value="3">3 steps</option></select> <button aria-label="Show all again" onClick=${() => setQuery({ focus: null, hops: null })}>×</button></span>`}
    ${query.unfold && html`<span class="chip">${query.unfold.split(',').length > 1 ? `${query.unfold.split(',').length} namespaces` : query.unfold} unfolded <button aria-label="Fold again" onClick=${() => setQuery({ unfold: null })}>×</button></span>`}
    <span class="grow"></span>
    <span class="s m3 only-l el">${matches ? `${count(matches.edges.size)} of ${plural(g.edges.length, 'edge')} match` : counts}</span>
    ${g && g.nodes.length < g.all.nodes && !g.all.folds && !query.focus && html`<button class="lnk s only-l nw" onClick=${() => setQuery({ all: 1 })}>show all</button>`}
    ${asTable && g && html`<${Menu} c="bare only-l" items=${[['Link', () => location.href], ['CSV', () => asText(g, 'csv')], ['Markdown', () => asText(g, 'markdown')], ['curl', () => curlOf('graph')], ['Command', () => 'faultline graph --format table']]}/>`}
    <div class="seg" role="group" aria-label="View"><button aria-pressed=${table ? 'false' : 'true'} onClick=${() => setQuery({ view: phone ? 'graph' : null })}>Graph</button><button aria-pressed=${table ? 'true' : 'false'} onClick=${() => setQuery({ view: phone ? null : 'table' })}>Table</button></div>
  </div>
  ${error && !g ? html`<div class="gphone gwide"><${Failed} what="The graph" error=${error} again=${again}/></div>` : !g ? html`<div class="gcanvas"></div>`
    : empty ? html`<div class="gphone gwide"><${Empty} r=${r} around=${around}/></div>`
      : asTable ? html`<div class="gphone gwide">${error && html`<${Failed} what="The graph" error=${error} again=${again}/>`}${many && !table && html`<p class="note part">${plural(g.edges.length, 'edge')} are too many for a picture: all of them are here, and the find box narrows them.</p>`}
          ${g.truncated && html`<p class="note part">The graph was cut at ${count(g.all.edges)} edges. Ask for less time, or for one namespace.</p>`}
          <${EdgeTable} graph=${g} matches=${matches} selected=${selected} onSelect=${select} keys=${keys} query=${query}/></div>`
        : html`<${Picture} graph=${g} overlay=${overlay} selected=${shown} matches=${matches} versions=${query.versions} onSelect=${select} onFocus=${focus} onUnfold=${unfold}><${Legend} overlay=${overlay} words=${words}/></${Picture}>`}
  <aside class="gside" aria-label=${shown && shown.node ? 'Selected node' : 'Selected edge'}>${g && !empty && (shown ? shown.node ? html`<${NodePanel} node=${shown.node} graph=${g} keys=${keys} onFocus=${focus} onUnfold=${unfold}/>`
    : html`<${EdgePanel} key=${shown.caller + '>' + shown.callee} caller=${shown.caller} callee=${shown.callee} keys=${keys}/>`
    : overlay == 'diff' && g.base ? html`<${Changes} g=${g} keys=${keys} query=${query}/>`
      : query.sel ? html`<p class="m2">Nothing in this window is called <b>${query.sel}</b>. <button class="lnk" onClick=${() => setQuery({ sel: null })}>Clear</button></p>`
        : html`<h1>No failures stand out</h1><p class="m2" style=${{ marginTop: '6px' }}>${counts}. Choose a node or an edge for its numbers.</p>`)}</aside>
  <${Strip} r=${r}/></main>`;
}
