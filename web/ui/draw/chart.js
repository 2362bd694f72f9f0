// chart.js: a chart over time, as SVG. One hairline grid, few ticks, no legend box; a solid tint for failures that began here,
// hatching for those passed on, gaps for missing minutes; one cursor on all charts of a page; dragging selects a time range.
import { html, useEffect, useRef, useState } from '../html.js';
import { freeze } from '../frame/range.js';
import { store } from '../frame/store.js';
import { clock, day } from './text.js';

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

// Round times inside a window, at most `most` of them, each with its words.
export function timeTicks(from, to, most) {
  const step = 1000 * (STEPS_S.find(s => (to - from) / s / 1000 <= most) || STEPS_S.at(-1)), ticks = [];
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) ticks.push([t, step >= 864e5 ? day(t) : clock(t, step < 6e4 ? 1 : 0)]);
  return ticks;
}

// A round upper end for values from 0, and `parts` equal ticks up to it.
function niceMax(value) {
  const unit = value > 0 ? 10 ** Math.floor(Math.log10(value)) : 1,
    m = [1, 1.2, 1.5, 1.8, 2, 2.4, 3, 4, 5, 6, 8, 10].find(f => f * unit >= value);
  const parts = { 1: 2, 2: 4, 4: 4, 5: 2, 8: 4, 10: 2 }[m] || 3;
  return [m * unit, Array.from({ length: parts + 1 }, (_, i) => +(m * unit * i / parts).toPrecision(6))];
}

// The size of an element's inside, as it changes: {w, h}; 0 before it is known.
export function useSize(ref) {
  const [size, set] = useState({ w: 0, h: 0 });
  useEffect(() => {
    const look = () => ref.current && set({ w: ref.current.clientWidth, h: ref.current.clientHeight }), watch = new ResizeObserver(look);
    watch.observe(ref.current);
    look();
    return () => watch.disconnect();
  }, []);
  return size;
}

// The ticks of both axes: lines across with their words at the left, times below. X, Y: to px; right: where lines end; bottom: of the times.
export const Axes = ({ X, Y, ticks, fmt = String, l, right, bottom, times }) =>
  [...ticks.map(t => html`<line class="gridl" key=${'g' + t} x1=${l} x2=${right} y1=${Y(t)} y2=${Y(t)}/>`),
  ...ticks.map(t => html`<text class="ax" key=${'t' + t} x=${l - 6} y=${Y(t) + 4} text-anchor="end">${fmt(t)}</text>`),
  ...times.map(([t, words]) =>
    html`<text class="ax" key=${'x' + t} x=${X(t)} y=${bottom}
    text-anchor=${X(t) < l + 16 ? 'start' : X(t) > right - 16 ? 'end' : 'middle'}>${words}</text>`)];

const LETTER = 6.2; /* px of one, about */

/* Times with their words, as lines down a chart that goes from one time to another; the words lie over all lines. marks: see Chart. Words stand on the right of their line, or on its
 * left where that is asked for or there is no room; those that would lie over others' go lower. */
export function Moments({ marks = [], from, to, X, top, bottom, width }) {
  const taken = [], all = marks.filter(m => m && m.at >= from && m.at <= to).map(m => {
    const words = width < 420 && m.short || m.label || '', w = LETTER * words.length, x = X(m.at),
      before = m.left && x > 40 + w || x + 6 + w > width, a = before ? x - 6 - w : x + 6, b = a + w;
    const lies = taken.some(t => a < t[1] && b > t[0]);
    taken.push([a, b]);
    return [m, { x: x + (before ? -6 : 6), y: top + 10 + (m.dy || 0) + (lies ? 15 : 0), 'text-anchor': before ? 'end' : 'start' }, words];
  });
  const style = ({ colour }) => colour && { '--c': `var(${colour})` };
  return html`<g class="onset">
    ${all.map(([m]) => html`<line x1=${X(m.at)} x2=${X(m.at)} y1=${top} y2=${bottom} stroke-dasharray=${m.dash} style=${style(m)}/>`)}
    ${all.map(([m, place, words]) => html`<text ...${place} style=${style(m)}>${words}</text>`)}</g>`;
}

const cursor = store(null); /* Unix ms; all charts share it */

// A point between two gaps is a dash as long as it takes to see it.
const line = (points, half = 3) =>
  points.map((p, i) =>
  p ? points[i - 1] || points[i + 1] ? `${points[i - 1] ? 'L' : 'M'}${p[0].toFixed(1)} ${p[1].toFixed(1)}`
    : `M${(p[0] - half).toFixed(1)} ${p[1].toFixed(1)}h${2 * half}` : '').join('');

// An area between two lines; each run without a gap closes by itself.
function area(upper, lower) {
  let d = '';
  for (let from = 0, to; from < upper.length; from = to + 1) {
    to = from;
    if (!upper[from]) continue;
    while (upper[to + 1]) to++;
    d += line(upper.slice(from, to + 1)) + line(lower.slice(from, to + 1).reverse(), -3).replace('M', 'L') + 'Z';
  }
  return d;
}

const HEADROOM = 1.1; /* times the highest, where words of a mark stand above it */
const isLine = s => s.kind == 'line';
function paths({ x, series, max }, X, Y) {
  let base = x.map(() => 0);
  const at = (v, i) => v == null ? null : [X(x[i]), Y(Math.min(v, max))];
  return series.map((s, k) => {
    const colour = `var(${s.stroke || (isLine(s) ? '--ink' : '--fault')})`,
      top = isLine(s) ? s.v : s.v.map((v, i) => v == null ? null : v + base[i]), upper = top.map(at);
    const edge = html`<path key=${k} d=${line(upper)} class="cl" stroke-dasharray=${s.dash}
      style=${{ stroke: colour, strokeWidth: s.w || (isLine(s) ? 1.5 : 1) }}/>`;
    if (isLine(s)) return edge;
    const lower = base.map(at);
    base = top.map((v, i) => v ?? base[i]);
    return [html`<path key=${'a' + k} d=${area(upper, lower)}
      style=${{ fill: s.hatch ? 'url(#hx)' : s.fill ? `var(${s.fill})` : `color-mix(in srgb,${colour} 24%,transparent)` }}/>`, edge];
  });
}
// The highest that is drawn: areas stand on each other.
const highest = ({ x, series }) =>
  Math.max(0, ...x.map((_, i) =>
  Math.max(series.reduce((n, s) => n + (isLine(s) ? 0 : s.v[i] || 0), 0), ...series.map(s => isLine(s) ? s.v[i] || 0 : 0))));

/* One chart. x: Unix ms of the points; series: [{v, kind: 'line' or area, stroke: '--token', fill: '--token', hatch, w, dash: '4 3'}], areas stack in
 * order; from, to: Unix ms of the axis; max and ticks, else round ones up to `least` or more; fmt: of ticks; marks: [{at, label, short, left, dash, dy, colour}], what is
 * false is left out; win: [from, to] the window on show; onSelect(from, to) after dragging, else that is the time range; h, l, r: height and
 * margins; label: the whole in one sentence. */
export function Chart(props) {
  const box = useRef(null), { w: W } = useSize(box), at = cursor.use(), [drag, setDrag] = useState(null);
  const o = { h: 140, l: 34, r: 6, t: 8, onSelect: freeze, from: props.x[0], to: props.x.at(-1), ...props };
  if (o.max == null) [o.max, o.ticks] = niceMax(Math.max(highest(o) * (o.marks?.some(m => m?.label) ? HEADROOM : 1), o.least || 0));
  if (!o.ticks || o.h < 130 && o.ticks.length > 3) o.ticks = [0, o.max / 2, o.max];
  const bottom = o.h - 20, right = W - o.r, X = t => o.l + (right - o.l) * (t - o.from) / (o.to - o.from),
    Y = v => o.t + (bottom - o.t) * (1 - v / o.max);
  const time = e =>
    o.from + (o.to - o.from) * Math.min(1, Math.max(0, (e.clientX - box.current.getBoundingClientRect().left - o.l) / (right - o.l)));
  const down = e => {
    if (!e.button && e.pointerType != 'touch') { e.currentTarget.setPointerCapture(e.pointerId); setDrag([time(e), time(e)]); } };
  const move = e => { cursor.set(time(e)); if (drag) setDrag([drag[0], time(e)]); };
  const up = e => { const [a, b] = [drag?.[0], time(e)].sort((x, y) => x - y); if (drag && X(b) - X(a) > 4) o.onSelect(a, b);
    setDrag(null); };
  const shade = ([x0, x1]) =>
    html`<rect class="cw" x=${Math.min(x0, x1)} width=${Math.abs(x1 - x0)} y=${o.t} height=${bottom - o.t}/>`;
  return html`<div class="plot chart" role="img" aria-label=${o.label} ref=${box} style=${{ height: o.h + 'px' }} onPointerDown=${down}
    onPointerMove=${move}
    onPointerUp=${up} onPointerLeave=${() => cursor.set(null)}>
      ${W > 0 && html`<svg viewBox=${`0 0 ${W} ${o.h}`} width=${W} height=${o.h} aria-hidden="true">
      <${Axes} X=${X} Y=${Y} ...${o} right=${right} bottom=${o.h - 4} times=${timeTicks(o.from, o.to, Math.min(7, W / 110))}/>
      ${o.win && shade(o.win.map(X))}${paths(o, X, Y)}
        ${drag && shade(drag.map(X))}
      <${Moments} ...${o} X=${X} top=${o.t - 2} bottom=${bottom} width=${W}/>
      ${at != null && at >= o.from && at <= o.to && html`<line class="cur" x1=${X(at)} x2=${X(at)} y1=${o.t} y2=${bottom}/>`}</svg>`}
        </div>`;
}
