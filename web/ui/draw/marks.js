// marks.js: the icons and the four marks of failure and slowness, the same on every page.
import { html } from '../html.js';

const ICONS = {
  now: html`<path d="M2 8h3l2-5 3 10 2-5h2"/>`,
  graph: html`<circle cx="3.5" cy="8" r="2"/><circle cx="12.5" cy="3.5" r="2"/><circle cx="12.5" cy="12.5" r="2"/><path d="M5.4 7.1l5.2-2.7M5.4 8.9l5.2 2.7"/>`,
  traces: html`<path d="M2 3.5h8M5 8h9M8 12.5h5"/>`,
  services: html`<rect x="2" y="2.5" width="12" height="4" rx="1"/><rect x="2" y="9.5" width="12" height="4" rx="1"/><path d="M4.5 4.5h.01M4.5 11.5h.01"/>`,
  network: html`<rect x="1.5" y="5" width="4.5" height="6" rx="1"/><rect x="10" y="5" width="4.5" height="6" rx="1"/><path d="M6 8h4"/>`,
  sql: html`<ellipse cx="8" cy="4" rx="5.5" ry="2"/><path d="M2.5 4v8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2V4M2.5 8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2"/>`,
  search: html`<circle cx="7" cy="7" r="4.5"/><path d="M10.5 10.5L14 14"/>`,
  theme: html`<circle cx="8" cy="8" r="5.5"/><path d="M8 2.5v11a5.5 5.5 0 000-11z" fill="currentColor"/>`,
  left: html`<path d="M10 3L5 8l5 5"/>`,
  right: html`<path d="M6 3l5 5-5 5"/>`,
  down: html`<path d="M3.5 6L8 10.5 12.5 6"/>`,
  copy: html`<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5v-2a1 1 0 00-1-1h-6a1 1 0 00-1 1v6a1 1 0 001 1h2"/>`,
  lock: html`<rect x="3" y="7" width="10" height="6.5" rx="1.2" fill="currentColor"/><path d="M5 7V5a3 3 0 016 0v2"/>`,
  tls: html`<rect x="3" y="7" width="10" height="6.5" rx="1.2"/><path d="M5 7V5a3 3 0 016 0v2"/>`,
  open: html`<rect x="3" y="7" width="10" height="6.5" rx="1.2"/><path d="M5 7V4.6A3 3 0 0110.6 3M2 15L14.5 1.5"/>`,
  turn: html`<path d="M2.5 4.5H9a3.7 3.7 0 010 7.5H4M6.5 9.2L3.6 12l2.9 2.8"/>`,
  cross: html`<rect x="1.5" y="5" width="4.5" height="6" rx="1"/><rect x="10" y="5" width="4.5" height="6" rx="1"/><path d="M6 8h4"/>`,
  gw: html`<path d="M8 1.8l5.4 3.1v6.2L8 14.2l-5.4-3.1V4.9z"/>`,
  plus: html`<path d="M8 3v10M3 8h10"/>`,
  minus: html`<path d="M3 8h10"/>`,
  ext: html`<path d="M6 3H3v10h10v-3M9 3h4v4M13 3L7 9"/>`,
  split: html`<path d="M2 8h4c3 0 3-4.5 8-4.5M6 8c3 0 3 4.5 8 4.5"/>`,
  user: html`<circle cx="8" cy="5.2" r="2.7"/><path d="M2.8 14c.6-3 2.6-4.5 5.2-4.5s4.6 1.5 5.2 4.5"/>`,
  db: html`<ellipse cx="8" cy="4" rx="5" ry="2"/><path d="M3 4v8c0 1.1 2.2 2 5 2s5-.9 5-2V4"/>`,
  fit: html`<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"/>`,
  dl: html`<path d="M8 2v8M4.5 7L8 10.5 11.5 7M2.5 13.5h11"/>`,
  gone: html`<circle cx="8" cy="8" r="5.5" stroke-dasharray="2 2"/>`,
  retry: html`<path d="M13 8a5 5 0 11-1.5-3.6M13 2v3h-3"/>`,
  queue: html`<path d="M2 4.5h9a2.5 3.5 0 010 7H2M2 4.5a2.5 3.5 0 000 7M5.5 4.5v7M8.5 4.5v7"/>`,
};

// `at`: attributes where it stands inside another SVG.
export const Icon = ({ n, c = '', at }) => html`<svg class=${'i ' + c} ...${at} viewBox="0 0 16 16" aria-hidden="true">${ICONS[n]}</svg>`;

const WORDS = { b: 'failures began here', p: 'failures passed on', s: 'slowness began here', w: 'slow because it waits' };
const DIAMOND = 'M6 1.2L10.8 6 6 10.8 1.2 6z', TRIANGLE = 'M6 1.6L11 10.4H1z';

// Diamond is failure, triangle slowness; filled began here, hollow passed on. `quiet` where words beside it say the same.
export const Mark = ({ k, quiet }) => html`<svg class="mk" viewBox="0 0 12 12" role=${quiet ? null : 'img'} aria-label=${quiet ? null : WORDS[k]}
  aria-hidden=${quiet ? 'true' : null}><path class=${'mk-' + k} d=${k == 'b' || k == 'p' ? DIAMOND : TRIANGLE} stroke-linejoin="round"/></svg>`;

// Patterns that an SVG chart or graph refers to: #hx hatches a failure passed on, #hs slowness that waits.
export const HatchDefs = () => html`<defs>${[['hx', '--fault'], ['hs', '--slow-mark']].map(([id, colour]) => html`
  <pattern id=${id} width="4.5" height="4.5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
    <rect width="1.6" height="4.5" style=${{ fill: `var(${colour})` }}/></pattern>`)}</defs>`;

// A service's hue: fnv1a(cluster/namespace/name) mod 10.
export function hueOf(cluster, namespace, service) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(`${cluster}/${namespace}/${service}`)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % 10;
}

// Hues of several services that stand together: a clash takes the next free hue. Gives a function of a service's key.
export function hues(nodes) {
  const taken = new Set(), of = new Map();
  for (const { cluster, namespace, service } of nodes) {
    const key = `${cluster}/${namespace}/${service}`;
    if (of.has(key)) continue;
    let hue = hueOf(cluster, namespace, service);
    for (let i = 0; taken.has(hue) && i < 10; i++) hue = (hue + 1) % 10;
    taken.add(hue);
    of.set(key, hue);
  }
  return ({ cluster, namespace, service }) => of.get(`${cluster}/${namespace}/${service}`) ?? hueOf(cluster, namespace, service);
}

export const Sure = ({ share }) => {
  const [bars, words] = share >= .9 ? [4, 'very likely'] : share >= .7 ? [3, 'likely'] : share >= .4 ? [2, 'possible'] : [1, 'weak'];
  return html`<span class="sure" aria-hidden="true">${[0, 1, 2, 3].map(i => html`<i class=${i < bars ? '' : 'o'}></i>`)}</span> ${words}`;
};
