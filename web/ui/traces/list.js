// list.js: the page of traces, newest, slowest or failed first; rows by keys, two marked ones are compared.
import { html, useEffect, useRef, useState } from '../html.js';
import { Mark, hueOf } from '../draw/marks.js';
import { clock, count, ms, parseTime } from '../draw/text.js';
import { apiUrl, ask } from '../frame/api.js';
import { useKeys } from '../frame/keys.js';
import { tell } from '../frame/menu.js';
import { useCalm } from '../frame/states.js';
import { go, href } from '../frame/url.js';

// "503 UO": what the origin answered.
export const codes = x => [x?.http_status, x?.grpc_status > 0 ? 'grpc ' + x.grpc_status : null, x?.response_flags && x.response_flags != '-' ? x.response_flags : null].filter(Boolean).join(' ');

const Chips = ({ services, n }) => html`<span class="svc-chips" title=${services.map(s => s.service).join(', ')}>${services.slice(0, 7).map((s, i) => html`<i key=${i} style=${{ background: `var(--s${hueOf(s.cluster, s.namespace, s.service)})` }}></i>`)}<span class="m3 s"> ${n}</span></span>`;

function Row({ t, longest, at, mark, marked, row }) {
  const start = parseTime(t.start_time), bad = t.status == 'error', code = t.answer?.http_status >= 400 ? t.answer.http_status : t.answer?.grpc_status > 0 ? 'grpc ' + t.answer.grpc_status : '';
  const open = e => { if (e.target.closest('a')) return; go(href('/trace/' + t.trace_id)); };
  return html`<tr class="go" ref=${row} data-id=${t.trace_id} aria-selected=${at ? 'true' : null} onClick=${open}><td class="nw">${bad ? html`<${Mark} k="b"/>` : html`<span class="mk"></span>`} ${clock(start, 1)}<span class="m3 only-l">.${String(Math.floor(start % 1000)).padStart(3, '0')}</span>${marked && html` <span class="tag">marked</span>`}</td>
    <td class="req"><a class="q" href=${href('/trace/' + t.trace_id)}><b>${t.entry_operation || t.entry_service || 'unnamed'}</b></a> <span class="m2">${code}</span></td>
    <td class="only-l el beg">${bad ? t.began ? html`<span title=${`${t.began.caller ? t.began.caller.service + ' → ' : ''}${t.began.callee.service} ${t.origin_reason}`}>${t.began.value.replace('→', ' → ')}<span class="m3">  ${codes(t.began)}</span></span>` : html`<span class="m3">unknown</span>` : ''}</td>
    <td class="only-l"><${Chips} services=${t.services} n=${t.service_count}/></td><td class="r only-l">${count(t.span_count)}</td>
    <td class="r nw"><span class="len" style=${{ width: Math.max(1, t.duration_ns / longest * 60) + 'px' }}></span>${ms(t.duration_ns)}</td></tr>`;
}

export function List({ answer, question, params, title, total, side }) {
  const [more, setMore] = useState({ question: null, items: [], next: null }), [at, setAt] = useState(0), [marked, setMarked] = useState([]), body = useRef(null);
  const items = answer.data?.items, [shown, fresh, take, calm] = useCalm(items, t => t.trace_id, question);
  useEffect(() => { setAt(0); setMarked([]); }, [question]);
  const extra = more.question == question ? more : { items: [], next: null, question };
  const known = new Set((shown || []).map(t => t.trace_id)), all = [...shown || [], ...extra.items.filter(t => !known.has(t.trace_id))];
  const next = extra.items.length ? extra.next : answer.data?.next;
  const load = async () => {
    try {
      const { data } = await ask(apiUrl('search/traces', { ...params(), cursor: next }));
      setMore({ question, items: [...extra.items, ...data.items], next: data.next });
    } catch (e) { tell(`No more: ${e.message}`); }
  };
  const move = d => { const to = Math.max(0, Math.min(all.length - 1, at + d)); setAt(to); body.current?.children[to]?.scrollIntoView({ block: 'nearest' }); return all.length > 0; };
  const mark = () => {
    const id = all[at]?.trace_id;
    if (!id) return false;
    const list = marked.includes(id) ? marked.filter(m => m != id) : [...marked, id].slice(-2);
    setMarked(list);
    tell(list.length == 2 ? 'Two marked: press c or "Compare"' : `${list.length} marked`);
  };
  const compare = () => marked.length == 2 ? go(href('/trace/' + marked[0], { with: marked[1] })) : false;
  useKeys({ j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1), ' ': mark, c: compare,
    Enter: e => e.target.matches?.('a,button') || !all[at] ? false : go(href('/trace/' + all[at].trace_id)), o: () => all[at] ? void open(href('/trace/' + all[at].trace_id)) : false });
  const longest = Math.max(1, ...all.map(t => t.duration_ns || 0));
  return html`<section class="blk tlist" aria-labelledby="tl"><header><h2 id="tl">${title}</h2><span class="grow"></span>${marked.length > 0 && html`<button class="btn bare low" disabled=${marked.length < 2} onClick=${compare}>Compare ${marked.length == 2 ? 'the two' : '(mark another)'}</button>`}${side}</header>
    <div ...${calm}>${fresh > 0 && html`<button class="new12" onClick=${take}>${fresh} new</button>`}
    <table><thead><tr><th>Time</th><th>Request</th><th class="only-l">Began in</th><th class="only-l">Services</th><th class="r only-l">Spans</th><th class="r took">Took</th></tr></thead>
      <tbody ref=${body}>${all.map((t, i) => html`<${Row} key=${t.trace_id} t=${t} longest=${longest} at=${i == at} marked=${marked.includes(t.trace_id)}/>`)}</tbody></table></div>
    ${all.length > 0 && html`<p class="s m3 below">${count(all.length)} of ${count(Math.max(total ?? 0, all.length))} shown. ${next && html`<button class="lnk" onClick=${load}>More</button>, or `}<a href=${apiUrl('search/traces.csv', params())} download>all as CSV</a></p>`}</section>`;
}
