// list.js: the page of traces, newest, slowest or failed first; rows by keys, two marked ones are compared.
import { html, useEffect, useRef, useState } from '../html.js';
import { hueOf } from '../draw/hues.js';
import { Mark } from '../draw/marks.js';
import { Block, Word } from '../draw/parts.js';
import { clock, count, ms, parseTime } from '../draw/text.js';
import { apiUrl, ask } from '../frame/api.js';
import { useKeys } from '../frame/keys.js';
import { tell } from '../frame/menu.js';
import { useCalm } from '../frame/states.js';
import { go } from '../frame/url.js';
import { codesOf, traceHref } from '../graph/names.js';

// Who sent no span, as a database, counts too.
const Chips = ({ services, n }) =>
  html`<span class="svc-chips" title=${services.map(s => s.service).join(', ')}>
  ${services.slice(0, 7).map((s, i) => html`<i key=${i} style=${{ background: `var(--s${hueOf(s)})` }}></i>`)}<span class="m3 s"> ${Math.max(n, services.length)}
  </span></span>`;

function Began({ t: { status, began, origin_reason } }) {
  if (status != 'error') return null;
  return began ? html`<span title=${`${began.value} ${origin_reason}`}>${began.value.replace('→', ' → ')}
    <span class="m3">  ${codesOf(began)}</span></span>` : html`<span class="m3">unknown</span>`;
}

function Row({ t, longest, at, marked }) {
  const [time, fraction] = clock(parseTime(t.start_time), 2).split('.'), bad = t.status == 'error', to = traceHref(t.trace_id),
    code = (t.answer?.http_status >= 400 || t.answer?.grpc_status > 0) && codesOf(t.answer);
  return html`<tr class="go" data-id=${t.trace_id} aria-selected=${at ? 'true' : null}
    onClick=${e => { if (!e.target.closest('a')) go(to); }}>
    <td class="nw">${bad ? html`<${Mark} k="b"/>` : html`<span class="mk"></span>`} ${time}<span class="m3 only-l">.${fraction}</span>
      ${marked && html` <span class="tag">marked</span>`}</td>
    <td class="req"><a class="q" href=${to}><b>${t.entry_operation || t.entry_service || 'unnamed'}</b></a> <span class="m2">${code}
      </span></td><td class="only-l el"><${Began} t=${t}/></td>
    <td class="only-l"><${Chips} services=${t.services} n=${t.service_count}/></td><td class="r only-l">${count(t.span_count)}</td>
    <td class="r nw"><span class="len" style=${{ width: Math.max(1, t.duration_ns / longest * 60) + 'px' }}></span>${ms(t.duration_ns)}
      </td></tr>`;
}

const HEADS = [['Time'], ['Request'], ['Began in', 'only-l'], ['Services', 'only-l'], ['Spans', 'r only-l'], ['Took', 'r took']];

/* answer: the first page, of useApi; question: says which it is; params(): of the next page; total: how many there are; side: beside the title. */
export function List({ answer, question, params, title, total, side }) {
  const [more, setMore] = useState({}), [at, setAt] = useState(0), [marked, setMarked] = useState([]), body = useRef(null);
  const [shown, fresh, take, calm] = useCalm(answer.data?.items, t => t.trace_id, question),
    extra = more.question == question ? more : { items: [] };
  useEffect(() => { setAt(0); setMarked([]); }, [question]);
  const known = new Set(shown?.map(t => t.trace_id)), all = [...shown || [], ...extra.items.filter(t => !known.has(t.trace_id))],
    next = extra.items.length ? extra.next : answer.data?.next, current = all[at]?.trace_id;
  const load = async () => {
    try {
      const { data } = await ask(apiUrl('search/traces', { ...params(), cursor: next }));
      setMore({ question, items: [...extra.items, ...data.items], next: data.next });
    } catch (e) { tell(`No more: ${e.message}`); }
  };
  const move = d =>
    () => { const to = Math.max(0, Math.min(all.length - 1, at + d)); setAt(to);
    body.current?.children[to]?.scrollIntoView({ block: 'nearest' }); return all.length > 0; };
  const mark = () => {
    if (!current) return false;
    const list = marked.includes(current) ? marked.filter(m => m != current) : [...marked, current].slice(-2);
    setMarked(list);
    tell(list.length == 2 ? 'Two marked: press c or "Compare"' : `${list.length} marked`);
  };
  const compare = () => { if (marked.length < 2) return false; tell(''); go(traceHref(marked[0], { with: marked[1] })); };
  useKeys({ j: move(1), k: move(-1), ArrowDown: move(1), ArrowUp: move(-1), ' ': mark, c: compare,
    Enter: e => e.target.matches('a,button') || !current ? false : go(traceHref(current)),
    o: () => current ? void open(traceHref(current)) : false });
  const longest = Math.max(1, ...all.map(t => t.duration_ns || 0)), both = marked.length == 2;
  return html`<${Block} id="tl" c="tlist" title=${title}
    right=${[marked.length > 0
    && html`<button class="btn bare low" disabled=${!both} onClick=${compare}>Compare ${both ? 'the two' : '(mark another)'}</button>`,
    side]}>
    <div ...${calm}>${fresh > 0 && html`<button class="new12" onClick=${take}>${fresh} new</button>`}
      <table><thead><tr>${HEADS.map(([words, c]) => html`<th class=${c}>${words}</th>`)}</tr></thead>
      <tbody ref=${body}>
        ${all.map((t, i) =>
        html`<${Row} key=${t.trace_id} t=${t} longest=${longest} at=${i == at} marked=${marked.includes(t.trace_id)}/>`)}</tbody></table>
        </div>
    ${shown && !all.length && html`<p class="m2 below">None in this window.</p>`}${all.length > 0
      && html`<p class="s m3 below">
      ${count(all.length)} of ${count(Math.max(total || 0, all.length))} shown. ${next
      && [html`<${Word} act=${load}>More</${Word}>`, ', or ']}<a href=${apiUrl('search/traces.csv', params())} download>all as CSV</a>
      </p>`}</${Block}>`;
}
