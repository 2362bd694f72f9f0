// states.js: what a view shows when it has nothing, failed, waits, or has too much. Words as the design says.
import { html, useEffect, useRef, useState } from '../html.js';
import { curl, useApi } from './api.js';
import { copy, copyItem } from './menu.js';
import { freeze, useRange } from './range.js';
import { clock, parseTime, span } from '../draw/text.js';
import { Facts, Word } from '../draw/parts.js';

// What, where, what to do, on one line; the rest of the page stays.
export const Failed = ({ what, answer }) =>
  html`<p class="note bad" role="alert"><b>${what}</b> could not be read: ${answer.error.message}. <${Word}
  act=${answer.again}>Try again</${Word}>, or <${Word}
    act=${() => copyItem(['curl', curl(answer.error.url, '-i')])}>copy the request as curl</${Word}></p>`;

/* A page: what failed of its answers above what is there; its name alone while nothing has come; "no calls" when it is empty.
 * what: the subject of "could not be read"; answers: those of useApi that it needs; ready: can it be drawn? */
export function Page({ name, what, answers, ready, empty, c, children }) {
  const answer = answers.find(a => a.error);
  return html`<main id="main" tabindex="-1" class=${c}>${answer && html`<${Failed} what=${what} answer=${answer}/>`}${
    !ready ? html`<h1 class="sr">${name}</h1>` : empty ? html`<${Empty}/>` : children}</main>`;
}
// Nothing of this name.
export const NoPage = ({ title, children }) =>
  html`<main id="main" tabindex="-1"><h1 class="big">${title}</h1><p class="m2 note">${children}</p></main>`;

// First start: three ways to send, and counters that go up as records arrive.
export const FirstSpans = ({ received }) => {
  const host = location.hostname,
    lines = [['OTLP', `export OTEL_EXPORTER_OTLP_ENDPOINT=http://${host}:4318 OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`],
    ['Zipkin', `http://${host}:9411/api/v2/spans`],
      ['Istio', `opentelemetry: { service: ${host}, port: 4318, http: { path: /v1/traces, timeout: 1s } }`]];
  return html`<section class="first"><h1 class="big">No spans yet.</h1>
    <p class="m2">Point a sender here; spans show about ten seconds after they came. Received so far: <b>${received}</b>.</p>
    <${Facts} c="wide"
      rows=${lines.map(([k, v]) => [k, html`<code>${v}</code> <${Word} c="s" act=${() => copy(v, k + ' line copied')}>Copy</${Word}>`])}/>
    <p class="m3 s">Without a service of your own: <code>faultline demo</code></p></section>`;
};

// No calls in the window; or none ever, then how to send some. `around`: a node to which the view was narrowed.
export function Empty({ around }) {
  const r = useRange(), { data } = useApi('status', {}, { timeless: true, every: 5000 }),
    newest = data?.store.newest && parseTime(data.store.newest);
  if (data && !newest && !around) return html`<${FirstSpans} received=${data.store.spans + data.live.spans}/>`;
  return html`<p
    class="note">No calls ${around && html`around <b>${around}</b> `}between ${span(r.fromMs, r.toMs)}. ${newest
    && html`The latest trace began ${
    clock(newest, 1)}. <${Word} act=${() => freeze(newest - 15 * 6e4, newest + 6e4)}>Show the time around it</${Word}>`}</p>`;
}

// Is the pointer or the focus on an element? Gives props for it; `set` hears when that changes.
function whileOn(set) {
  const left = e => { const el = e.currentTarget;
    if (!el.matches(':hover') && !el.contains(e.relatedTarget || document.activeElement)) set(false); };
  return { onPointerEnter: () => set(true), onFocusIn: () => set(true), onPointerLeave: left, onFocusOut: left };
}

// A list that does not move under the reader: while the pointer or the focus is on it, new answers wait.
// Gives [shown, number of new items, take, props for the list's element].
export function useCalm(items, keyOf, asked) {
  const [shown, setShown] = useState(items), [held, hold] = useState(false), question = useRef(asked);
  useEffect(() => {
    if (question.current == asked && held && shown) return;
    question.current = asked;
    setShown(items);
  }, [items, held, asked]);
  const known = new Set(shown?.map(keyOf));
  return [shown, held && items ? items.filter(i => !known.has(keyOf(i))).length : 0, () => setShown(items), whileOn(hold)];
}

// The order of a table does not change under the reader: while pointer or focus is on it, what is known stays where it is and what is new comes last.
// Gives [rows, props for the element].
export function useSteady(rows, id, asked) {
  const held = useRef(false), order = useRef({ ids: [] }), place = new Map(order.current.ids.map((k, i) => [k, i]));
  const shown = held.current && order.current.asked == asked
    ? [...rows].sort((a, b) => (place.get(id(a)) ?? 1e9) - (place.get(id(b)) ?? 1e9)) : rows;
  order.current = { ids: shown.map(id), asked };
  return [shown, whileOn(on => { held.current = on; })];
}

// Where incidents began, as marks of a chart; of the time on show, or of another that is given in Unix ms.
export function useOnsets(fromMs, toMs) {
  const time = fromMs == null ? {} : { from: fromMs / 1000, to: toMs / 1000 },
    list = useApi('incidents', { state: 'all', ...time }, { every: 30000 }).data;
  return (list?.items || []).filter((i, k, all) => all.findIndex(o => o.onset == i.onset) == k).map(({ id, onset }) => {
    const at = parseTime(onset);
    return { id, at, label: `began ${clock(at, 1)}` };
  });
}

// The page's title begins with the finding; with null a part of the page tells it.
export function useTitle(...parts) {
  const text = parts[0] !== null && [...parts.filter(Boolean), 'faultline'].join(' · ');
  useEffect(() => { if (text) document.title = text; }, [text]);
}
