// chart.js: a chart over time, as SVG. One hairline grid, few ticks, no legend box; a solid tint for failures that began here,
// hatching for those passed on, gaps for missing minutes; one cursor on all charts of a page; dragging selects a time range.
import { html, useEffect, useRef, useState } from '../html.js';
import { clock, day } from './text.js';

const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800].map(s => s * 1000);

// Round times inside a window, at most `most` of them, each with its words.
export function timeTicks(from, to, most) {
  const step = STEPS_MS.find(s => (to - from) / s <= most) || STEPS_MS.at(-1), ticks = [];
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) ticks.push([t, step >= 864e5 ? day(t) : clock(t, step < 6e4 ? 1 : 0)]);
  return ticks;
}

// A round upper end for values from 0, and three to five ticks.
export function niceMax(value) {
  if (!(value > 0)) return [1, [0, 1]];
  const unit = 10 ** Math.floor(Math.log10(value)), m = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find(f => f * unit >= value) * unit;
  const parts = [4, 3, 2].find(n => { const x = m / n / unit * 20; return Math.abs(x - Math.round(x)) < 1e-9; }) || 2;
  return [m, Array.from({ length: parts + 1 }, (_, i) => +(m * i / parts).toPrecision(6))];
}

const probe = document.createElement('i');
// A token's colour as a canvas takes it: css('--fault'), or any CSS colour.
export function css(colour) {
  if (!probe.isConnected) { probe.hidden = true; document.body.append(probe); }
  probe.style.color = colour.startsWith('--') ? `var(${colour})` : colour;
  return getComputedStyle(probe).color;
}

// The width of an element, as it changes.
export function useWidth(ref) {
  const [width, set] = useState(0);
  useEffect(() => {
    const size = new ResizeObserver(() => set(ref.current?.clientWidth || 0));
    size.observe(ref.current);
    set(ref.current.clientWidth);
    return () => size.disconnect();
  }, []);
  return width;
}

/* ---- the cursor that all charts share ---- */
const cursors = new Set();
function useCursor() {
  const [at, set] = useState(null);
  useEffect(() => { cursors.add(set); return () => cursors.delete(set); }, []);
  return [at, t => { for (const f of cursors) f(t); }];
}

// A point between two gaps is a dot: a line of no length, which round ends show.
const line = points => points.map((p, i) => p ? (i && points[i - 1] ? 'L' : 'M') + p[0].toFixed(1) + ' ' + p[1].toFixed(1) + (points[i - 1] || points[i + 1] ? '' : 'h0') : '').join('');

// An area between two lines; each run without a gap closes by itself.
function area(upper, lower) {
  let d = '';
  for (let from = 0; from < upper.length; from++) {
    if (!upper[from]) continue;
    let to = from;
    while (upper[to + 1]) to++;
    d += line(upper.slice(from, to + 1)) + line(lower.slice(from, to + 1).reverse()).replace('M', 'L') + 'Z';
    from = to;
  }
  return d;
}

function paths(o, X, Y) {
  let base = o.x.map(() => 0);
  const at = (v, i) => v == null ? null : [X(o.x[i]), Y(Math.min(v, o.max))];
  return o.series.map((s, k) => {
    const colour = `var(${s.stroke || (s.kind == 'line' ? '--ink' : '--fault')})`, dash = s.dash?.join(' ');
    if (s.kind == 'line') return html`<path key=${k} d=${line(s.v.map(at))} class="cl" stroke-dasharray=${dash} style=${{ stroke: colour, strokeWidth: s.w || 1.5 }}/>`;
    const top = s.v.map((v, i) => v == null ? null : v + base[i]), upper = top.map(at), lower = base.map(at);
    base = top.map((v, i) => v ?? base[i]);
    return html`<path key=${k} d=${area(upper, lower)} style=${{ fill: s.hatch ? 'url(#hx)' : s.fill ? `var(${s.fill})` : `color-mix(in srgb,${colour} 24%,transparent)` }}/><path key=${'l' + k} d=${line(upper)} class="cl" style=${{ stroke: colour, strokeWidth: 1 }}/>`;
  });
}

/* One chart. x: Unix ms of the points; series: [{v, kind: 'line' or area, stroke: '--token', fill: '--token', hatch, w, dash: [4, 3]}], areas stack in
 * order; from, to: Unix ms of the axis; max and ticks, else round ones; fmt: of ticks; marks: [{at, label, short, side: 'l', dash, dy, colour}];
 * band: [lo, hi] what is normal; win: [from, to] the window on show; onSelect(from, to) after dragging; h, l, r, t: height and margins; axis: false
 * without times; label: the whole in one sentence. */
export function Chart(props) {
  const box = useRef(null), W = useWidth(box), [cursor, setCursor] = useCursor(), [drag, setDrag] = useState(null);
  const o = { h: 140, l: 34, r: 6, t: 8, from: props.x[0], to: props.x.at(-1), ...props };
  if (o.max == null) {
    const tops = o.x.map((_, i) => Math.max(o.series.reduce((n, s) => n + (s.kind == 'line' ? 0 : s.v[i] || 0), 0), ...o.series.map(s => s.kind == 'line' ? s.v[i] || 0 : 0)));
    [o.max, o.ticks] = niceMax(Math.max(0, ...tops));
  }
  o.ticks ||= [0, o.max / 2, o.max];
  const bottom = o.h - (o.axis === false ? 4 : 20), right = W - o.r;
  const X = t => o.l + (right - o.l) * (t - o.from) / (o.to - o.from), Y = v => o.t + (bottom - o.t) * (1 - v / o.max);
  const time = e => o.from + (o.to - o.from) * Math.min(1, Math.max(0, (e.clientX - box.current.getBoundingClientRect().left - o.l) / (right - o.l)));
  const down = e => { if (o.onSelect && !e.button) { e.currentTarget.setPointerCapture(e.pointerId); setDrag([time(e), time(e)]); } };
  const move = e => { const t = time(e); setCursor(t); if (drag) setDrag([drag[0], t]); };
  const up = e => { const [a, b] = [drag?.[0], time(e)].sort((x, y) => x - y); if (drag && X(b) - X(a) > 4) o.onSelect(a, b); setDrag(null); };
  const shade = ([a, b], c) => html`<rect class=${c} x=${X(a)} width=${Math.max(0, X(b) - X(a))} y=${o.t} height=${bottom - o.t}/>`;
  // Words that would leave the chart on the right stand on the left of their line, below those that stand there by themselves.
  const markWords = m => {
    const words = W < 420 && m.short || m.label || '', flips = m.side != 'l' && X(m.at) + 6 + 6.6 * words.length > W, left = m.side == 'l' || flips;
    return html`<text x=${X(m.at) + (left ? -6 : 6)} y=${o.t + 8 + (m.dy || 0) + (flips && o.marks.some(n => n.side == 'l') ? 15 : 0)} text-anchor=${left ? 'end' : 'start'}>${words}</text>`;
  };
  return html`<div class="plot chart" role="img" aria-label=${o.label} ref=${box} style=${{ height: o.h + 'px' }} onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerLeave=${() => setCursor(null)}>${W > 0 && html`
    <svg viewBox=${`0 0 ${W} ${o.h}`} width=${W} height=${o.h} aria-hidden="true">
      ${o.ticks.map(t => html`<line class="gridl" key=${'g' + t} x1=${o.l} x2=${right} y1=${Y(t)} y2=${Y(t)}/><text class="ax" key=${'t' + t} x=${o.l - 6} y=${Y(t) + 4} text-anchor="end">${(o.fmt || String)(t)}</text>`)}
      ${o.win && shade(o.win, 'cw')}${o.band && html`<rect class="cb" x=${o.l} width=${right - o.l} y=${Y(o.band[1])} height=${Y(o.band[0]) - Y(o.band[1])}/>`}
      ${paths(o, X, Y)}${drag && shade([...drag].sort((a, b) => a - b), 'cw')}
      ${(o.marks || []).filter(m => m.at >= o.from && m.at <= o.to).map(m => html`<g class="onset" key=${m.at + m.label} style=${m.colour && { '--c': `var(${m.colour})` }}><line x1=${X(m.at)} x2=${X(m.at)} y1=${o.t - 2} y2=${bottom} stroke-dasharray=${m.dash?.join(' ')}/>
        ${markWords(m)}</g>`)}
      ${cursor >= o.from && cursor <= o.to && cursor != null && html`<line class="cur" x1=${X(cursor)} x2=${X(cursor)} y1=${o.t} y2=${bottom}/>`}
      ${o.axis !== false && timeTicks(o.from, o.to, W < 420 ? 3 : 7).map(([t, words]) => html`<text class="ax" key=${'x' + t} x=${X(t)} y=${o.h - 4} text-anchor=${X(t) < o.l + 16 ? 'start' : X(t) > right - 16 ? 'end' : 'middle'}>${words}</text>`)}</svg>`}</div>`;
}
