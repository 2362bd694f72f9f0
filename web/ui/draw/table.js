// table.js: a table from a list of columns: [head, class, cell of a row]. A cell is content, or [content, more classes].
import { html } from '../html.js';
import { go } from '../frame/url.js';

// `to` of a row makes the whole row a way there; the link inside is what keys and screen readers use.
export const Table = ({ cols, rows, key, to, head, c }) => html`<table class=${c}>${head && html`<caption class="sr">${head}</caption>`}<thead><tr>${cols.map(([t, k]) => html`<th scope="col" class=${k}>${t}</th>`)}</tr></thead>
  <tbody>${rows.map(r => html`<tr key=${key(r)} class=${to ? 'go' : ''} onClick=${to && (e => { if (!e.target.closest('a,button') && to(r)) go(to(r)); })}>${cols.map(([, k, f]) => { const [v, more] = [f(r)].flat(); return html`<td class=${`${k || ''} ${more || ''}`}>${v}</td>`; })}</tr>`)}</tbody></table>`;
