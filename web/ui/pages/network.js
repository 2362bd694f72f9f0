// network.js: what a gateway cannot see: clear text and who may send it, hairpins, and what calls cross, each with its cost.
import { html } from '../html.js';
import { curlOf, useApi } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { useRange } from '../frame/range.js';
import { Empty, Failed } from '../frame/states.js';
import { useTitle } from '../frame/title.js';
import { href, setQuery } from '../frame/url.js';
import { Icon } from '../draw/marks.js';
import { cell, Table } from '../draw/table.js';
import { clock, count, ms, parseTime, plural, rate, share } from '../draw/text.js';
import { bare, edgeHref, nameOfId, ratio } from '../graph/names.js';
import { marked } from '../graph/numbers.js';

const LIMIT = 1000, MOST_GROUPS = 12, OTHERS = 'others';
const CROSSES = { cross_cluster: 'another cluster', cross_zone: 'another zone', cross_namespace: 'another namespace', in: 'from outside', out: 'leaves the mesh', inside: 'inside', unknown: 'unknown' };
const WIDE = { cluster: ['cross_cluster'], zone: ['cross_zone', 'cross_cluster'], namespace: ['cross_namespace', 'cross_zone', 'cross_cluster'] };
const WORDS = { cluster: 'clusters', zone: 'zones', namespace: 'namespaces' };

const isUser = n => n.role == 'user';
const nameOf = n => isUser(n) ? 'users' : n.service || 'without a name';
const keyOf = n => isUser(n) ? '//user#user' : n.role == 'workload' || n.role == 'gateway' ? `${n.cluster}/${n.namespace}/${n.service}` : `${n.cluster}/${n.namespace}/${n.service}#${n.role}`;
const pair = x => `${nameOf(x.caller)} → ${nameOf(x.callee)}`;
const graph = (x, overlay) => edgeHref(keyOf(x.caller), keyOf(x.callee), { overlay });
const sum = (rows, f) => rows.reduce((n, x) => n + (f(x) || 0), 0);

const Edge = ({ x, overlay, icon, c }) => html`<${Icon} n=${icon} c=${c}/> <a class="q brk" href=${graph(x, overlay)}><b>${pair(x)}</b></a>`;

/* ---- clear text ---- */

// known: something is known of the time before the window, so that what began in it is told as new.
function ClearText({ rows, s, since, known }) {
  const clear = rows.filter(x => x.plaintext > 0), n = k => rows.filter(x => x[k] > 0 && !x.plaintext).length, unknown = rows.filter(x => x.unknown > 0 && !x.mtls && !x.tls && !x.plaintext).length;
  const rest = [n('mtls') && `${plural(n('mtls'), 'edge')} with mTLS`, n('tls') && `${plural(n('tls'), 'edge')} with TLS`, unknown && `of ${plural(unknown, 'edge')} nothing is known: neither end is seen by a proxy`].filter(Boolean).join('; ');
  return html`<section class="blk" aria-labelledby="cl"><header><h2 id="cl">Clear text</h2><span class="m3 s">what anybody on the way could read, worst first</span></header>
    ${clear.length ? html`<div class="scrollx"><${Table} rows=${clear} id=${x => pair(x) + x.caller.cluster} to=${x => graph(x, 'sec')} head="Edges that send clear text" cols=${[['Edge', '', x => html`<${Edge} x=${x} overlay="sec" icon="open" c="plain"/>`], ['Calls/s', 'r', x => bare(rate(x.plaintext / s))], ['Of its calls', 'r', x => share(ratio(x.plaintext, x.calls))],
      ['Of all calls', 'r only-l', x => cell(share(x.share * ratio(x.plaintext, x.calls)), 'm2')], ['Since', 'only-l after', x => { const at = since(x); return cell(at ? clock(at, 1) : known ? 'before this window' : 'unknown', 'm2'); }], ['May it', 'after', x => x.violation ? cell(html`<b>not allowed</b>`, 'plain') : cell('allowed', 'm2')]]}/></div>
      <p class="m3 s below">Allowed is what <code>security.allow_plaintext</code> names. ${rest && `Beside them: ${rest}.`}</p>`
      : html`<p class="m2">${rows.length && !unknown && !n('tls') ? 'All traffic between services is mTLS.' : rows.length ? `No clear text was seen: ${rest}.` : 'No calls in this window.'}</p>`}</section>`;
}

/* ---- hairpins ---- */

function Hairpins({ rows, s }) {
  return html`<section class="blk" aria-labelledby="hp"><header><h2 id="hp">Hairpins</h2><span class="m3 s">calls that leave by a gateway and come back in by it, most time first</span></header>
    ${rows.length ? html`<div class="scrollx"><${Table} rows=${rows} id=${x => pair(x) + x.gateway} to=${x => graph(x, 'cross')} head="Hairpins" cols=${[['Edge', '', x => html`<${Edge} x=${x} overlay="cross" icon="turn" c="turn"/>`], ['By', 'only-l m2', x => x.gateway || 'a gateway'], ['Calls/s', 'r', x => bare(rate(x.calls / s))], ['Of all calls', 'r only-l', x => cell(share(x.share), 'm2')],
      ['Added', 'r', x => x.added_ns == null ? cell('unknown', 'm3') : html`<b>+${ms(x.added_ns)}</b>`], ['A day', 'r', x => x.added_ns == null ? cell('unknown', 'm3') : ms(x.added_ns * x.calls / s * 86400)]]}/></div>
      <p class="m3 s below">Added is the mean time between the caller's gateway and the callee, of calls that both ends saw; a day is that time the calls of a day at this rate.</p>` : html`<p class="m2">No call goes out by a gateway to come back in.</p>`}</section>`;
}

/* ---- crossings ---- */

// Which row or column of the matrix an end of a call belongs to.
function groupOf(x, side, by) {
  if (side == 'caller' && (isUser(x.caller) || x.crossing == 'in')) return 'in';
  if (side == 'callee' && x.crossing == 'out') return 'out';
  return x[side][by] || (x[side].role == 'database' || x[side].role == 'cache' || x[side].role == 'queue' ? 'stores' : 'unknown');
}

function matrixOf(rows, by) {
  const busy = new Map(), cells = new Map();
  for (const x of rows) for (const side of ['caller', 'callee']) { const g = groupOf(x, side, by); busy.set(g, (busy.get(g) || 0) + x.calls); }
  const names = [...busy.keys()].filter(g => g != 'in' && g != 'out').sort((a, b) => busy.get(b) - busy.get(a)), shown = new Set(names.slice(0, MOST_GROUPS)), fold = g => g == 'in' || g == 'out' || shown.has(g) ? g : OTHERS;
  for (const x of rows) {
    const from = fold(groupOf(x, 'caller', by)), to = fold(groupOf(x, 'callee', by)), key = `${from}>${to}`, c = cells.get(key) || { key, from, to, calls: 0, errors: 0, timed: 0, added: 0, rows: [] };
    c.calls += x.calls;
    c.errors += x.errors;
    if (x.added_ns != null) { c.timed += x.calls; c.added += x.added_ns * x.calls; }
    c.rows.push(x);
    cells.set(key, c);
  }
  const axis = [...shown].sort().concat(names.length > MOST_GROUPS ? OTHERS : []);
  const used = side => g => [...cells.values()].some(c => c[side] == g);
  return { cells, callers: [...axis, 'in'].filter(used('from')), callees: [...axis, 'out'].filter(used('to')) };
}

function Matrix({ m, s, by, picked }) {
  const one = (a, b) => {
    const c = m.cells.get(`${a}>${b}`);
    if (!c) return html`<td class="m3 r"><span class="sr">no calls</span></td>`;
    const bad = marked(c.calls, c.errors);
    return html`<td class=${'r' + (a == b ? ' own' : '')} aria-selected=${picked == c.key ? 'true' : null}><button class="lnk q" aria-pressed=${picked == c.key ? 'true' : 'false'} onClick=${() => setQuery({ cell: picked == c.key ? null : c.key }, { replace: true })}>
      <span class="sr">${a} to ${b}: </span>${rate(c.calls / s)}<small class=${bad ? 'fault' : 'm3'}>${bad ? `${share(ratio(c.errors, c.calls))} failed` : c.timed ? `+${ms(c.added / c.timed)}` : ''}</small></button></td>`;
  };
  return html`<div class="scrollx"><table class="matrix"><caption class="sr">Calls between ${WORDS[by]}: rows call columns</caption><thead><tr><th scope="col">calls ↓ →</th>${m.callees.map(g => html`<th scope="col" class="r" key=${g}>${g}</th>`)}</tr></thead>
    <tbody>${m.callers.map(a => html`<tr key=${a}><th scope="row">${a}</th>${m.callees.map(b => one(a, b))}</tr>`)}</tbody></table></div>`;
}

function Crossings({ rows, s, by, query }) {
  const m = by != 'zone' && matrixOf(rows, by), picked = m && m.cells.get(query.cell), shown = picked ? picked.rows : rows.filter(x => WIDE[by].includes(x.crossing) || x.crossing == 'out'), across = sum(rows.filter(x => WIDE[by].includes(x.crossing)), x => x.calls);
  return html`<section class="blk" aria-labelledby="cr"><header style=${{ alignItems: 'center' }}><h2 id="cr">Crossings</h2><span class="m3 s">${across ? `${share(ratio(across, sum(rows, x => x.calls)))} of all calls go to another ${by}` : `no call goes to another ${by}`}</span><span class="grow"></span>
      <div class="seg" role="group" aria-label="Between">${Object.keys(WORDS).map(k => html`<button key=${k} aria-pressed=${k == by ? 'true' : 'false'} onClick=${() => setQuery({ by: k == 'namespace' ? null : k, cell: null }, { replace: true })}>${WORDS[k]}</button>`)}</div></header>
    ${m ? rows.length > 0 && html`<${Matrix} m=${m} s=${s} by=${by} picked=${query.cell}/>` : html`<p class="m2 s">Zones are those of <code>stitch.zones</code>; an edge is counted by whether its ends lie in one zone.</p>`}
    <h3 class="shead">${picked ? html`${picked.from} → ${picked.to} <button class="lnk s" onClick=${() => setQuery({ cell: null }, { replace: true })}>all that cross</button>` : 'Edges that cross'}</h3>
    ${shown.length ? html`<div class="scrollx"><${Table} rows=${shown} id=${x => pair(x) + x.crossing + x.via + x.caller.namespace + x.callee.namespace} to=${x => graph(x, 'cross')} asked=${by + query.cell} head="Edges" cols=${[['Edge', '', x => html`<${Edge} x=${x} overlay="cross" icon=${x.crossing == 'out' ? 'ext' : 'cross'} c="m2"/>`], ['Crosses', 'only-l m2', x => `${CROSSES[x.crossing]}${x.via ? `, via ${x.via}` : ''}`],
      ['Calls/s', 'r', x => bare(rate(x.calls / s))], ['Of all calls', 'r only-l', x => cell(share(x.share), 'm2')], ['Failed', 'r', x => marked(x.calls, x.errors) ? cell(html`<b>${share(ratio(x.errors, x.calls))}</b>`, 'fault') : cell(share(ratio(x.errors, x.calls)), 'm3')], ['Added', 'r', x => x.added_ns == null ? cell('unknown', 'm3') : `+${ms(x.added_ns)}`]]}/></div>` : html`<p class="m2">None.</p>`}<p class="m3 s below">Added is the mean time on the way: what the caller waited less what the callee took, of calls that both ends saw.</p></section>`;
}

/* ---- the page ---- */

function finding(clear, pins, s) {
  const bad = clear.filter(x => x.violation).length, cost = pins[0];
  const parts = [clear.length && `${plural(clear.length, 'edge')} ${clear.length == 1 ? 'sends' : 'send'} clear text${bad == clear.length ? '' : bad ? `, ${count(bad)} of them without leave` : ', as allowed'}`,
    pins.length && `${pins.length == 1 ? nameOf(cost.caller) : count(pins.length) + ' edges'} ${pins.length == 1 ? 'goes' : 'go'} out by ${pins.length == 1 ? cost.gateway || 'a gateway' : 'a gateway'} to come back in${cost.added_ns == null ? '' : `: +${ms(sum(pins, x => x.added_ns * x.calls) / sum(pins, x => x.calls))} on ${rate(sum(pins, x => x.calls) / s).replace('/s', ' calls/s')}`}`].filter(Boolean);
  return parts.length ? parts.join('; ') + '.' : 'No clear text, and no call takes a way round.';
}

export function Network({ query }) {
  const r = useRange(), limit = { limit: LIMIT }, cross = useApi('crossings', limit), security = useApi('security', limit), pins = useApi('hairpins', limit), now = useApi('now'), by = WORDS[query.by] ? query.by : 'namespace';
  const failed = [cross, security, pins].find(a => a.error), ready = cross.data && security.data && pins.data && now.data, s = now.data?.seconds || 1, clear = ready ? security.data.items.filter(x => x.plaintext > 0) : [];
  const title = ready && finding(clear, pins.data.items, s), empty = ready && !cross.data.items.length;
  const since = x => { const c = now.data.changes.find(c => c.kind == 'first_plaintext' && nameOfId(c.caller) == x.caller.service && nameOfId(c.callee) == x.callee.service); return c && parseTime(c.at); };
  useTitle(title && !empty && title, 'Network');
  return html`<main id="main" tabindex="-1">${(failed || now.error) && html`<${Failed} what="The network" error=${failed?.error || now.error} again=${() => [cross, security, pins, now].forEach(a => a.again())}/>`}
    ${!ready ? html`<h1 class="sr">Network</h1>` : empty ? html`<${Empty} r=${r}/>` : html`<section class="answer"><h1>${title}</h1><p class="sub">${plural(security.data.items.length, 'edge')}, ${rate(sum(cross.data.items, x => x.calls) / s)} between them.</p>
      <div class="acts"><a class="btn" href=${href('/graph', { overlay: 'sec' })}>See it in the graph</a><${Menu} c="bare" items=${[['Link', () => location.href], ['SQL', () => 'SELECT minute, caller_service, callee_service, sum(plaintext) AS plaintext, sum(calls) AS calls\nFROM edge_violation WHERE minute_ns BETWEEN :from AND :to GROUP BY 1, 2, 3 ORDER BY 1'], ['curl', () => ['security', 'hairpins', 'crossings'].map(p => curlOf(p)).join('\n')], ['Command', () => 'faultline graph --check']]}/></div></section>
      ${(cross.data.next || security.data.next) && html`<p class="note part">The first ${count(LIMIT)} edges of each list are here: ask for less time to see the others.</p>`}
      <${ClearText} rows=${security.data.items} s=${s} since=${since} known=${now.data.base.seconds > 0}/><${Hairpins} rows=${pins.data.items} s=${s}/><${Crossings} rows=${cross.data.items} s=${s} by=${by} query=${query}/>`}</main>`;
}
