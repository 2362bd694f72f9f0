// network.js: what a gateway cannot see: clear text and who may send it, hairpins, and what calls cross, each with its cost.
import { html } from '../html.js';
import { curlOf, useApi } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { Page, useTitle } from '../frame/states.js';
import { href, showQuery } from '../frame/url.js';
import { Icon } from '../draw/marks.js';
import { Block, Seg, Word, flag } from '../draw/parts.js';
import { grey, loud, Table } from '../draw/table.js';
import { clock, count, ms, parseTime, plural, rate, share } from '../draw/text.js';
import { failed, perSecond } from '../graph/columns.js';
import { edgeHref, idOf, nameOfId, nodeName } from '../graph/names.js';
import { marked, ratio, sum } from '../graph/numbers.js';

const LIMIT = { limit: 1000 }, MOST_GROUPS = 12, OTHERS = 'others';
const CROSSES = { cross_cluster: 'another cluster', cross_zone: 'another zone', cross_namespace: 'another namespace', in: 'from outside',
  out: 'leaves the mesh' };
const ACROSS = ['cross_namespace', 'cross_zone', 'cross_cluster'], LEVELS = ['namespace', 'zone', 'cluster'];

const pair = x => `${nodeName(x.caller)} → ${nodeName(x.callee)}`;
const inGraph = (x, overlay) => edgeHref(idOf(x.caller), idOf(x.callee), { overlay });
// words(row): what a phone says below, for want of a column of its own.
const edge = (overlay, icon, c, words) =>
  ['Edge', '', x => html`<${Icon} n=${icon(x)} c=${c}/> <a class="q brk" href=${inGraph(x, overlay)}><b>${pair(x)}</b></a>${
    words && html`<span class="only-s s m2"> ${words(x)}</span>`}`];
const ofAll = of => ['Of all calls', 'r only-l m2', x => share(of(x))];
const added = ['Added', 'r', x => loud(x.added_ns == null ? 'unknown' : `+${ms(x.added_ns)}`, x.added_ns != null, 'm3', '')];
const listOf = (rows, overlay, cols, name, asked) =>
  html`<${Table} rows=${rows} id=${x => idOf(x.caller) + idOf(x.callee) + x.crossing + x.via + x.gateway + x.from_zone + x.to_zone}
  to=${x => inGraph(x, overlay)} name=${name} cols=${cols} asked=${asked} empty="None."/>`;

// since(edge): when clear text began in this window, Unix ms; known: something is known of the time before it.
function ClearText({ rows, s, since, known }) {
  const clear = rows.filter(x => x.plaintext > 0),
    n = (...kinds) => rows.filter(x => kinds.every(k => k[0] == '!' ? !x[k.slice(1)] : x[k]) && !x.plaintext).length;
  const unknown = n('unknown', '!mtls', '!tls'), with_ = (k, words) => n(k) && `${plural(n(k), 'edge')} with ${words}`;
  const rest = [with_('mtls', 'mTLS'), with_('tls', 'TLS'),
    unknown && `of ${plural(unknown, 'edge')} nothing is known: neither end is seen by a proxy`].filter(Boolean).join('; ');
  const when = x => { const at = since(x); return at ? clock(at, 1) : known ? 'before this window' : 'unknown'; };
  return html`<${Block} id="cl" title="Clear text" note="what anybody on the way could read, worst first">${clear.length ? html`
    ${listOf(clear, 'sec',
      [edge('sec', () => 'open', 'plain'), perSecond(s, x => x.plaintext), ['Of its calls', 'r', x => share(ratio(x.plaintext, x.calls))],
    ofAll(x => x.share * ratio(x.plaintext, x.calls)), ['Since', 'only-l after m2', when],
    ['May it', 'after', x => loud(x.violation ? 'not allowed' : 'allowed', x.violation, 'm2', 'plain')]], 'Edges that send clear text')}
    <p class="m3 s below">Allowed is what <code>security.allow_plaintext</code> names. ${rest && `Beside them: ${rest}.`}</p>`
    : html`<p class="m2">
      ${!rows.length ? 'No calls in this window.' : unknown || n('tls') ? `No clear text was seen: ${rest}.`
      : 'All traffic between services is mTLS.'}</p>`}</${Block}>`;
}

const Hairpins = ({ rows, s }) =>
  html`<${Block} id="hp" title="Hairpins" note="calls that leave by a gateway and come back in by it, most time first">
  ${rows.length ? html`
  ${listOf(rows, 'cross',
    [edge('cross', () => 'turn', 'turn'), ['By', 'only-l m2', x => x.gateway || 'a gateway'], perSecond(s), ofAll(x => x.share), added,
    ['A day', 'r', x => x.added_ns == null ? grey('unknown') : ms(x.added_ns * x.calls / s * 86400)]], 'Hairpins')}
  <p class="m3 s below">Added is the mean time between the caller's gateway and the callee, of calls that both ends saw; a day is that time the calls of a day at this rate.</p>`
  : html`<p class="m2">No call goes out by a gateway to come back in.</p>`}</${Block}>`;

/* ---- crossings ---- */

// Which row or column of the matrix an end of a call belongs to.
function groupOf(x, side, by) {
  if (by == 'zone') return side == 'caller' ? x.from_zone : x.to_zone;
  if (side == 'caller' && (x.caller.role == 'user' || x.crossing == 'in')) return 'in';
  if (side == 'callee' && x.crossing == 'out') return 'out';
  return x[side][by] || (/database|cache|queue/.test(x[side].role) ? 'stores' : 'unknown');
}

function matrixOf(rows, by) {
  const busy = new Map(), cells = new Map(), edgeGroups = ['in', 'out'],
    groups = x => [groupOf(x, 'caller', by), groupOf(x, 'callee', by)];
  for (const x of rows) for (const g of groups(x)) busy.set(g, (busy.get(g) || 0) + x.calls);
  const names = [...busy.keys()].filter(g => !edgeGroups.includes(g)).sort((a, b) => busy.get(b) - busy.get(a)),
    shown = names.slice(0, MOST_GROUPS);
  const fold = g => edgeGroups.includes(g) || shown.includes(g) ? g : OTHERS;
  for (const x of rows) {
    const [from, to] = groups(x).map(fold), key = `${from}>${to}`;
    if (!cells.has(key)) cells.set(key, { key, from, to, rows: [] });
    cells.get(key).rows.push(x);
  }
  const axis = [...shown].sort().concat(names.length > MOST_GROUPS ? OTHERS : []),
    used = side => g => [...cells.values()].some(c => c[side] == g);
  return { cells, callers: [...axis, 'in'].filter(used('from')), callees: [...axis, 'out'].filter(used('to')) };
}

function MatrixCell({ c, a, b, s, picked }) {
  if (!c) return html`<td class="m3 r"><span class="sr">no calls</span></td>`;
  const calls = sum(c.rows, 'calls'), errors = sum(c.rows, 'errors'), timed = c.rows.filter(x => x.added_ns != null),
    bad = marked(calls, errors);
  const note = bad ? `${share(ratio(errors, calls))} failed` : timed.length
    ? `+${ms(sum(timed, x => x.added_ns * x.calls) / sum(timed, 'calls'))}` : '';
  return html`<td class=${'r' + (a == b ? ' own' : '')} aria-selected=${picked ? 'true' : null}>
    <${Word} c="q" aria-pressed=${flag(picked)} act=${() => showQuery({ cell: picked ? null : c.key })}>
    <span class="sr">${a} to ${b}: </span>${rate(calls / s)}<small class=${bad ? 'fault' : 'm3'}>${note}</small></${Word}></td>`;
}
const Matrix = ({ m, s, by, picked }) =>
  html`<div class="scrollx"><table class="matrix"><caption class="sr">Calls between ${by}s: rows call columns</caption>
  <thead><tr><th scope="col">calls ↓ →</th>${m.callees.map(g => html`<th scope="col" class="r" key=${g}>${g}</th>`)}</tr></thead>
  <tbody>${m.callers
    .map(a => html`<tr key=${a}><th scope="row">${a}</th>
    ${m.callees.map(b => html`<${MatrixCell} key=${b} c=${m.cells.get(`${a}>${b}`)} a=${a} b=${b} s=${s}
    picked=${picked == `${a}>${b}`}/>`)}</tr>`)}</tbody></table></div>`;

function Crossings({ rows, s, by, query }) {
  const zones = by == 'zone', m = matrixOf(rows, by), picked = m.cells.get(query.cell),
    crosses = x => zones ? x.from_zone != x.to_zone : ACROSS.slice(LEVELS.indexOf(by)).includes(x.crossing);
  const across = ratio(sum(rows.filter(crosses), 'calls'), sum(rows, 'calls')),
    how = x => zones ? `${x.from_zone} → ${x.to_zone}` : `${CROSSES[x.crossing] || x.crossing}${x.via ? `, via ${x.via}` : ''}`;
  const note = zones && !rows.length ? 'no call is known to have a zone at both ends' : across
    ? `${share(across)} of all calls ${zones ? 'whose zones are known ' : ''}go to another ${by}` : `no call goes to another ${by}`;
  return html`<${Block} id="cr" title="Crossings" note=${note} at="mid" right=${html`<${Seg} label="Between" value=${by}
      set=${k => showQuery({ by: k == 'namespace' ? null : k, cell: null })} options=${LEVELS.toReversed().map(k => [k, k + 's'])}/>`}>
    ${rows.length > 0 && html`<${Matrix} m=${m} s=${s} by=${by} picked=${query.cell}/>`}
    <h3 class="shead">
      ${picked ? html`${picked.from} → ${picked.to} <${Word} c="s" act=${() => showQuery({ cell: null })}>all that cross</${Word}>`
      : 'Edges that cross'}</h3>
    ${listOf(picked ? picked.rows : rows.filter(x => crosses(x) || x.crossing == 'out'), 'cross',
      [edge('cross', x => x.crossing == 'out' ? 'ext' : 'cross', 'm2', how), ['Crosses', 'only-l m2', how],
      perSecond(s), ofAll(x => x.share), failed(), added], 'Edges', by + query.cell)}
    <p class="m3 s below">Added is the mean time on the way: what the caller waited less what the callee took, of calls that both ends saw.${
      zones && html` Zones are what <code>cloud.availability_zone</code> says, or <code>stitch.zones</code> of an address.`}</p>
        </${Block}>`;
}

/* ---- the page ---- */

function finding(clear, pins, s) {
  const bad = clear.filter(x => x.violation).length, only = pins.length == 1, calls = sum(pins, 'calls'),
    cost = pins.every(x => x.added_ns != null) && sum(pins, x => x.added_ns * x.calls) / calls;
  const parts = [clear.length
    && `${plural(clear.length, 'edge')} ${clear.length == 1 ? 'sends' : 'send'} clear text${bad == clear.length ? '' : bad
    ? `, ${count(bad)} of them without leave` : ', as allowed'}`,
    pins.length && `${only ? nodeName(pins[0].caller) + ' goes' : count(pins.length) + ' edges go'} out by ${only && pins[0].gateway
      || 'a gateway'} to come back in${
      cost === false ? '' : `: +${ms(cost)} on ${rate(calls / s).replace('/s', ' calls/s')}`}`].filter(Boolean);
  return parts.length ? parts.join('; ') + '.' : 'No clear text, and no call takes a way round.';
}

const SQL = `SELECT minute, caller_service, callee_service, sum(plaintext) AS plaintext, sum(calls) AS calls
FROM edge_violation WHERE minute_ns BETWEEN :from AND :to GROUP BY 1, 2, 3 ORDER BY 1`;

export function Network({ query }) {
  const by = LEVELS.includes(query.by) ? query.by : 'namespace', cross = useApi('crossings', LIMIT),
    zones = useApi(by == 'zone' ? 'zones' : null, LIMIT);
  const security = useApi('security', LIMIT), pins = useApi('hairpins', LIMIT), now = useApi('now');
  const answers = [cross, security, pins, now, zones], ready = answers.slice(0, 4).every(a => a.data), d = now.data, s = d?.seconds || 1,
    edges = security.data?.items;
  const title = ready && finding(edges.filter(x => x.plaintext > 0), pins.data.items, s), empty = ready && !cross.data.items.length,
    items = by == 'zone' ? zones.data?.items : cross.data?.items;
  const since = x =>
    parseTime(d.changes
    .find(c => c.kind == 'first_plaintext' && nameOfId(c.caller) == x.caller.service && nameOfId(c.callee) == x.callee.service)?.at);
  useTitle(!empty && title, 'Network');
  return html`<${Page} name="Network" what="The network" answers=${answers} ready=${ready} empty=${empty}>${ready && html`
    <section class="answer"><h1>${title}</h1>
      <p class="sub">${plural(edges.length, 'edge')}, ${rate(sum(cross.data.items, 'calls') / s)} between them.</p>
      <div class="acts"><a class="btn" href=${href('/graph', { overlay: 'sec' })}>See it in the graph</a>
        <${Menu} c="bare" items=${[['SQL', SQL],
        ['curl', ['security', 'hairpins', 'crossings', 'zones'].map(p => curlOf(p)).join('\n')],
          ['Command', 'faultline graph --check']]}/></div></section>
    ${(cross.data.next || security.data.next)
      && html`<p class="note part">The first ${count(LIMIT.limit)} edges of each list are here: ask for less time to see the others.</p>`}
    <${ClearText} rows=${edges} s=${s} since=${since} known=${d.base.seconds > 0}/><${Hairpins} rows=${pins.data.items} s=${s}/>
    ${items && html`<${Crossings} rows=${items} s=${s} by=${by} query=${query}/>`}`}</${Page}>`;
}
