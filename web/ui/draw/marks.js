// marks.js: the icons and the four marks of failure and slowness, the same on every page.
import { html } from '../html.js';

const BOXES = 'M1.5 5H6v6H1.5zM10 5h4.5v6H10zM6 8h4', DRUM = 'M3 4c0-2.7 10-2.7 10 0s-10 2.7-10 0v8c0 2.7 10 2.7 10 0V4',
  CORNERS = 'M5.5 5.5h8v8h-8z', LOCK = 'M5 7V5a3 3 0 016 0v2';
const ROUND = 'M2.5 8a5.5 5.5 0 1111 0 5.5 5.5 0 11-11 0', BODY = 'M3 7h10v6.5H3z';
// Lines in a box of 16 by 16; what follows "|" is filled.
const ICONS = {
  now: 'M2 8h3l2-5 3 10 2-5h2',
  graph: 'M1.5 8a2 2 0 114 0 2 2 0 11-4 0M10.5 3.5a2 2 0 114 0 2 2 0 11-4 0M10.5 12.5a2 2 0 114 0 2 2 0 11-4 0M5.4 7.1l5.2-2.7M5.4 8.9l5.2 2.7',
  traces: 'M2 3.5h8M5 8h9M8 12.5h5',
  services: 'M2 2.5h12v4H2zM2 9.5h12v4H2zM4.5 4.5h.01M4.5 11.5h.01',
  network: BOXES, cross: BOXES,
  sql: DRUM + 'M3 8c0 2.7 10 2.7 10 0',
  db: DRUM,
  search: 'M2.5 7a4.5 4.5 0 119 0 4.5 4.5 0 11-9 0M10.5 10.5L14 14',
  theme: ROUND + '|M8 2.5v11a5.5 5.5 0 000-11z',
  left: 'M10 3L5 8l5 5', right: 'M6 3l5 5-5 5', down: 'M3.5 6L8 10.5 12.5 6', plus: 'M8 3v10M3 8h10', minus: 'M3 8h10',
  copy: CORNERS + 'M10.5 5.5v-2a1 1 0 00-1-1h-6a1 1 0 00-1 1v6a1 1 0 001 1h2',
  lock: LOCK + '|' + BODY, tls: LOCK + BODY, open: BODY + 'M5 7V4.6A3 3 0 0110.6 3M2 15L14.5 1.5',
  turn: 'M2.5 4.5H9a3.7 3.7 0 010 7.5H4M6.5 9.2L3.6 12l2.9 2.8',
  gw: 'M8 1.8l5.4 3.1v6.2L8 14.2l-5.4-3.1V4.9z',
  ext: 'M6 3H3v10h10v-3M9 3h4v4M13 3L7 9',
  split: 'M2 8h4c3 0 3-4.5 8-4.5M6 8c3 0 3 4.5 8 4.5',
  user: 'M5.3 5.2a2.7 2.7 0 115.4 0 2.7 2.7 0 11-5.4 0M2.8 14c.6-3 2.6-4.5 5.2-4.5s4.6 1.5 5.2 4.5',
  fit: 'M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10',
  dl: 'M8 2v8M4.5 7L8 10.5 11.5 7M2.5 13.5h11',
  gap: 'M1.5 8H5M11 8h3.5M7 5l-1.5 6M10.5 5L9 11',
  retry: 'M13 8a5 5 0 11-1.5-3.6M13 2v3h-3',
};

// `at`: attributes where it stands inside another SVG.
export function Icon({ n, c = '', at }) {
  const [lines, filled] = ICONS[n].split('|');
  return html`<svg class=${'i ' + c} viewBox="0 0 16 16" aria-hidden="true" ...${at}><path d=${lines}/>
    ${filled && html`<path d=${filled} fill="currentColor"/>`}</svg>`;
}

const WORDS = { b: 'failures began here', p: 'failures passed on', s: 'slowness began here', w: 'slow because it waits' };
const DIAMOND = 'M6 1.2L10.8 6 6 10.8 1.2 6z', TRIANGLE = 'M6 1.6L11 10.4H1z';

// Diamond is failure, triangle slowness; filled began here, hollow passed on. `quiet` where words beside it say the same.
export const Mark = ({ k, quiet }) =>
  html`<svg class="mk" viewBox="0 0 12 12" role=${quiet ? null : 'img'} aria-label=${quiet ? null : WORDS[k]}
  aria-hidden=${quiet ? 'true' : null}><path class=${'mk-' + k} d=${k == 'b' || k == 'p' ? DIAMOND : TRIANGLE} stroke-linejoin="round"/>
    </svg>`;

// Patterns that an SVG chart or graph refers to: #hx hatches a failure passed on.
export const HatchDefs = () => html`<pattern id="hx" width="4.5" height="4.5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
  <rect width="1.6" height="4.5" style=${{ fill: 'var(--fault)' }}/></pattern>`;
