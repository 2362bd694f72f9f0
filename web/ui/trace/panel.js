// panel.js: the selected span: what it was, what it carries, the hops of its call, its events, and others like it.
import { html, useState } from '../html.js';
import { Icon, Mark } from '../draw/marks.js';
import { count, ms, parseTime, plural, share, when } from '../draw/text.js';
import { apiUrl, useApi } from '../frame/api.js';
import { useKeys } from '../frame/keys.js';
import { copy } from '../frame/menu.js';
import { useRange } from '../frame/range.js';
import { Failed } from '../frame/states.js';
import { href } from '../frame/url.js';
import { condition, write } from '../traces/line.js';
import { BEGAN, PASSED, RECOVERED } from './model.js';

const HOP = { application: 'app', sidecar_out: 'px', sidecar_in: 'px', gateway: 'px', waypoint: 'px', load_balancer: 'px', network: 'nt' };
const HOP_WORDS = { sidecar_out: 'sidecar out', sidecar_in: 'sidecar in', load_balancer: 'load balancer' };
const FORMAT = { otlp_pb: 'OTLP', otlp_json: 'OTLP, JSON', zipkin_json: 'Zipkin', zipkin_pb: 'Zipkin, protobuf', jaeger_json: 'Jaeger', envoy_als: "Envoy's access log", access_log_otlp: 'access log by OTLP' };
const KNOWN = { both: 'both halves', callee_only: 'callee only', caller_only: 'caller only', link: 'by a link', log: 'by a log', request_id: 'joined by request id', entry: 'entry' };
const LOCK = { mtls: ['lock', 'mTLS'], tls: ['tls', 'TLS'], plaintext: ['open', 'plaintext'] };
const URL_LIKE = /^https?:\/\/[^\s]+$/;

const text = v => typeof v == 'string' ? v : JSON.stringify(v);

function Hops({ x, title, note }) {
  const total = x.hops.reduce((s, h) => s + h.time_ns, 0) || 1, last = x.hops.length - 1;
  const name = (h, i) => h.hop == 'application' ? (i == last && x.version ? `${h.name} ${x.version}` : h.name) + (i == last ? ' and below' : '') : h.hop == 'gateway' ? h.name : HOP_WORDS[h.hop] || h.hop;
  return html`<section class="blk"><header class="shead hh"><h2>${title}</h2><span class="m3 s">${note}</span></header>
    <div class="hops" role="img" aria-label=${x.hops.map((h, i) => `${name(h, i)} ${ms(h.time_ns)}`).join(', ')}>${x.hops.map((h, i) => html`<span key=${i} class=${HOP[h.hop]} style=${{ flex: Math.max(.02, h.time_ns / total * 100) }}></span>`)}</div>
    <div class="hoplist">${x.hops.map((h, i) => html`<i class=${HOP[h.hop]}></i><span class="el">${name(h, i)}</span><span class="r">${ms(h.time_ns)}</span><span class="m3 r">${share(h.time_ns / total)}</span>`)}</div></section>`;
}

function Value({ v }) {
  const t = text(v);
  return URL_LIKE.test(t) ? html`<a href=${t} target="_blank" rel="noreferrer noopener">${t}</a>` : t;
}

function Attributes({ x }) {
  const [find, setFind] = useState(''), all = [...Object.entries(x.attributes).map(([k, v]) => [k, v]), ...Object.entries(x.resource).map(([k, v]) => [k, v, true])];
  const shown = all.filter(([k, v]) => !find || `${k} ${text(v)}`.toLowerCase().includes(find.toLowerCase()));
  const list = of => html`<dl class="kv attrs">${of.map(([k, v]) => html`<dt key=${'k' + k}>${k}</dt><dd key=${'v' + k}><${Value} v=${v}/> <button class="lnk s m3" aria-label=${`Copy ${k}`} onClick=${() => copy(text(v))}>copy</button> <a class="s m3" aria-label=${`Traces with ${k}`} title="Traces with this" href=${href('/traces', { q: write(condition({ key: k, attribute: true }, text(v))) })}>+</a></dd>`)}</dl>`;
  const own = shown.filter(a => !a[2]), resource = shown.filter(a => a[2]);
  return html`<input type="search" class="afind" placeholder="Filter attributes" aria-label="Filter attributes" value=${find} onInput=${e => setFind(e.target.value)}/>
    ${own.length ? list(own) : html`<p class="s m2">${find ? 'No attribute has this.' : 'No attributes.'}</p>`}${resource.length > 0 && html`<h2 class="blk">Resource</h2>${list(resource)}`}
    ${shown.length > 0 && html`<div class="row blk"><button class="btn" onClick=${() => copy(JSON.stringify(x.attributes, null, 2), 'Attributes copied')}><${Icon} n="copy"/>JSON</button></div>`}`;
}

// Events and logs: when after the trace's start, name, what they carry in grey.
function Events({ list, base, open }) {
  return html`<dl class="kv events">${list.map((e, i) => { const at = parseTime(e.time) || Number(e.time_ns ?? e.timeUnixNano) / 1e6, a = e.attributes || {}; return html`<dt key=${'t' + i}>+${ms((at - base) * 1e6)}</dt><dd key=${'d' + i}>${e.name || e.body || ''} <span class="m3">${open
    ? Object.entries(a).map(([k, v]) => html`<div class="pre">${k} = ${text(v)}</div>`) : brief(a)}</span></dd>`; })}</dl>`;
}
const brief = a => Object.entries(a).filter(([k]) => k != 'exception.stacktrace' && k != 'exception.message').map(([k, v]) => k == 'exception.type' ? text(v) : `${k.replace(/_/g, ' ')} ${text(v)}`).join(', ').slice(0, 120);

function Others({ began, r }) {
  const q = write(condition({ key: 'began' }, `${began.caller ? began.caller.service + '→' : ''}${began.callee.service}`));
  const o = useApi('search/overview', { q }, { every: 60000 }).data;
  if (!o) return null;
  const alike = v => { const [a, b] = v.split('→'); return (began.caller ? b && a.split(' ')[0] == began.caller.service && b.split(' ')[0] == began.callee.service : !b && a.split(' ')[0] == began.callee.service); };
  const values = (o.facets.find(f => f.key == 'began')?.values || []).filter(v => alike(v.value)), one = values.length == 1 && values[0].value.split('→')[0];
  return html`<section class="blk"><h2>Others like it</h2><p class="s m2 tight2"><a href=${href('/traces', { q })}>${plural(o.failed, 'trace')}</a> failed here ${r.words ? 'in the ' + r.words.toLowerCase() : 'in this time range'}${one && one != began.callee.service ? `, all on ${one}` : ''}.</p></section>`;
}

function sentence(m, i, x, hops) {
  const fault = hops ? m.s.fault[i] : m.s.lent[i];
  if (fault == BEGAN) return html`<${Mark} k="b" quiet/> <b>The failure began here.</b> ${(x.says || []).map((t, k) => k % 2 ? html`<b>${t}</b>` : t)}`;
  if (fault == PASSED) return html`<${Mark} k="p" quiet/> <b>Passed on.</b> It failed because something it called failed.`;
  return fault == RECOVERED && html`<${Mark} k="p" quiet/> <b>This attempt failed.</b> The call was tried again.`;
}

function Details({ m, i, x, hops, began, r, base, waits }) {
  const c = x.call, attempt = attemptWords(m, i), [icon, lock] = LOCK[c?.security] || [], start = parseTime(x.start_time), node = [x.cluster, x.namespace, x.service, x.version].filter(Boolean).join(' / ');
  const events = x.events.filter(e => e.kind != 'log'), links = x.links || [], trace = m.layout.trace.trace_id;
  const rows = [['Start', html`<span title=${when(start, 2)}>+${ms(m.s.start_ns[i])}</span>`], ['Took, self', `${x.duration_ns == null ? 'unknown' : ms(x.duration_ns)}, ${x.self_ns == null ? 'unknown' : ms(x.self_ns)}`],
    ['Status', html`${x.status == 'unset' && !x.fault ? 'ok' : x.status}${x.status_message && html`, <span class="fault">${x.status_message}</span>`}${x.http_status != null ? `, HTTP ${x.http_status}` : ''}${x.grpc_status != null ? `, gRPC ${x.grpc_status}` : ''}`],
    attempt && ['Attempt', attempt], x.response_flags && x.response_flags != '-' && ['Response flag', x.response_flags], x.instance && ['Instance', html`<span class="mono">${x.instance}</span>`], ['Where', node],
    x.peer && x.peer != 'user' && ['Peer', html`<span class="mono">${x.attributes['server.address'] || x.attributes['net.peer.ip'] || x.peer}${x.attributes['server.port'] ? ':' + x.attributes['server.port'] : ''}</span>`],
    lock && ['Security', html`<span class="m2"><${Icon} n=${icon}/></span> <span class=${icon == 'open' ? 'plain' : ''}>${lock}</span>`], ['Came as', `${FORMAT[x.format] || x.format}${c ? `; ${KNOWN[c.known_by] || c.known_by}` : ''}`], ['Span id', html`<span class="mono">${x.span_id}</span>`]];
  const sql = `SELECT * FROM span WHERE trace_id = '${trace}' AND span_id = '${x.span_id}';`, api = `traces/${trace}/spans/${x.span_id}`;
  return html`<dl class="kv top12">${rows.filter(Boolean).map(([k, v]) => html`<dt key=${k}>${k}</dt><dd key=${k + 'v'}>${v}</dd>`)}</dl>
    ${waits && html`<${Hops} x=${waits.x} title=${`Hops of ${waits.title}`} note=${waits.note}/>`}
    ${events.length > 0 && html`<section class="blk"><h2>Events</h2><${Events} list=${events.slice(0, 6)} base=${base}/></section>`}
    ${links.length > 0 && html`<section class="blk"><h2>Links</h2><ul>${links.map((l, k) => html`<li key=${k} class="s"><a href=${href('/trace/' + (l.trace_id || l.traceId), { span: l.span_id || l.spanId })}>trace ${(l.trace_id || l.traceId || '').slice(0, 8)}</a> <span class="m3">${brief(l.attributes || {})}</span></li>`)}</ul></section>`}
    ${began && m.s.lent[i] == BEGAN && html`<${Others} began=${began} r=${r}/>`}
    <div class="row w top16"><button class="btn" onClick=${() => copy(JSON.stringify(x, null, 2), 'JSON copied')}><${Icon} n="copy"/>JSON</button><button class="btn" onClick=${() => copy(`curl -s '${location.origin}${apiUrl(api)}'`, 'curl copied')}>curl</button><button class="btn" onClick=${() => copy(sql, 'SQL copied')}>SQL</button><button class="btn" onClick=${() => copy(location.href, 'Link copied')}>Link</button></div>`;
}

const attemptOf = (m, i) => { for (; i >= 0; i = m.s.parent[i]) if (m.s.attempt[i]) return m.s.attempt[i]; return 0; };

// "2 of 2; the first failed alike": of the span, or of the attempt that it is a part of.
function attemptWords(m, i) {
  for (; i >= 0 && !m.s.attempt[i]; i = m.s.parent[i]);
  if (i < 0) return null;
  let failed = 0;
  for (let k = 0; k < i; k++) if (m.s.attempt[k] && m.s.attempts[k] == m.s.attempts[i] && m.s.node[k] == m.s.node[i] && m.s.lent[k] > 0) failed++;
  return `${m.s.attempt[i]} of ${m.s.attempts[i]}${m.s.lent[i] && failed && failed == m.s.attempt[i] - 1 ? failed == 1 ? '; the first failed alike' : '; those before failed alike' : ''}`;
}

// The span that has the hops of the call it is in: of the nearest that takes a call, the outermost half, which may be the sidecar before it.
function callWithHops(m, i) {
  let k = i;
  while (k >= 0 && m.s.kind[k] != 2) k = m.s.parent[k];
  for (let p = k >= 0 ? m.s.parent[k] : -1; p >= 0 && m.s.folded[p]; p = m.s.parent[p]) if (m.s.kind[p] == 2) k = p;
  return k < 0 ? null : k;
}

export function Panel({ m, i, hops }) {
  const [tab, setTab] = useState(0), r = useRange(), trace = m.layout.trace.trace_id, over = callWithHops(m, i);
  const own = useApi(`traces/${trace}/spans/${m.s.span_id[i]}`, {}, { timeless: true });
  const above = useApi(over != null && over != i ? `traces/${trace}/spans/${m.s.span_id[over]}` : null, {}, { timeless: true });
  const find = (answer, row) => answer.data?.items.find(s => s.record == m.s.record[row]);
  const x = find(own, i), y = over == i ? x : find(above, over), logs = x?.events.filter(e => e.kind == 'log') || [], events = x?.events.filter(e => e.kind != 'log') || [];
  const tabs = x ? [['Span'], ['Attributes', Object.keys(x.attributes).length], ['Events', events.length], ['Logs', logs.length]] : [];
  const move = e => { const d = { ArrowRight: 1, ArrowLeft: -1 }[e.key]; if (d) { e.preventDefault(); e.stopPropagation(); const to = (tab + d + 4) % 4; setTab(to); e.currentTarget.children[to].focus(); } };
  useKeys({ 1: () => setTab(0), 2: () => setTab(1), 3: () => setTab(2), 4: () => setTab(3) });
  if (own.error) return html`<${Failed} what="This span" error=${own.error} again=${own.again}/>`;
  if (!x) return html`<p class="s m3">${own.loading ? '' : 'Nothing selected.'}</p>`;
  const base = parseTime(m.layout.trace.start_time), c = x.call, who = c && (c.known_by == 'caller_only' || m.s.kind[i] == 3) ? [c.caller, c.callee] : [x], says = sentence(m, i, x, hops);
  const waits = y?.hops.length > 1 && { x: y, title: y.call ? `${y.call.caller.service} → ${y.call.callee.service}` : y.service, note: `${attemptOf(m, i) ? `attempt ${attemptOf(m, i)}, ` : ''}${ms(y.duration_ns)}` };
  return html`<p class="s m2">${who[0].service}${who[0].version && html` <span class="tag">${who[0].version}</span>`}${who[1] && ` → ${who[1].service}`}</p><h1>${x.operation}</h1>
    ${says && html`<p class="says">${says}</p>`}
    <div class="tabs" role="tablist" onKeyDown=${move}>${tabs.map(([name, n], k) => html`<button key=${name} role="tab" id=${'tab' + k} aria-selected=${k == tab ? 'true' : 'false'} aria-controls="tabpanel" tabindex=${k == tab ? 0 : -1} onClick=${() => setTab(k)}>${name}${n != null && html` <span class="m3">${count(n)}</span>`}</button>`)}</div>
    <div role="tabpanel" id="tabpanel" aria-labelledby=${'tab' + tab} tabindex="0" class="tp">${tab == 0 ? html`<${Details} m=${m} i=${i} x=${x} hops=${hops} began=${m.layout.began} r=${r} base=${base} waits=${waits}/>` : tab == 1 ? html`<${Attributes} x=${x} key=${x.span_id}/>`
      : tab == 2 ? events.length ? html`<${Events} list=${events} base=${base} open/>` : html`<p class="s m2 top12">No events.</p>` : html`${logs.length ? html`<${Events} list=${logs} base=${base} open/>` : html`<p class="s m2 top12">No logs came with this span.</p>`}<${LogLink} id=${trace}/>`}</div>`;
}

// Where the reader keeps logs, when web.log_link says so.
function LogLink({ id }) {
  const link = document.querySelector('meta[name=log-link]')?.content;
  return link && URL_LIKE.test(link) ? html`<p class="s top12"><a href=${link.replace('{trace_id}', encodeURIComponent(id))} target="_blank" rel="noreferrer noopener">All logs of this trace</a></p>` : null;
}
