// table.js: a table from a list of columns: [head, class, content of a row's cell, or cell(content, more classes)].
import { html } from '../html.js';
import { useSteady } from '../frame/states.js';
import { go } from '../frame/url.js';

class Cell { constructor(v, c) { Object.assign(this, { v, c }); } }
export const cell = (v, c) => new Cell(v, c);
// What stands out when it is bad, and is quiet else.
export const loud = (text, isBad, quiet = 'm3', c = 'fault') => isBad ? cell(html`<b>${text}</b>`, c) : cell(text, quiet);
export const grey = text => cell(text, 'm2');

// The head of a column by which one can sort. way: 1 up, -1 down, 0 not by it.
export const sortHead = (words, way, act) =>
  html`<button class="th" onClick=${act}>${words}${way && html` <span aria-hidden="true">${way > 0 ? '↑' : '↓'}</span>`}</button>`;
export const sortWord = way => way ? way > 0 ? 'ascending' : 'descending' : null;

const OF_CONTENT = /\b(mono|m2)\b/g; /* classes that a column's head does not get */
const toCell = (k, x) => x instanceof Cell ? html`<td class=${`${k} ${x.c}`}>${x.v}</td>` : html`<td class=${k}>${x}</td>`;

/* id(row): its key; to(row): makes the whole row a way there; the link inside is what keys and screen readers use. name: for screen readers.
 * asked: what decides the order, as a text; empty: what is said when there are no rows; rowProps(row): more of the row's element. */
export function Table({ cols, rows: sorted, id, to, name, asked, empty, c, rowProps, children }) {
  const [rows, hold] = useSteady(sorted, id, asked), open = r => e => { if (!e.target.closest('a,button') && to(r)) go(to(r)); };
  if (empty && !rows.length) return html`<p class="m2 s">${empty}</p>`;
  return html`<div class="scrollx"><table class=${c} ...${hold}>${name && html`<caption class="sr">${name}</caption>`}
    <thead><tr>${cols.map(([head, k, , sort]) => html`<th scope="col" class=${k.replace(OF_CONTENT, '')} aria-sort=${sort}>${head}</th>`)}
      </tr></thead>
    <tbody>${rows.map(r =>
      html`<tr key=${id(r)} class=${to ? 'go' : ''} onClick=${to && open(r)} ...${rowProps?.(r)}>
      ${cols.map(([, k, f]) => toCell(k, f(r)))}</tr>`)}${children}</tbody></table></div>`;
}
