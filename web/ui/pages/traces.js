// traces.js: the page that finds traces: query, facets, picture with a selection, list, what is different.
import { html, useState } from '../html.js';
import { Mark } from '../draw/marks.js';
import { Block, Word } from '../draw/parts.js';
import { clock, count, exactSpan, parseTime, plural } from '../draw/text.js';
import { useApi } from '../frame/api.js';
import { useKeys } from '../frame/keys.js';
import { Dialog } from '../frame/menu.js';
import { rangeParams, useRange } from '../frame/range.js';
import { Failed, FirstSpans, useOnsets, useTitle } from '../frame/states.js';
import { go, setQuery } from '../frame/url.js';
import { traceHref } from '../graph/names.js';
import { QueryBar } from '../traces/bar.js';
import { Different } from '../traces/different.js';
import { Facets } from '../traces/facets.js';
import { chipWords, conditions, join, readBox, writeBox } from '../traces/line.js';
import { List } from '../traces/list.js';
import { Scatter } from '../traces/scatter.js';

const ORDER_WORDS = { '': 'Newest traces', slow: 'Slowest traces', failed: 'Failed traces first' };
const wordsOf = c => c && chipWords(c).filter(Boolean).join(' ');

// Nothing fits: the condition that excludes most, and a way to take it out; where none is alone in that, all of them.
function NothingFound({ o, q }) {
  const list = conditions(q), worst = o.conditions.map((c, i) => ({ ...c, i })).sort((a, b) => b.count_without - a.count_without)[0],
    words = worst && wordsOf(list[worst.i]);
  if (!worst?.count_without && list.length < 2) return html`<p class="note">No traces in this time range. The newest are further back: choose a longer one.</p>`;
  if (!worst.count_without) return html`<p class="note">0 with <b>${list.map(wordsOf).join(', ')}</b>, nor without one of them. <${Word}
    act=${() => setQuery({ q: null })}>Without all of them</${Word}></p>`;
  return html`<p class="note">0 with <b>${words}
    </b>. ${count(worst.count_without)} without it. <${Word}
    act=${() => setQuery({ q: join(list.filter((_, i) => i != worst.i)) })}>Without ${words}</${Word}></p>`;
}

function selectedWords(s, box) {
  const n = s.failed == s.count && s.count ? `${count(s.count)} failed`
    : count(s.count) + (s.failed ? `, ${count(s.failed)} failed` : '');
  return `Selected: ${n}, ${exactSpan(box.from, box.to)}`;
}

// The picture, with what it shows and what it leaves out.
function Points({ o, q, box, marks, filter }) {
  const drawn = o.points.time_ms.length, label = `Durations of ${count(o.count)} traces over time, ${count(o.failed)} of them failed.`;
  const legend = [html`<button class="btn bare low flt" onClick=${filter}>Filter</button>`,
    html`<p class="legend only-l"><span><${Mark} k="b" quiet/>failed</span>
    <span><svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="2.5" class="dot"/></svg>good</span>
      </p>`];
  return html`<${Block} id="sc" c="top" title=${plural(o.count, 'trace')}
    note=${html`<span class="only-l">${drawn < o.count && `a fair sample of ${count(drawn)} drawn; `}drag to select</span>`}
    right=${legend}>
    ${o.counted_from
      && html`<p class="note part s">Counted back to ${clock(parseTime(o.counted_from),
      1)}: there is too much for one look. A shorter time range or a condition narrows it.</p>`}
    ${o.count ? html`<${Scatter} data=${o} from=${parseTime(o.from)} to=${parseTime(o.to)} box=${box} marks=${marks} label=${label}
      select=${b => setQuery({ sel: writeBox(b) })} open=${id => go(traceHref(id))}/>`
    : html`<${NothingFound} o=${o} q=${q}/>`}</${Block}>`;
}

export function Traces({ query }) {
  const r = useRange(), { q = '', sel } = query, order = ORDER_WORDS[query.order] ? query.order : '', box = readBox(sel),
    [sheet, showSheet] = useState(false);
  const overview = useApi('search/overview', { q, sel }), list = useApi('search/traces', { q, sel, order, limit: 50 }),
    different = useApi('search/different', { q, sel }, { every: 30000 });
  const marks = useOnsets(), o = overview.data,
    status = useApi(o && !o.count && !q ? 'status' : null, {}, { timeless: true, every: 5000 }).data;
  useTitle(box ? 'Traces, selected' : 'Traces', conditions(q).map(wordsOf).join(', '));
  useKeys({ Escape: () => box ? setQuery({ sel: null }) : false });
  const attributes = different.data?.attributes || [], failed = [overview, list].find(a => a.error);
  const s = o?.selected, params = () => ({ ...rangeParams(r), q, sel, order, limit: 50 }),
    found = { facets: o?.facets || [], attributes, q }, close = () => showSheet(false);
  const side = box
    && [s?.failed > 0 && s.failed < s.count
    && html`<button class="btn bare low" onClick=${() => setQuery({ sel: writeBox({ ...box, only: 'failed' }) })}>Only failed</button>`,
    html`<button class="btn bare low only-l" onClick=${() => setQuery({ sel: null })}>Clear selection</button>`];
  if (status && !status.store.spans) return html`<main id="main" tabindex="-1"><${FirstSpans} received=${status.live.spans}/></main>`;
  return html`<main id="main" class="tpage" tabindex="-1"><h1 class="sr">Traces</h1><${QueryBar} order=${order} sel=${sel} ...${found}/>
    <div class="fcol"><${Facets} ...${found}/></div><div class="tcol">
      ${failed && html`<${Failed} what="The search" answer=${{ ...failed, again: () => { overview.again(); list.again(); } }}/>`}
      ${r.wrong && html`<p class="note bad" role="alert"><b>${r.wrong}</b> is no time range; the last 30 minutes are shown.</p>`}
      ${o && html`<${Points} o=${o} q=${q} box=${box} marks=${marks} filter=${() => showSheet(true)}/>`}
      ${list.data && html`<${List} answer=${list} question=${[q, order, sel, query.from, query.to].join('|')} params=${params}
        title=${box && s ? selectedWords(s, box) : ORDER_WORDS[order]} total=${box ? s?.count : o?.count} side=${side}/>`}</div>
    <aside aria-labelledby="df">
      ${different.error && !failed ? html`<${Failed} what="What is different" answer=${different}/>`
      : html`<${Different} d=${different.data} q=${q}/>`}</aside>
    <${Dialog} c="sheet" label="Filter" shown=${sheet} close=${close}><h2>Filter</h2><${Facets} ...${found}/>
      <button class="btn" onClick=${close}>Show traces</button></${Dialog}></main>`;
}
