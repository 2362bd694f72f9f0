// parts.js: the small pieces that pages are made of.
import { html } from '../html.js';
import { ms, share } from './text.js';

// true and false as attributes of ARIA are written.
export const flag = x => x ? 'true' : 'false';

// A titled part of a page. note: beside the title, in grey; more: beside that; right: at the other end of the line; c: classes beside "blk".
export const Block = ({ id, title, note, more, right, c = '', at, children }) => html`<section class=${'blk ' + c} aria-labelledby=${id}>
  <header class=${at}><h2 id=${id}>${title}</h2>${note && html`<span class="m3 s">${note}</span>`}${more}
    ${right && html`<span class="grow"></span>${right}`}</header>${children}</section>`;

// One of a few choices, all in sight. options: [[value, words], …]
export const Seg = ({ label, options, value, set }) =>
  html`<div class="seg" role="group" aria-label=${label}>${options.map(([v, words]) =>
  html`<button type="button" key=${v} aria-pressed=${flag(v == value)} onClick=${() => set(v)}>${words}</button>`)}</div>`;

// One of several choices in a list.
export const Select = ({ label, options, value, set, c }) =>
  html`<select class=${c} aria-label=${label} value=${value} onChange=${e => set(e.target.value)}>${options.map(([v, words]) =>
  html`<option key=${v} value=${v}>${words}</option>`)}</select>`;

// Facts by name: [[name, value], …]; what is false is left out.
export const Facts = ({ rows, c = '' }) =>
  html`<dl class=${'kv ' + c}>${rows.filter(Boolean).map(([k, v]) => [html`<dt key=${k}>${k}</dt>`, html`<dd key=${k + '='}>${v}</dd>`])}
  </dl>`;

// "a, b and c" of texts or pieces.
export const listed = all => all.map((x, i) => [i ? i == all.length - 1 ? ' and ' : ', ' : '', x]);

// A button that is a word in a sentence.
export const Word = ({ act, c = '', children, ...more }) =>
  html`<button type="button" class=${'lnk ' + c} onClick=${act} ...${more}>${children}</button>`;

// What a colour or a pattern means.
export const Swatch = ({ c = '', children }) => html`<span><i class=${'sw ' + c}></i>${children}</span>`;

// What a time is made of, as a bar and in words. parts: [{c: class of the hop, name, ns}]
export function HopBar({ title, note, parts, shares }) {
  const total = parts.reduce((n, p) => n + p.ns, 0) || 1;
  return html`<${Block} title=${title} note=${note}>
    <div class="hops" role="img" aria-label=${parts.map(p => `${p.name} ${ms(p.ns)}`).join(', ')}>${parts.map((p, i) =>
      html`<span key=${i} class=${p.c} style=${{ flex: Math.max(.02, p.ns / total * 100) }}></span>`)}</div>
    <div class="hoplist">
      ${parts.map(p =>
      [html`<i class=${p.c}></i>`, html`<span class="el">${p.name}</span>`, html`<span class="r">${ms(p.ns)}</span>`,
      html`<span class="m3 r">${shares && share(p.ns / total)}</span>`])}</div></${Block}>`;
}
