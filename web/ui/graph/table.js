// table.js: everything the picture has, as a table: sortable, failures first. What screen readers and phones get.
import { html, useState } from '../html.js';
import { Icon, Mark } from '../draw/marks.js';
import { asMarkdown } from '../draw/markdown.js';
import { flag } from '../draw/parts.js';
import { cell, sortHead, sortWord, Table } from '../draw/table.js';
import { asCsv, ms, plural, rate } from '../draw/text.js';
import { useKeys } from '../frame/keys.js';
import { edgeHref, isUser, nameOf, ratesOf, securityOf } from './names.js';
import { knownOf } from './select.js';
import { byHarm, marked, markOf } from './numbers.js';

function rowsOf(graph) {
  const byId = new Map(graph.nodes.map(n => [n.id, n])),
    full = n => n && !isUser(n) && n.node.namespace ? `${n.node.namespace}/${nameOf(n)}` : nameOf(n);
  return graph.edges.map(e => {
    const ends = [byId.get(e.caller), byId.get(e.callee)];
    return { e, name: ends.map(nameOf).join(' → '), full: ends.map(full).join(' → '), r: ratesOf(e, graph.seconds), s: securityOf(e),
      known: knownOf(e) };
  });
}

const failures = (r, n, e) => cell(n ? rate(r) : '0', marked(e.calls, n) ? 'fault' : 'm3');
// [head, class, what it sorts by: words up first, numbers down, what stands in it]
const COLUMNS = [['Edge', '', r => r.name], ['Calls/s', 'r', r => r.r.calls, r => r.r.bare],
  ['Began', 'r', r => r.r.began, r => failures(r.r.began, r.e.errors_origin, r.e)],
  ['Passed on', 'r', r => r.r.passed, r => failures(r.r.passed, r.e.errors_carried, r.e)],
    ['p95', 'r only-l', r => r.e.p95_ns || 0, r => ms(r.e.p95_ns)],
  ['Security', 'only-l after', r => r.s.words, r => cell(r.s.words, r.s.plain ? 'plain' : 'm2')],
    ['Known from', 'only-l m2', r => r.known, r => r.known]];
const compare = of => (a, b) => { const [x, y] = [of(a), of(b)]; return x.localeCompare ? x < y ? -1 : +(x > y) : y - x; };

export function EdgeTable({ graph, matches, selected, edge, keys, query }) {
  const [[by, turned], setOrder] = useState([]), [all, setAll] = useState(false), column = COLUMNS.find(c => c[0] == by),
    rows = rowsOf(graph).filter(r => !matches || matches.edges.has(r.e.id));
  rows.sort((a, b) => (column ? compare(column[2])(a, b) * (turned ? -1 : 1) : 0) || byHarm(a.e, b.e));
  const isSel = r => selected?.caller == r.e.caller && selected?.callee == r.e.callee, quiet = rows.filter(r => !r.e.mark).length;
  const move = d =>
    () => { const i = rows.findIndex(isSel), to = rows[Math.max(0, Math.min(rows.length - 1, i < 0 ? 0 : i + d))]; if (to) edge(to.e); };
  useKeys({ j: move(1), k: move(-1) });
  const name = r =>
    [r.e.mark && html`<${Mark} k=${markOf(r.e)}/>`, r.e.mark && '\u00a0',
    html`<a class="q" href=${edgeHref(keys(r.e.caller), keys(r.e.callee), query)} title=${r.full}>
    ${r.e.mark ? html`<b>${r.name}</b>` : r.name}</a>`,
    r.e.via && html` <span class="m3 s only-l">via ${r.e.via}</span>`];
  const way = c => by == c[0] && ((c[1].startsWith('r')) == !!turned ? 1 : -1),
    head = c => sortHead(c[0], way(c), () => setOrder([c[0], by == c[0] && !turned]));
  return html`<${Table} c=${all ? 'all' : ''} name="Edges of the graph" rows=${rows} id=${r => r.e.id} asked=${by + turned}
    rowProps=${r => ({ class: 'go' + (r.e.mark ? '' : ' quiet'), 'aria-selected': flag(isSel(r)), onClick: () => edge(r.e) })}
    cols=${COLUMNS.map(c => [head(c), c[1], c[3] || name, sortWord(way(c))])}>
    ${!all && quiet > 0
      && html`<tr class="only-s">
      <td colspan="4">
      <button class="btn bare" onClick=${() => setAll(true)}><${Icon} n="right"/>${plural(quiet, 'edge')} without failures</button></td>
      </tr>`}</${Table}>`;
}

// The table as text, for spreadsheets and for notes.
export function asText(graph, kind) {
  const rows = [['caller', 'callee', 'via', 'calls_per_s', 'began_per_s', 'passed_on_per_s', 'p95_ms', 'security', 'known_from'],
    ...rowsOf(graph).sort((a, b) => byHarm(a.e, b.e)).map(({ e, r, s, known }) =>
    [e.caller, e.callee, e.via, r.calls.toFixed(3), r.began.toFixed(3), r.passed.toFixed(3),
      e.p95_ns == null ? '' : (e.p95_ns / 1e6).toFixed(3), s.words, known])];
  return kind == 'csv' ? asCsv(rows) : asMarkdown(rows);
}
