// table.js: everything the picture has, as a table: sortable, failures first. What screen readers and phones get.
import { html, useState } from '../html.js';
import { Icon, Mark } from '../draw/marks.js';
import { ms, plural, rate } from '../draw/text.js';
import { useKeys } from '../frame/keys.js';
import { useSteady } from '../frame/states.js';
import { bare, edgeHref, isUser, knownOf, nameOf, ratesOf, securityOf } from './names.js';

const COLUMNS = [['name', 'Edge', ''], ['calls', 'Calls/s', 'r'], ['began', 'Began', 'r'], ['passed', 'Passed on', 'r'], ['p95', 'p95', 'r only-l'], ['sec', 'Security', 'only-l after'], ['known', 'Known from', 'only-l']];
const KEY = { name: r => r.name, calls: r => -r.r.calls, began: r => -r.r.began, passed: r => -r.r.passed, p95: r => -(r.e.p95_ns || 0), sec: r => r.s.words, known: r => r.known };
const cmp = (a, b) => a < b ? -1 : a > b ? 1 : 0;
const worst = (a, b) => b.r.began - a.r.began || b.r.passed - a.r.passed || b.r.calls - a.r.calls;

export function rowsOf(graph) {
  const byId = new Map(graph.nodes.map(n => [n.id, n]));
  return graph.edges.map(e => {
    const a = byId.get(e.caller), b = byId.get(e.callee);
    return { e, name: `${nameOf(a)} → ${nameOf(b)}`, full: [a, b].map(n => n && !isUser(n) && n.node.namespace ? `${n.node.namespace}/${nameOf(n)}` : nameOf(n)).join(' → '), r: ratesOf(e, graph.seconds), s: securityOf(e), known: knownOf(e) };
  });
}

const number = (r, text, bad) => html`<td class=${'r ' + (bad ? 'fault' : 'm3')}>${bad ? text : '0'}</td>`;

export function EdgeTable({ graph, matches, selected, onSelect, keys, query }) {
  const [order, setOrder] = useState({ by: null, up: true }), [all, setAll] = useState(false);
  const sorted = rowsOf(graph).filter(r => !matches || matches.edges.has(r.e.id));
  sorted.sort(order.by ? (a, b) => cmp(KEY[order.by](a), KEY[order.by](b)) * (order.up ? 1 : -1) || worst(a, b) : worst);
  const [rows, hold] = useSteady(sorted, r => r.e.id, order.by + order.up);
  const isSel = r => selected?.caller == r.e.caller && selected?.callee == r.e.callee, quiet = rows.filter(r => !r.e.mark).length;
  const move = by => {
    const i = rows.findIndex(isSel), next = rows[Math.max(0, Math.min(rows.length - 1, i < 0 ? 0 : i + by))];
    if (next) onSelect(null, next.e);
  };
  useKeys({ j: () => move(1), k: () => move(-1) });
  const sort = by => setOrder(o => ({ by, up: o.by == by ? !o.up : true }));
  return html`<table class=${all ? 'all' : ''} ...${hold}><caption class="sr">Edges of the graph</caption><thead><tr>${COLUMNS.map(([by, words, c]) => html`<th key=${by} class=${c} scope="col"
      aria-sort=${order.by == by ? (order.up == (by == 'name' || by == 'sec' || by == 'known') ? 'ascending' : 'descending') : null}><button class="th" onClick=${() => sort(by)}>${words}${order.by == by ? html` <span aria-hidden="true">${order.up == (by == 'name' || by == 'sec' || by == 'known') ? '↑' : '↓'}</span>` : ''}</button></th>`)}</tr></thead>
    <tbody>${rows.map(row => html`<tr key=${row.e.id} class=${'go' + (row.e.mark ? '' : ' quiet')} aria-selected=${isSel(row) ? 'true' : 'false'} onClick=${() => onSelect(null, row.e)}>
      <td>${row.e.mark && html`<${Mark} k=${row.e.mark == 'began' ? 'b' : 'p'}/>${'\u00a0'}`}<a class="q" href=${edgeHref(keys(row.e.caller), keys(row.e.callee), query)} title=${row.full}>${row.e.mark ? html`<b>${row.name}</b>` : row.name}</a>${row.e.via && html` <span class="m3 s only-l">via ${row.e.via}</span>`}</td>
      <td class="r">${bare(row.r.text)}</td>${number(row.r, rate(row.r.began), row.e.errors_origin)}${number(row.r, rate(row.r.passed), row.e.errors_carried)}
      <td class="r only-l">${ms(row.e.p95_ns)}</td><td class=${'only-l after ' + (row.s.plain ? 'plain' : 'm2')}>${row.s.words}</td><td class="only-l m2">${row.known}</td></tr>`)}
      ${!all && quiet > 0 && quiet < rows.length && html`<tr class="only-s"><td colspan="4"><button class="btn bare" onClick=${() => setAll(true)}><${Icon} n="right"/>${plural(quiet, 'edge')} without failures</button></td></tr>`}</tbody></table>`;
}

// The table as text: for spreadsheets, where a cell that begins like a formula gets a quote before it, and for notes.
export function asText(graph, kind) {
  const rows = [['caller', 'callee', 'via', 'calls_per_s', 'began_per_s', 'passed_on_per_s', 'p95_ms', 'security', 'known_from'], ...rowsOf(graph).sort(worst).map(({ e, r, s, known }) => [e.caller, e.callee, e.via, r.calls.toFixed(3), r.began.toFixed(3), r.passed.toFixed(3), e.p95_ns == null ? '' : (e.p95_ns / 1e6).toFixed(3), s.words, known])];
  if (kind == 'csv') return rows.map(r => r.map(c => { const t = (/^[=+\-@\t\r]/.test(c) && Number.isNaN(Number(c)) ? "'" : '') + c; return /[",\n\r]/.test(t) ? `"${t.replace(/"/g, '""')}"` : t; }).join(',')).join('\n') + '\n';
  return rows.map((r, i) => `| ${r.map(c => String(c).replace(/[|\\]/g, '\\$&').replace(/\s+/g, ' ')).join(' | ')} |${i ? '' : '\n|' + '---|'.repeat(r.length)}`).join('\n') + '\n';
}
