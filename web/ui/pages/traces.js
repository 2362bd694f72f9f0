// traces.js: the page that finds traces: query, facets, picture with a selection, list, what is different.
import { html, useEffect, useRef, useState } from '../html.js';
import { Icon, Mark } from '../draw/marks.js';
import { clock, count, exactSpan, parseTime, plural } from '../draw/text.js';
import { useApi } from '../frame/api.js';
import { useKeys } from '../frame/keys.js';
import { rangeParams, useRange } from '../frame/range.js';
import { Failed, FirstSpans } from '../frame/states.js';
import { useTitle } from '../frame/title.js';
import { go, href, setQuery } from '../frame/url.js';
import { QueryBar } from '../traces/bar.js';
import { Different } from '../traces/different.js';
import { Facets } from '../traces/facets.js';
import { conditions, join, keyWords, readBox, valueWords, writeBox } from '../traces/line.js';
import { List } from '../traces/list.js';
import { Scatter } from '../traces/scatter.js';

const ORDER_WORDS = { '': 'Newest traces', slow: 'Slowest traces', failed: 'Failed traces first' };

// Nothing fits: the condition that excludes most, and a way to take it out.
function NothingFound({ o, q }) {
  const list = conditions(q), worst = o.conditions.map((c, i) => ({ ...c, i })).sort((a, b) => b.count_without - a.count_without)[0];
  if (!worst) return html`<p class="note">No traces in this time range. The newest are further back: choose a longer one.</p>`;
  const c = list[worst.i], words = c?.key ? `${keyWords(c)} ${c.op} ${valueWords(c.key, c.value)}` : c?.value;
  return html`<p class="note">0 with <b>${words}</b>. ${count(worst.count_without)} without it. <button class="lnk" onClick=${() => setQuery({ q: join(list.filter((_, i) => i != worst.i)) || null })}>Without ${words}</button></p>`;
}

function Sheet({ children, close }) {
  const dialog = useRef(null);
  useEffect(() => { dialog.current.showModal(); }, []);
  return html`<dialog class="sheet" aria-label="Filter" ref=${dialog} onClose=${close} onClick=${e => { if (e.target == dialog.current) close(); }}>${children}<button class="btn" onClick=${close}>Show traces</button></dialog>`;
}

export function Traces({ query }) {
  const r = useRange(), q = query.q || '', order = query.order || '', box = readBox(query.sel), [sheet, showSheet] = useState(false);
  const overview = useApi('search/overview', { q, sel: query.sel }), list = useApi('search/traces', { q, sel: query.sel, order, limit: 50 });
  const different = useApi('search/different', { q, sel: query.sel }, { every: 30000 });
  const incidents = useApi('incidents', { state: 'all' }, { every: 30000, optional: true });
  const o = overview.data, status = useApi(o && !o.count && !q ? 'status' : null, {}, { timeless: true });
  useTitle(box ? 'Traces, selected' : 'Traces', q && conditions(q).map(c => c.key ? `${keyWords(c)} ${c.op} ${c.value}` : c.value).join(', '));
  useKeys({ Escape: () => box ? setQuery({ sel: null }) : false });
  const facets = o?.facets || [], attributes = different.data?.attributes || [], failed = overview.error || list.error;
  const marks = (incidents.data?.items || []).map(i => ({ at: parseTime(i.onset), label: 'began ' + clock(parseTime(i.onset), 1) }));
  const s = o?.selected, params = () => ({ ...rangeParams(r), q, sel: query.sel, order, limit: 50 });
  const title = box && s ? `Selected: ${s.failed == s.count && s.count ? `${count(s.count)} failed` : s.failed ? `${count(s.count)}, ${count(s.failed)} failed` : count(s.count)}, ${exactSpan(box.from, box.to)}` : ORDER_WORDS[order];
  const side = box && html`${s && s.failed > 0 && s.failed < s.count && html`<button class="btn bare low" onClick=${() => setQuery({ sel: writeBox({ ...box, only: 'failed' }) })}>Only failed</button>`}<button class="btn bare low only-l" onClick=${() => setQuery({ sel: null })}>Clear selection</button>`;
  const drawn = o?.points.time_ms.length, sentence = o && `Durations of ${count(o.count)} traces over time, ${count(o.failed)} of them failed.`;
  if (status.data && !status.data.store.spans) return html`<main id="main" tabindex="-1"><${FirstSpans} received=${status.data.inbox?.records}/></main>`;
  return html`<main id="main" class="tpage" tabindex="-1"><h1 class="sr">Traces</h1>
    <${QueryBar} q=${q} order=${order} sel=${query.sel} facets=${facets} attributes=${attributes}/>
    <div class="fcol"><${Facets} facets=${facets} attributes=${attributes} q=${q}/></div>
    <div class="tcol">
      ${failed && html`<${Failed} what="The search" error=${failed} again=${() => { overview.again(); list.again(); }}/>`}
      ${r.wrong && html`<p class="note bad" role="alert"><b>${r.wrong}</b> is no time range; the last 30 minutes are shown.</p>`}
      ${o && html`<section aria-labelledby="sc"><header><h2 id="sc">${plural(o.count, 'trace')}</h2><span class="m3 s only-l">${drawn < o.count ? `a fair sample of ${count(drawn)} drawn; drag to select` : 'drag to select'}</span><span class="grow"></span>
        <button class="btn bare low flt" onClick=${() => showSheet(true)}>Filter</button>
        <p class="legend only-l"><span><${Mark} k="b" quiet/>failed</span><span><svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="2.5" class="dot"/></svg>good</span></p></header>
        ${o.counted_from && html`<p class="note part s">Counted back to ${clock(parseTime(o.counted_from), 1)}: there is too much for one look. A shorter time range or a condition narrows it.</p>`}
        ${o.count ? html`<${Scatter} data=${o} from=${parseTime(o.from)} to=${parseTime(o.to)} box=${box} marks=${marks} label=${sentence} select=${b => setQuery({ sel: writeBox(b) })} open=${id => go(href('/trace/' + id))}/>` : html`<${NothingFound} o=${o} q=${q}/>`}</section>`}
      ${list.data && html`<${List} answer=${list} question=${[q, order, query.sel, query.from, query.to].join('|')} params=${params} title=${title} total=${box ? s?.count : o?.count} side=${side}/>`}
    </div>
    <aside aria-labelledby="df">${different.error && !failed ? html`<${Failed} what="What is different" error=${different.error} again=${different.again}/>` : html`<${Different} d=${different.data} q=${q}/>`}</aside>
    ${sheet && html`<${Sheet} close=${() => showSheet(false)}><h2>Filter</h2><${Facets} facets=${facets} attributes=${attributes} q=${q}/></${Sheet}>`}</main>`;
}
