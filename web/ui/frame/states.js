// states.js: what a view shows when it has nothing, failed, waits, or has too much. Words as the design says.
import { html, useEffect, useRef, useState } from '../html.js';
import { useApi } from './api.js';
import { copy } from './menu.js';
import { freeze } from './range.js';
import { clock, parseTime, span } from '../draw/text.js';

// What, where, what to do, on one line; the rest of the page stays.
export const Failed = ({ what, error, again }) => html`<p class="note bad" role="alert"><b>${what}</b> ${'could not be read: '}
  ${error.message}. <button class="lnk" onClick=${again}>Try again</button>, or <button class="lnk"
  onClick=${() => copy(`curl -i '${location.origin}${error.url}'`, 'curl copied')}>copy the request as curl</button></p>`;

// First start: three ways to send, and counters that go up as records arrive.
export const FirstSpans = ({ received }) => {
  const host = location.hostname;
  const lines = [['OTLP', `export OTEL_EXPORTER_OTLP_ENDPOINT=http://${host}:4318 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`],
    ['Zipkin', `http://${host}:9411/api/v2/spans`],
    ['Istio', `opentelemetry: { service: ${host}, port: 4318, http: { path: /v1/traces, timeout: 1s } }`]];
  return html`<section class="first"><h1 class="big">No spans yet.</h1>
    <p class="m2">Point a sender here; spans show about ten seconds after they came. ${received != null && html`Received so far: <b>${received}</b>.`}</p>
    <dl class="kv wide">${lines.map(([k, v]) => html`<dt>${k}</dt><dd><code>${v}</code> <button class="lnk s" onClick=${() => copy(v, k + ' line copied')}>Copy</button></dd>`)}</dl>
    <p class="m3 s">Without a service of your own: <code>faultline demo</code></p></section>`;
};

// No calls in the window `r`; or none ever, then how to send some. `around`: a node to which the view was narrowed.
export function Empty({ r, around }) {
  const { data } = useApi('status', {}, { timeless: true }), newest = data?.store.newest && parseTime(data.store.newest);
  if (data && !newest && !around) return html`<${FirstSpans} received=${data.store.spans}/>`;
  return html`<p class="note">No calls ${around && html`around <b>${around}</b> `}between ${span(r.fromMs, r.toMs)}. ${newest && html`The latest trace began ${clock(newest, 1)}. <button class="lnk" onClick=${() => freeze(newest - 15 * 6e4, newest + 6e4)}>Show the time around it</button>`}</p>`;
}

// A list that does not move under the reader: while the pointer or the focus is on it, new answers wait.
// Gives [shown, number of new items, take, props for the list's element].
export function useCalm(items, keyOf, asked) {
  const [shown, setShown] = useState(items), [held, hold] = useState(false), question = useRef(asked);
  useEffect(() => {
    if (question.current != asked || !held || !shown) { question.current = asked; setShown(items); }
  }, [items, held, asked]);
  const known = new Set((shown || []).map(keyOf));
  const fresh = held && items && items != shown ? items.filter(i => !known.has(keyOf(i))).length : 0;
  const inside = e => e.currentTarget.contains(e.relatedTarget);
  const props = { onPointerEnter: () => hold(true), onPointerLeave: e => { if (!e.currentTarget.contains(document.activeElement)) hold(false); },
    onFocusIn: () => hold(true), onFocusOut: e => { if (!inside(e) && !e.currentTarget.matches(':hover')) hold(false); } };
  return [shown, fresh, () => setShown(items), props];
}

// The order of a table does not change under the reader: while pointer or focus is on it, what is known stays where it is and what is new comes last.
// Gives [rows, props for the element].
export function useSteady(rows, id, asked) {
  const held = useRef(false), order = useRef({ ids: [], asked }), inside = e => e.currentTarget.contains(e.relatedTarget);
  const place = new Map(order.current.ids.map((k, i) => [k, i])), keep = held.current && order.current.asked == asked;
  const shown = keep ? [...rows].sort((a, b) => (place.get(id(a)) ?? 1e9) - (place.get(id(b)) ?? 1e9)) : rows;
  order.current = { ids: shown.map(id), asked };
  return [shown, { onPointerEnter: () => { held.current = true; }, onPointerLeave: e => { held.current = e.currentTarget.contains(document.activeElement); },
    onFocusIn: () => { held.current = true; }, onFocusOut: e => { if (!inside(e) && !e.currentTarget.matches(':hover')) held.current = false; } }];
}
