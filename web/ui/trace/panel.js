// panel.js: the selected span: what it was, what it carries, the hops of its call, its events, and others like it.
import { html, useState } from '../html.js';
import { Icon, Mark } from '../draw/marks.js';
import { Block, Facts, HopBar, Word, flag } from '../draw/parts.js';
import { count, ms, parseTime, plural, when, shortId } from '../draw/text.js';
import { apiUrl, curl, useApi } from '../frame/api.js';
import { keysOf, useKeys } from '../frame/keys.js';
import { copy, copyItem } from '../frame/menu.js';
import { useRange } from '../frame/range.js';
import { Failed } from '../frame/states.js';
import { href } from '../frame/url.js';
import { SECURITY, traceHref } from '../graph/names.js';
import { sum } from '../graph/numbers.js';
import { condition, write } from '../traces/line.js';
import { BEGAN, PASSED, RECOVERED } from './model.js';
import { after } from './words.js';

const FORMAT = { otlp_pb: 'OTLP', otlp_json: 'OTLP, JSON', zipkin_json: 'Zipkin', zipkin_pb: 'Zipkin, protobuf', jaeger_json: 'Jaeger',
  envoy_als: "Envoy's access log", access_log_otlp: 'access log by OTLP' };
const KNOWN = { both: 'both halves', callee_only: 'callee only', caller_only: 'caller only', link: 'by a link', log: 'by a log',
  request_id: 'joined by request id', entry: 'entry' };
const URL_LIKE = /^https?:\/\/[^\s]+$/;

const text = v => typeof v == 'string' ? v : JSON.stringify(v);
const out = (to, words) => html`<a href=${to} target="_blank" rel="noreferrer noopener">${words}</a>`;

/* ---- tabs ---- */

const searchFor = (key, v) => href('/traces', { q: write(condition({ key, attribute: true }, text(v))) });

function Attributes({ x }) {
  const [find, setFind] = useState(''),
    fits = all => Object.entries(all).filter(a => a.map(text).join(' ').toLowerCase().includes(find.toLowerCase())),
    own = fits(x.attributes), resource = fits(x.resource);
  const value = ([k, v]) =>
    [k, [URL_LIKE.test(v) ? out(v, v) : text(v), ' ',
    html`<${Word} c="s m3" aria-label=${`Copy ${k}`} act=${() => copy(text(v))}>copy</${Word}>`, ' ',
    html`<a class="s m3" aria-label=${`Traces with ${k}`} title="Traces with this" href=${searchFor(k, v)}>+</a>`]];
  return html`<input type="search" class="afind" placeholder="Filter attributes" aria-label="Filter attributes" value=${find}
    onInput=${e => setFind(e.target.value)}/>
    ${own.length ? html`<${Facts} c="attrs" rows=${own.map(value)}/>`
      : html`<p class="s m2">${find ? 'No attribute has this.' : 'No attributes.'}</p>`}
    ${resource.length > 0 && html`<${Block} title="Resource"><${Facts} c="attrs" rows=${resource.map(value)}/></${Block}>`}
    <div class="row blk">
      <button class="btn" onClick=${() => copyItem(['Attributes', JSON.stringify(x.attributes, null, 2)])}>
      <${Icon} n="copy"/>JSON</button></div>`;
}

const brief = a =>
  Object.entries(a || {}).filter(([k]) => k != 'exception.stacktrace' && k != 'exception.message')
  .map(([k, v]) => k == 'exception.type' ? text(v) : `${k.replace(/_/g, ' ')} ${text(v)}`).join(', ').slice(0, 120);
// Events and logs: when after the trace's start, name, what they carry in grey; `open`: all of that.
function Events({ list, base, open, none }) {
  if (!list.length) return html`<p class="s m2 top12">${none}</p>`;
  return html`<dl class="kv events">
    ${list.map((e, i) =>
    [html`<dt key=${'t' + i}>${after(e.time, base)}</dt>`,
    html`<dd key=${i}>${e.name || e.body || ''}
    <span class="m3"> ${open ? Object.entries(e.attributes || {}).map(([k, v]) => html`<div class="pre">${k} = ${text(v)}</div>`)
      : brief(e.attributes)}</span></dd>`])}</dl>`;
}

// Where the reader keeps logs, when web.log_link says so.
function LogLink({ id }) {
  const link = document.querySelector('meta[name=log-link]')?.content;
  return URL_LIKE.test(link)
    && html`<p class="s top12">${out(link.replace('{trace_id}', encodeURIComponent(id)), 'All logs of this trace')}</p>`;
}

// How many traces failed in the same place.
function Others({ began: { caller, callee } }) {
  const r = useRange(), q = write(condition({ key: 'began' }, `${caller ? caller.service + '→' : ''}${callee.service}`)),
    o = useApi('search/overview', { q }, { every: 60000 }).data;
  const place = v => v.split('→').map(side => side.split(' ')[0]).join('→'),
    here = [caller, callee].filter(Boolean).map(n => n.service).join('→');
  const alike = o?.facets.find(f => f.key == 'began')?.values.filter(v => place(v.value) == here) || [],
    one = alike.length == 1 && alike[0].value.split('→')[0];
  return o && html`<${Block} title="Others like it">
    <p class="s m2"><a href=${href('/traces', { q })}>${plural(o.failed, 'trace')}
    </a> failed here ${r.words ? 'in the ' + r.words.toLowerCase() : 'in this time range'}${
    one && one != callee.service && `, all on ${one}`}.</p></${Block}>`;
}

/* ---- the hops of a call, its attempts ---- */

const HOP = { application: 'app', network: 'nt' },
  HOP_WORDS = { sidecar_out: 'sidecar out', sidecar_in: 'sidecar in', load_balancer: 'load balancer' };
function partsOf(x) {
  const last = x.hops.length - 1, app = (h, i) => h.name + (i == last ? (x.version && ' ' + x.version) + ' and below' : '');
  return x.hops
    .map((h, i) => ({ c: HOP[h.hop] || 'px', ns: h.time_ns,
    name: h.hop == 'application' ? app(h, i) : h.hop == 'gateway' ? h.name : HOP_WORDS[h.hop] || h.hop }));
}
// The row that is an attempt, of a span or of what it is a part of; −1 when it is of none.
function attemptRow(m, i) {
  while (i >= 0 && !m.s.attempt[i]) i = m.s.parent[i];
  return i;
}
// "2 of 2; the first failed alike"
function attemptWords(m, row) {
  const i = attemptRow(m, row), n = m.s.attempt[i],
    failed = m.s.attempt
    .filter((a, k) => a && k < i && m.s.attempts[k] == m.s.attempts[i] && m.s.node[k] == m.s.node[i] && m.s.lent[k] > 0).length;
  return i >= 0
    && `${n} of ${m.s.attempts[i]}${m.s.lent[i] && failed && failed == n - 1
    ? failed == 1 ? '; the first failed alike' : '; those before failed alike' : ''}`;
}
// The span that has the hops of the call it is in: of the nearest that takes a call, the outermost half, which may be the sidecar before it.
function callWithHops(m, i) {
  let k = i;
  while (k >= 0 && m.s.kind[k] != 2) k = m.s.parent[k];
  for (let p = m.s.parent[k] ?? -1; p >= 0 && m.s.folded[p]; p = m.s.parent[p]) if (m.s.kind[p] == 2) k = p;
  return k < 0 ? null : k;
}

/* ---- the whole ---- */

function factsOf(m, i, x) {
  const [lock, icon] = SECURITY[x.call?.security] || [], a = x.attributes, mono = v => html`<span class="mono">${v}</span>`,
    known = v => v == null ? 'unknown' : ms(v), attempt = attemptWords(m, i);
  const answered = [['HTTP', x.http_status], ['gRPC', x.grpc_status]].map(([k, v]) => v != null && `, ${k} ${v}`),
    port = a['server.port'];
  return [['Start', html`<span title=${when(parseTime(x.start_time), 2)}>${m.s.start_ns[i] < 0 ? '' : '+'}${ms(m.s.start_ns[i])}</span>`],
    ['Took, self', `${known(x.duration_ns)}, ${known(x.self_ns)}`],
    ['Status', [x.status == 'unset' && !x.fault ? 'ok' : x.status,
      x.status_message && html`, <span class="fault">${x.status_message}</span>`, ...answered]], attempt && ['Attempt', attempt],
    /[^-]/.test(x.response_flags) && ['Response flag', x.response_flags], x.instance && ['Instance', mono(x.instance)],
      ['Where', [x.cluster, x.namespace, x.service, x.version].filter(Boolean).join(' / ')],
    x.peer && x.peer != 'user' && ['Peer', mono((a['server.address'] || a['net.peer.ip'] || x.peer) + (port ? ':' + port : ''))],
      icon && ['Security', [html`<${Icon} n=${icon} c="m2"/> `, html`<span class=${icon == 'open' ? 'plain' : ''}>${lock}</span>`]],
    ['Came as', `${FORMAT[x.format] || x.format}${x.call ? `; ${KNOWN[x.call.known_by] || x.call.known_by}` : ''}`],
      ['Span id', mono(x.span_id)]];
}

function Details({ m, i, x, y, base, events }) {
  const trace = m.layout.trace.trace_id, links = x.links || [], began = m.layout.began, attempt = m.s.attempt[attemptRow(m, i)],
    idOf = l => l.trace_id || l.traceId || '';
  const copies = [['JSON', JSON.stringify(x, null, 2)], ['curl', curl(apiUrl(`traces/${trace}/spans/${x.span_id}`))],
    ['SQL', `SELECT * FROM span WHERE trace_id = '${trace}' AND span_id = '${x.span_id}';`], ['Link', location.href]];
  return html`<${Facts} c="top12" rows=${factsOf(m, i, x)}/>
    ${y?.hops.length > 1
      && html`<${HopBar} shares title=${`Hops of ${y.call ? `${y.call.caller.service} → ${y.call.callee.service}` : y.service}`}
      note=${`${attempt ? `attempt ${attempt}, ` : ''}${ms(sum(y.hops, 'time_ns'))}`} parts=${partsOf(y)}/>`}
    ${events.length > 0 && html`<${Block} title="Events"><${Events} list=${events.slice(0, 6)} base=${base}/></${Block}>`}
    ${links.length > 0
      && html`<${Block} title="Links">
      <ul>${links.map((l, k) =>
      html`<li key=${k} class="s"><a href=${traceHref(idOf(l), { span: l.span_id || l.spanId })}>trace ${shortId(idOf(l))}
      </a> <span class="m3">${brief(l.attributes)}</span></li>`)}</ul></${Block}>`}
    ${began && m.s.lent[i] == BEGAN && html`<${Others} began=${began}/>`}
    <div class="row w blk">
      ${copies.map((item, k) =>
      html`<button class="btn" onClick=${() => copyItem(item)}>${!k && html`<${Icon} n="copy"/>`}${item[0]}</button>`)}</div>`;
}

function sentence(m, i, x, hops) {
  const fault = hops ? m.s.fault[i] : m.s.lent[i],
    [mark, words, rest] = { [BEGAN]: ['b', 'The failure began here.', (x.says || []).map((t, k) => k % 2 ? html`<b>${t}</b>` : t)],
    [PASSED]: ['p', 'Passed on.', 'It failed because something it called failed.'],
      [RECOVERED]: ['p', 'This attempt failed.', 'The call was tried again.'] }[fault] || [];
  return mark && html`<p class="says"><${Mark} k=${mark} quiet/> <b>${words}</b> ${rest}</p>`;
}

export function Panel({ m, i, hops }) {
  const [tab, setTab] = useState(0), trace = m.layout.trace.trace_id, over = callWithHops(m, i),
    spanOf = k => k == null ? null : `traces/${trace}/spans/${m.s.span_id[k]}`;
  const own = useApi(spanOf(i), {}, { timeless: true }), above = useApi(over != i ? spanOf(over) : null, {}, { timeless: true }),
    find = (answer, row) => answer.data?.items.find(s => s.record == m.s.record[row]);
  const x = find(own, i), y = over == i ? x : find(above, over), kinds = { log: [], event: [] };
  for (const e of x?.events || []) kinds[e.kind == 'log' ? 'log' : 'event'].push(e);
  const turn = d => () => { const to = (tab + d + 4) % 4; setTab(to); document.getElementById('tab' + to).focus(); };
  useKeys(Object.fromEntries([0, 1, 2, 3].map(k => [k + 1, () => setTab(k)])));
  if (own.error) return html`<${Failed} what="This span" answer=${own}/>`;
  if (!x) return html`<p class="s m3">${own.loading ? '' : 'Nothing selected.'}</p>`;
  const base = parseTime(m.layout.trace.start_time), c = x.call,
    who = c && (c.known_by == 'caller_only' || m.s.kind[i] == 3) ? [c.caller, c.callee] : [x];
  const tabs = [['Span', null, () => html`<${Details} m=${m} i=${i} x=${x} y=${y} base=${base} events=${kinds.event}/>`],
    ['Attributes', Object.keys(x.attributes).length, () => html`<${Attributes} x=${x} key=${x.span_id}/>`],
    ['Events', kinds.event.length, () => html`<${Events} list=${kinds.event} base=${base} open none="No events."/>`],
    ['Logs', kinds.log.length,
      () => [html`<${Events} list=${kinds.log} base=${base} open none="No logs came with this span."/>`,
      html`<${LogLink} id=${trace}/>`]]];
  return html`<p class="s m2">${who[0].service}${who[0].version && html` <span class="tag">${who[0].version}</span>`}
    ${who[1] && ` → ${who[1].service}`}</p><h1>${x.operation}</h1>${sentence(m, i, x, hops)}
    <div class="tabs" role="tablist" onKeyDown=${keysOf({ ArrowRight: turn(1), ArrowLeft: turn(-1) })}>
      ${tabs.map(([name, n], k) => html`<button key=${name} role="tab" id=${'tab' + k} aria-selected=${flag(k == tab)}
      aria-controls="tabpanel" tabindex=${k == tab ? 0 : -1} onClick=${() => setTab(k)}>${name}
        ${n != null && html` <span class="m3">${count(n)}</span>`}</button>`)}</div>
    <div role="tabpanel" id="tabpanel" aria-labelledby=${'tab' + tab} tabindex="0" class="tp">${tabs[tab][2]()}</div>`;
}
