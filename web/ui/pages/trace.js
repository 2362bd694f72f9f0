// trace.js: the page of one trace: verdict, facts, waterfall or flame or table, the selected span beside it, and two traces compared.
import { html, useMemo, useState } from '../html.js';
import { hues } from '../draw/hues.js';
import { Icon, Mark } from '../draw/marks.js';
import { Seg, Swatch, Word, flag } from '../draw/parts.js';
import { cell, Table } from '../draw/table.js';
import { count, ms, parseTime, plural, when, zoneName, shortId } from '../draw/text.js';
import { apiUrl, ask, curl, useApi } from '../frame/api.js';
import { useKeys } from '../frame/keys.js';
import { Dialog, Menu, copyItem, tell } from '../frame/menu.js';
import { Failed, NoPage, Page, useTitle } from '../frame/states.js';
import { remember, remembered } from '../frame/memory.js';
import { usePhone } from '../frame/store.js';
import { go, href, setQuery, showQuery } from '../frame/url.js';
import { edgeHref, selOf, serviceHref, traceHref } from '../graph/names.js';
import { condition, write } from '../traces/line.js';
import { Flame } from '../trace/flame.js';
import { modelOf, nameOf, nodeOf, operationOf, summary } from '../trace/model.js';
import { Panel } from '../trace/panel.js';
import { Waterfall } from '../trace/waterfall.js';
import { differenceWords, middle, verdict } from '../trace/words.js';

const Legend = () =>
  html`<div class="legend wlegend"><${Swatch} c="b">failure began here</${Swatch}><${Swatch} c="p">failure passed on</${Swatch}>
  <${Swatch} c="self">self time</${Swatch}><${Swatch} c="wait">waits for a child</${Swatch}>
  <${Swatch} c="ln inkln">critical path</${Swatch}></div>`;

const Summary = ({ m, hue, hops, select }) =>
  html`<div class="tsum">
  <${Table} rows=${summary(m, hops)} id=${r => r.row} name="Time by service and operation"
  rowProps=${r => ({ class: 'go', onClick: () => select(r.row) })} cols=${[
  ['Service and operation', '',
    r => html`<span class="row"><i class="sq4" style=${{ background: `var(--s${hue(nodeOf(m, r.row))})` }}></i>
    ${r.failed > 0 ? html`<${Mark} k=${r.began ? 'b' : 'p'}/>` : html`<span class="mk"></span>`}
    <${Word} c="q" act=${() => select(r.row)}><b>${nameOf(m, r.row)}</b> ${operationOf(m, r.row)}</${Word}></span>`],
      ['Count', 'r', r => count(r.count)], ['Failed', 'r', r => cell(r.failed, r.failed ? 'fault' : 'm3')],
  ['Total', 'r', r => ms(r.total)], ['Self', 'r', r => ms(r.self)]]}/></div>`;

// What is missing, cut or not as it seems, a line each.
function Partial({ m, layout, moved }) {
  const [host, off] = [...m.clocks.hosts][0] || [], one = m.missing == 1, above = one && nameOf(m, m.s.orphan.findIndex(Boolean));
  const lines = [layout.all_rows > layout.rows
    && `${count(layout.all_rows)} spans: showing the critical path and failures, ${count(layout.rows)} of them.`,
    m.missing > 0
      && `${plural(m.missing, 'span')} ${one ? 'names a parent' : 'name parents'} that never came${one
      ? `: something is missing above ${above}` : ''}.`,
    Math.abs(off) > 1e6
      && [`The clock of ${host} is ${ms(Math.abs(off))} ${off > 0 ? 'ahead' : 'behind'}; ${moved ? 'its times are moved to fit'
      : 'times as sent'}. `,
      html`<${Word} act=${() => showQuery({ clock: moved ? null : 'fit' })}>${moved ? 'As sent' : 'Move them to fit'}</${Word}>`],
        layout.trace.kept === 0 && 'The spans of this trace were not kept (store.keep).'];
  return lines.filter(Boolean).map(line => html`<p class="note part s">${line}</p>`);
}

// Puts beside it the good trace of the same request that is nearest in time.
async function compareWithGood({ trace: t }) {
  const at = x => parseTime(x.start_time) / 1000, start = at(t), q = `${write(condition({ key: 'entry' }, t.entry_operation))} status=ok`,
    off = x => Math.abs(at(x) - start);
  try {
    const { data } = await ask(apiUrl('search/traces', { q, from: (start - 3600).toFixed(3), to: (start + 3600).toFixed(3), limit: 50 }));
    const near = data.items.filter(x => x.trace_id != t.trace_id).sort((a, b) => off(a) - off(b))[0];
    if (near) setQuery({ with: near.trace_id, span: null }); else tell('No good one within an hour of it');
  } catch (e) { tell(e.message); }
}

function Head({ layout, m, id, query, view, hops, moved, other }) {
  const [before, place, behind] = verdict(layout), t = layout.trace, b = layout.began, start = parseTime(t.start_time),
    api = apiUrl('traces/' + id);
  const to = place && (b.caller ? edgeHref(selOf(b.caller), selOf(b.callee)) : serviceHref(b.callee)), shown = hops ? 'Fold' : 'Show';
  return html`<div class="whead">
    <h1>${t.status == 'error' && html`<${Mark} k="b"/> `}
    ${other ? `${middle(t.entry_operation, 160)}, two traces: ${differenceWords(m, other)}.`
    : [before, place && html`<a class="q u" href=${to}>${place}</a>`, behind]}</h1>
    <div class="row w s m2 wfacts"><span title=${new Date(start).toString()}>${when(start, 2)} ${zoneName()}</span>
      <span>${plural(t.span_count, 'span')}, ${plural(Math.max(t.service_count, layout.services.length), 'service')}</span>
      <span>${t.complete ? 'complete' : `incomplete${t.parts > 1 ? `, in ${t.parts} pieces` : ''}`}</span>
      <span class="row tid"><code>${t.trace_id}</code>
        <button class="btn bare" aria-label="Copy trace id" onClick=${() => copyItem(['Trace id', t.trace_id])}><${Icon} n="copy"/>
        </button></span><span class="grow"></span>
      <span class="row only-l wtools">
        <${Seg} label="View" options=${[['', 'Waterfall'], ['flame', 'Flame'], ['table', 'Table']]} value=${view}
        set=${v => setQuery({ view: v })}/>
        ${m.hops.length > 0
          && html`<button class="btn" aria-pressed=${flag(hops)} onClick=${() => showQuery({ hops: hops ? null : 1 })}>
          ${shown} ${plural(m.hops.length, 'sidecar span')}</button>`}
        <button class="btn" onClick=${() => query.with ? setQuery({ with: null }) : compareWithGood(layout)}>
          ${query.with ? 'Only this one' : 'Compare with a good one'}</button>
        <${Menu} items=${[['JSON', async () => JSON.stringify((await ask(api)).data, null, 2)],
          ['SQL', `SELECT * FROM span WHERE trace_id = '${t.trace_id}' ORDER BY start_ns;`], ['curl', curl(api)],
          ['Command line', `faultline trace ${t.trace_id} --url ${location.origin}`]]}/></span></div>
            <${Partial} m=${m} layout=${layout} moved=${moved}/></div>`;
}

const Find = ({ value }) =>
  html`<input type="search" placeholder="Find in trace" aria-label="Find in trace" value=${value}
  onInput=${e => showQuery({ find: e.target.value })} onKeyDown=${e => {
  if (e.key == 'Escape') { e.stopPropagation(); showQuery({ find: null }); e.target.blur(); }
  if (e.key == 'Enter') e.target.closest('.wtop').querySelector('.wcol .lnk')?.click();
}}/>`;

const useModel = (layout, fit) => useMemo(() => layout && modelOf(layout, fit), [layout, fit]), originOf = m => m.layout.began?.row ?? 0;

export function Trace({ id, query }) {
  const asked = x => x ? `traces/${x}/layout` : null, answer = useApi(asked(id), {}, { timeless: true }),
    second = useApi(asked(query.with), {}, { timeless: true }), layout = answer.data, moved = query.clock == 'fit';
  const m = useModel(layout, moved), other = useModel(query.with && second.data, moved), phone = usePhone(),
    [nameWidth, setWidth] = useState(Number(remembered('names')) || 400), [sheet, showSheet] = useState(false);
  const setNameWidth = w => { setWidth(w); remember('names', w); },
    hue = useMemo(() => m && hues([...m.nodes, ...other?.nodes || []].filter(n => n.service)), [m, other]);
  const find = query.find ?? query.uiFind ?? '', hops = query.hops == '1', view = query.view == 'waterfall' ? '' : query.view || '',
    wanted = m && query.span ? m.s.span_id.indexOf(query.span) : -1, selected = wanted >= 0 ? wanted : m ? originOf(m) : 0;
  const select = i => { if (i >= 0) { showQuery({ span: i == originOf(m) ? null : m.s.span_id[i] }); showSheet(phone); } },
    t = layout?.trace;
  useTitle(t && `${middle(t.entry_operation, 80)}${t.status == 'error' && layout.spans.status[0] >= 400 ? ' ' + layout.spans.status[0]
    : ''}, ${ms(t.duration_ns)}`, `trace ${shortId(id)}`);
  useKeys({ f: () => setQuery({ view: view == 'flame' ? null : 'flame' }),
    Escape: () => query.with ? setQuery({ with: null }) : find ? setQuery({ find: null }) : go(href('/traces')) });
  if (/40[04]/.test(answer.error?.status))
    return html`<${NoPage}
    title=${`There is no trace ${id}.`}>It may be older than what is kept, or still on its way: a trace shows about ten seconds after its last span. <${Word}
    act=${answer.again}>Look again</${Word}></${NoPage}>`;
  if (!m) return html`<${Page} name=${`Trace ${id}`} what="The trace" answers=${[answer]}/>`;
  const common = { hue, hops, selected, select }, names = { '--namew': nameWidth + 'px' }, o = other?.layout.trace;
  const fall = (model, extra) =>
    html`<${Waterfall} key=${model.layout.trace.trace_id} m=${model} ...${common} find=${find} phone=${phone} zoomText=${query.zoom}
    nameWidth=${nameWidth} setNameWidth=${setNameWidth} ...${extra}/>`;
  const panel = html`<${Panel} m=${m} i=${selected} hops=${hops} key=${phone}/>`, close = () => showSheet(false);
  return html`<main id="main" class="wpage" tabindex="-1">
    <${Head} layout=${layout} m=${m} id=${id} query=${query} view=${view} hops=${hops} moved=${moved} other=${other}/>
    ${other ? html`<div class="wtwo">
      <div class="wf" style=${names}>${fall(m, { title: html`<b class="el">this, ${ms(t.duration_ns)}</b>` })}</div>
      <div class="wf" style=${names}>${fall(other, { selected: originOf(other), select: () => {}, zoomText: null,
        title: html`<a class="el" href=${traceHref(o.trace_id)}>${o.status == 'error' ? 'another' : 'a good one'}, ${ms(o.duration_ns)}
          </a>` })}</div></div>`
      : html`<div class="wf" tabindex="-1" style=${names}>
        ${view == 'flame' ? html`<${Flame} m=${m} ...${common}/>` : view == 'table' ? html`<${Summary} m=${m} ...${common}/>`
        : fall(m, { title: html`<${Find} value=${find}/>`, legend: html`<${Legend}/>` })}</div>`}
    ${query.with && second.error && html`<${Failed} what="The other trace" answer=${second}/>`}
    ${phone ? html`<${Dialog} c="sheet wsheet" label="Selected span" shown=${sheet} close=${close}>${panel}
      <button class="btn top16" onClick=${close}>Close</button></${Dialog}>`
      : html`<aside class="wside" aria-label="Selected span">${panel}</aside>`}</main>`;
}
