// trace.js: the page of one trace: verdict, facts, waterfall or flame or table, the selected span beside it, and two traces compared.
import { html, useEffect, useMemo, useRef, useState } from '../html.js';
import { Icon, Mark, hues } from '../draw/marks.js';
import { count, middle, ms, parseTime, plural, when, zoneName } from '../draw/text.js';
import { apiUrl, ask, useApi } from '../frame/api.js';
import { useKeys } from '../frame/keys.js';
import { Menu, copy, tell } from '../frame/menu.js';
import { Failed } from '../frame/states.js';
import { useTitle } from '../frame/title.js';
import { go, href, setQuery } from '../frame/url.js';
import { condition, write } from '../traces/line.js';
import { Flame } from '../trace/flame.js';
import { firstDifference, modelOf, nameOf, operationOf, summary } from '../trace/model.js';
import { Panel } from '../trace/panel.js';
import { Waterfall } from '../trace/waterfall.js';
import { verdict } from '../trace/words.js';

const useModel = (layout, fit) => useMemo(() => layout && modelOf(layout, fit), [layout, fit]);
function usePhone() {
  const media = matchMedia('(max-width:720px)'), [phone, set] = useState(media.matches);
  useEffect(() => { const f = e => set(e.matches); media.addEventListener('change', f); return () => media.removeEventListener('change', f); }, []);
  return phone;
}
function useNameWidth() {
  const [width, set] = useState(() => { try { return Number(localStorage.names) || 400; } catch { return 400; } });
  return [width, w => { set(w); try { localStorage.names = w; } catch { /* not remembered then */ } }];
}

const Legend = () => html`<div class="legend wlegend"><span><i class="sw b"></i>failure began here</span><span><i class="sw p"></i>failure passed on</span><span><i class="sw self"></i>self time</span><span><i class="sw wait"></i>waits for a child</span><span><i class="sw ln inkln"></i>critical path</span></div>`;

function Summary({ m, hue, hops, select }) {
  return html`<div class="tsum"><table><thead><tr><th>Service and operation</th><th class="r">Count</th><th class="r">Failed</th><th class="r">Total</th><th class="r">Self</th></tr></thead><tbody>${summary(m, hops).map(r => html`<tr class="go" key=${r.row} onClick=${() => select(r.row)}>
    <td><span class="row"><i class="sq4" style=${{ background: `var(--s${hue(m.nodes[m.s.named[r.row]])})` }}></i>${r.failed > 0 && html`<${Mark} k=${r.began ? 'b' : 'p'}/>`}<button class="lnk q" onClick=${() => select(r.row)}><b>${nameOf(m, r.row)}</b> ${operationOf(m, r.row)}</button></span></td><td class="r">${count(r.count)}</td><td class="r">${r.failed || 0}</td><td class="r">${ms(r.total)}</td><td class="r">${ms(r.self)}</td></tr>`)}</tbody></table></div>`;
}

function differenceWords(a, b) {
  const d = firstDifference(a, b), at = (m, i) => `${nameOf(m, i)} ${operationOf(m, i)}`;
  if (!d) return 'no difference that stands out';
  if (d.kind == 'only') return `the first difference is ${at(a, d.row)}: only here`;
  if (d.kind == 'missing') return `the first difference is ${at(b, d.other)}: only in the other`;
  if (d.kind == 'failed') return `the first difference is ${at(a, d.row)}: ${a.s.lent[d.row] == 1 ? 'it failed here, not there' : 'it failed there, not here'}`;
  return `the first difference is ${at(a, d.row)}: ${ms(a.s.self_ns[d.row])} itself against ${ms(b.s.self_ns[d.other])}`;
}

function Partial({ m, layout, moved }) {
  const [host, off] = [...m.clocks.hosts][0] || [], t = layout.trace;
  return html`${layout.all_rows > layout.rows && html`<p class="note part s">${count(layout.all_rows)} spans: showing the critical path and failures, ${count(layout.rows)} of them.</p>`}
    ${m.missing > 0 && html`<p class="note part s">${plural(m.missing, 'span')} ${m.missing == 1 ? 'names a parent' : 'name parents'} that never came${m.missing == 1 ? `: something is missing above ${nameOf(m, m.s.orphan.findIndex(o => o))}` : ''}.</p>`}
    ${host && Math.abs(off) > 1e6 && html`<p class="note part s">The clock of ${host} is ${ms(Math.abs(off))} ${off > 0 ? 'ahead' : 'behind'}; ${moved ? 'its times are moved to fit' : 'times as sent'}. <button class="lnk" onClick=${() => setQuery({ clock: moved ? null : 'fit' }, { replace: true })}>${moved ? 'As sent' : 'Move them to fit'}</button></p>`}
    ${t.kept === 0 && html`<p class="note part s">The spans of this trace were not kept (store.keep).</p>`}`;
}

async function goodOne(layout) {
  const t = layout.trace, start = parseTime(t.start_time) / 1000, q = `${write(condition({ key: 'entry' }, t.entry_operation))} status=ok`;
  const { data } = await ask(apiUrl('search/traces', { q, from: (start - 3600).toFixed(3), to: (start + 3600).toFixed(3), limit: 50 }));
  const near = data.items.filter(x => x.trace_id != t.trace_id).sort((a, b) => Math.abs(parseTime(a.start_time) / 1000 - start) - Math.abs(parseTime(b.start_time) / 1000 - start))[0];
  if (near) setQuery({ with: near.trace_id, span: null }); else tell('No good one within an hour of it');
}

function Head({ layout, m, id, query, view, hops, moved, other }) {
  const [before, place, behind] = verdict(layout), t = layout.trace, bad = t.status == 'error', b = layout.began;
  const heading = other ? html`${bad && html`<${Mark} k="b"/> `}${middle(t.entry_operation, 160)}, two traces: ${differenceWords(m, other)}.` : html`${bad && html`<${Mark} k="b"/> `}${before}${place && html`<a class="q u" href=${b.caller ? href('/graph', { sel: `${b.caller.namespace}/${b.caller.service}>${b.callee.namespace ? b.callee.namespace + '/' : ''}${b.callee.service}` }) : href(`/service/${[b.callee.cluster, b.callee.namespace, b.callee.service].map(x => encodeURIComponent(x || '-')).join('/')}`)}>${place}</a>`}${behind}`;
  const api = 'traces/' + id, items = [['Link', () => location.href], ['JSON', async () => JSON.stringify((await ask(apiUrl(api))).data, null, 2)], ['SQL', () => `SELECT * FROM span WHERE trace_id = '${t.trace_id}' ORDER BY start_ns;`], ['curl', () => `curl -s '${location.origin}${apiUrl(api)}'`], ['Command line', () => `faultline trace ${t.trace_id} --url ${location.origin}`]];
  const views = [['', 'Waterfall'], ['flame', 'Flame'], ['table', 'Table']];
  return html`<div class="whead"><h1>${heading}</h1>
    <div class="row w s m2 wfacts"><span title=${new Date(parseTime(t.start_time)).toString()}>${when(parseTime(t.start_time), 2)} ${zoneName()}</span><span>${plural(t.span_count, 'span')}, ${plural(t.service_count, 'service')}</span><span>${t.complete ? 'complete' : `incomplete${t.parts > 1 ? `, in ${t.parts} pieces` : ''}`}</span>
      <span class="row tid"><code>${t.trace_id}</code><button class="btn bare" aria-label="Copy trace id" onClick=${() => copy(t.trace_id, 'Trace id copied')}><${Icon} n="copy"/></button></span><span class="grow"></span>
      <span class="row only-l wtools"><span class="seg" role="group" aria-label="View">${views.map(([v, words]) => html`<button key=${v} aria-pressed=${view == v ? 'true' : 'false'} onClick=${() => setQuery({ view: v })}>${words}</button>`)}</span>
        ${m.hops.length > 0 && html`<button class="btn" aria-pressed=${hops ? 'true' : 'false'} onClick=${() => setQuery({ hops: hops ? null : '1' }, { replace: true })}>${hops ? 'Fold' : 'Show'} ${plural(m.hops.length, 'sidecar span')}</button>`}
        ${query.with ? html`<button class="btn" onClick=${() => setQuery({ with: null })}>Only this one</button>` : html`<button class="btn" onClick=${() => goodOne(layout).catch(e => tell(e.message))}>Compare with a good one</button>`}<${Menu} items=${items}/></span></div>
    <${Partial} m=${m} layout=${layout} moved=${moved}/></div>`;
}

function Find({ value }) {
  return html`<input type="search" placeholder="Find in trace" aria-label="Find in trace" value=${value} onInput=${e => setQuery({ find: e.target.value }, { replace: true })} onKeyDown=${e => { if (e.key == 'Escape') { e.stopPropagation(); setQuery({ find: null }, { replace: true }); e.target.blur(); } if (e.key == 'Enter') e.target.closest('.wtop').querySelector('.wcol .lnk')?.click(); }}/>`;
}

function Side({ phone, open, close, children }) {
  const dialog = useRef(null);
  useEffect(() => { if (phone && open && !dialog.current.open) dialog.current.showModal(); if (phone && !open && dialog.current.open) dialog.current.close(); }, [phone, open]);
  return phone ? html`<dialog class="sheet wsheet" aria-label="Selected span" ref=${dialog} onClose=${close} onClick=${e => { if (e.target == dialog.current) close(); }}>${open && html`${children}<button class="btn top16" onClick=${close}>Close</button>`}</dialog>`
    : html`<aside class="wside" aria-label="Selected span">${children}</aside>`;
}

export function Trace({ id, query }) {
  const answer = useApi(`traces/${id}/layout`, {}, { timeless: true }), second = useApi(query.with ? `traces/${query.with}/layout` : null, {}, { timeless: true });
  const layout = answer.data, moved = query.clock == 'fit', m = useModel(layout, moved), other = useModel(query.with ? second.data : null, moved), phone = usePhone(), [nameWidth, setNameWidth] = useNameWidth(), [sheet, showSheet] = useState(false);
  const hue = useMemo(() => m && hues([...m.nodes, ...other?.nodes || []].filter(n => n.service)), [m, other]), find = query.find ?? query.uiFind ?? '', hops = query.hops == '1', view = query.view == 'waterfall' ? '' : query.view || '';
  const wanted = m && query.span ? m.s.span_id.indexOf(query.span) : -1, selected = m ? wanted >= 0 ? wanted : layout.began?.row ?? 0 : 0;
  const select = i => { if (i != null && i >= 0) { setQuery({ span: i == (layout.began?.row ?? 0) ? null : m.s.span_id[i] }, { replace: true }); if (phone) showSheet(true); } };
  const t = layout?.trace;
  useTitle(t && `${middle(t.entry_operation, 80)}${t.status == 'error' && layout.spans.status[0] >= 400 ? ' ' + layout.spans.status[0] : ''}, ${ms(t.duration_ns)}`, `trace ${id.slice(0, 8)}`);
  useKeys({ f: () => setQuery({ view: view == 'flame' ? null : 'flame' }), Escape: () => query.with ? setQuery({ with: null }) : find ? setQuery({ find: null }) : go(href('/traces')) });
  if (answer.error) return html`<main id="main" tabindex="-1">${answer.error.status == 404 || answer.error.status == 400 ? html`<h1 class="big">There is no trace ${id}.</h1><p class="m2 note">It may be older than what is kept, or still on its way: a trace shows about ten seconds after its last span. <button class="lnk" onClick=${answer.again}>Look again</button></p>` : html`<${Failed} what="The trace" error=${answer.error} again=${answer.again}/>`}</main>`;
  if (!m) return html`<main id="main" tabindex="-1"><h1 class="sr">Trace ${id}</h1></main>`;
  const common = { hue, hops, selected, select };
  const fall = (model, extra) => html`<${Waterfall} key=${model.layout.trace.trace_id} m=${model} ...${common} find=${find} phone=${phone} zoomText=${extra.selected == null ? query.zoom : null} nameWidth=${nameWidth} setNameWidth=${setNameWidth} ...${extra}/>`;
  return html`<main id="main" class="wpage" tabindex="-1"><${Head} layout=${layout} m=${m} id=${id} query=${query} view=${view} hops=${hops} moved=${moved} other=${other}/>
    ${other ? html`<div class="wtwo"><div class="wf" style=${{ '--namew': nameWidth + 'px' }}>${fall(m, { title: html`<b class="el">this, ${ms(t.duration_ns)}</b>` })}</div><div class="wf" style=${{ '--namew': nameWidth + 'px' }}>${fall(other, { selected: other.layout.began?.row ?? 0, select: () => {}, title: html`<a class="el" href=${href('/trace/' + other.layout.trace.trace_id)}>${other.layout.trace.status == 'error' ? 'another' : 'a good one'}, ${ms(other.layout.trace.duration_ns)}</a>` })}</div></div>`
      : html`<div class="wf" tabindex="-1" style=${{ '--namew': nameWidth + 'px' }}>${view == 'flame' ? html`<${Flame} m=${m} ...${common}/>` : view == 'table' ? html`<${Summary} m=${m} ...${common}/>` : fall(m, { title: html`<${Find} value=${find}/>`, legend: html`<${Legend}/>` })}</div>`}
    ${query.with && second.error && html`<${Failed} what="The other trace" error=${second.error} again=${second.again}/>`}
    <${Side} phone=${phone} open=${sheet} close=${() => showSheet(false)}><${Panel} m=${m} i=${selected} hops=${hops} key=${phone}/></${Side}></main>`;
}
