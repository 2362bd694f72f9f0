// table.js: a table from a list of columns: [head, class, content of a row's cell, or cell(content, more classes)].
import { html } from '../html.js';
import { useSteady } from '../frame/states.js';
import { go } from '../frame/url.js';

class Cell { constructor(v, c) { this.v = v; this.c = c; } }
export const cell = (v, c) => new Cell(v, c);
const HEAD = /\b(mono|m2)\b/g; /* classes of content, not of its head */

// `asked`: what decides the order, as a text. `to` of a row makes the whole row a way there; the link inside is what keys and screen readers use.
export function Table({ cols, rows: sorted, id, to, head, asked }) {
  const [rows, hold] = useSteady(sorted, id, asked);
  return html`<table ...${hold}>${head && html`<caption class="sr">${head}</caption>`}<thead><tr>${cols.map(([t, k]) => html`<th scope="col" class=${k.replace(HEAD, '')}>${t}</th>`)}</tr></thead>
  <tbody>${rows.map(r => html`<tr key=${id(r)} class=${to ? 'go' : ''} onClick=${to && (e => { if (!e.target.closest('a,button') && to(r)) go(to(r)); })}>${cols.map(([, k, f]) => { const x = f(r), c = x instanceof Cell; return html`<td class=${c ? `${k} ${x.c}` : k}>${c ? x.v : x}</td>`; })}</tr>`)}</tbody></table>`;
}
