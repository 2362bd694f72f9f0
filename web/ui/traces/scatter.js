// scatter.js: durations over time on a log scale, good ones as grey discs first, failed ones as diamonds on top; the histogram of all
// beside it; a box drawn with the pointer selects.
import { html, useEffect, useRef, useState } from '../html.js';
import { looks } from '../frame/store.js';
import { Axes, Moments, timeTicks, useSize } from '../draw/chart.js';
import { css, pen } from '../draw/pen.js';
import { clock, count, ms, parseTime } from '../draw/text.js';

const H = 276, L = 44, T = 6, B = 22, BOTTOM = H - B;
const NEAR = 81; /* squared px within which the pointer is at a point */

// Ends of the axis at 1, 2 or 5 times a power of ten, and the ticks between, at most ten.
function logAxis(least, most) {
  const all = [];
  for (let e = -4; e < 7; e++) for (const s of [1, 2, 5]) all.push(+(s * 10 ** e).toPrecision(1));
  const up = all.findIndex(t => t >= most * .9999), down = all.findLastIndex(t => t <= least * 1.0001),
    wide = all[up] / all[down] >= 9 ? 0 : 1, at = i => Math.max(0, Math.min(all.length - 1, i));
  const lo = all[at(down - wide)], hi = all[at((up < 0 ? all.length : up) + wide)], ticks = all.filter(t => t >= lo && t <= hi),
    isWhole = t => Math.abs(Math.log10(t) - Math.round(Math.log10(t))) < .01;
  return { lo, hi, ticks: ticks.length > 10 ? ticks.filter(isWhole) : ticks };
}

function paint(ctx, { failed }, at, width) {
  ctx.fillStyle = css('--ctl');
  ctx.globalAlpha = Math.max(.2, Math.min(.5, width * 2.2 / failed.length)); /* many are lighter: what lies over each other adds up */
  failed.forEach((f, i) => { if (!f) { ctx.beginPath(); ctx.arc(...at(i), 1.7, 0, 7); ctx.fill(); } });
  Object.assign(ctx, { globalAlpha: 1, fillStyle: css('--fault'), strokeStyle: css('--bg'), lineWidth: .6 });
  failed.forEach((f, i) => {
    if (!f) return;
    const [x, y] = at(i), d = 3.7, diamond = new Path2D(`M${x} ${y - d}l${d} ${d} ${-d} ${d} ${-d} ${-d}z`);
    ctx.fill(diamond);
    ctx.stroke(diamond);
  });
}

// Bars of the whole result between the ends of the axis: [{y, h, good, failed}].
function barsOf({ bins_per_decade: per, lowest_ns, good, failed }, lo, hi) {
  const bin = ms => Math.log10(ms * 1e6 / lowest_ns) * per, low = bin(lo), h = (BOTTOM - T) / (bin(hi) - low);
  return good.map((n, b) => ({ y: BOTTOM - (b + 1 - low) * h, h, good: n, failed: failed[b] }))
    .filter((x, b) => (x.good || x.failed) && b >= Math.round(low) && b < Math.round(bin(hi)));
}

/* data: the overview; from, to: Unix ms; box: what is selected; marks: [{at, label}]; select(box) after dragging; open(id) of the trace at a press. */
export function Scatter({ data, from, to, box, marks, select, open, label }) {
  const plot = useRef(null), canvas = useRef(null), { w: W0 } = useSize(plot), [drag, setDrag] = useState(null),
    [near, setNear] = useState(null);
  looks.use();
  const { points } = data, hist = W0 > 520 ? 96 : 56, W = Math.max(120, W0 - hist - 14), base = parseTime(data.from),
    took = points.duration_ns.map(d => Math.max(d, 100) / 1e6);
  const { lo, hi, ticks } = logAxis(...took.length ? [took.reduce((a, b) => Math.min(a, b)), took.reduce((a, b) => Math.max(a, b))]
    : [5, 500]), decades = Math.log10(hi / lo);
  const X = t => L + (W - L) * (t - from) / (to - from), Y = v => T + (BOTTOM - T) * (1 - Math.log10(Math.max(v, lo) / lo) / decades),
    at = i => [X(base + points.time_ms[i]), Y(points.duration_ns[i] / 1e6)];
  const time = x => from + (to - from) * (x - L) / (W - L), value = y => lo * 10 ** (decades * (1 - (y - T) / (BOTTOM - T)));
  useEffect(() => { if (W0) paint(pen(canvas.current, W, H), points, at, W); });
  const spot = e => { const r = plot.current.getBoundingClientRect();
    return [Math.min(W, Math.max(L, e.clientX - r.left)), Math.min(BOTTOM, Math.max(T, e.clientY - r.top))]; };
  const nearest = ([x, y]) => {
    let best = null, least = NEAR;
    points.failed.forEach((f, i) => {
      const [px, py] = at(i), d = (px - x) ** 2 + (py - y) ** 2 - (f ? 4 : 0);
      if (d < least) { least = d; best = i; }
    });
    return best;
  };
  const touch = e => e.pointerType == 'touch', sorted = (a, b) => a < b ? [a, b] : [b, a];
  const down = e => { if (!e.button && !touch(e)) { e.currentTarget.setPointerCapture(e.pointerId); setDrag([spot(e), spot(e)]); } };
  const move = e => drag ? setDrag([drag[0], spot(e)]) : setNear(nearest(spot(e)));
  const up = e => {
    const p = spot(e), d = drag;
    setDrag(null);
    if (touch(e) || (d && Math.hypot(p[0] - d[0][0], p[1] - d[0][1]) < 4)) { const i = nearest(p);
      if (i != null) open(points.trace_id[i]); return; }
    if (!d) return;
    const [x0, x1] = sorted(d[0][0], p[0]), [y0, y1] = sorted(d[0][1], p[1]);
    select({ from: Math.round(time(x0)), to: Math.round(time(x1)), least: value(y1), most: value(y0), only: null });
  };
  const bars = barsOf(data.histogram, lo, hi), most = Math.max(1, ...bars.map(b => b.good + b.failed)),
    corners = drag || box && box.from < to && box.to > from && [[Math.max(L - 4, X(box.from)), Y(Math.min(box.most, hi))], [Math.min(W, X(box.to)), Y(box.least)]];
  const [x0, x1] = corners ? sorted(corners[0][0], corners[1][0]) : [], [y0, y1] = corners ? sorted(corners[0][1], corners[1][1]) : [],
    part = (b, n, before, c) =>
    html`<rect class=${c} x=${W + 14 + before / most * hist} y=${b.y + .5} width=${n / most * hist} height=${Math.max(.5, b.h - 1)}/>`;
  const [nx, ny] = near == null ? [] : at(near), left = nx > W - 150,
    layer = { viewBox: `0 0 ${W0} ${H}`, width: W0, height: H, 'aria-hidden': 'true' };
  return html`<div class="plot scatter" ref=${plot} role="img" aria-label=${label} style=${{ height: H + 'px' }}>
    ${W0 > 0 && html`<svg ...${layer}>
      <${Axes} X=${X} Y=${Y} ticks=${ticks} fmt=${t => ms(t * 1e6).replace('.0', '')} l=${L} right=${W0} bottom=${H - 5}
        times=${timeTicks(from, to, W < 420 ? 3 : 7)}/>
      ${bars.map(b => [part(b, b.failed, 0, 'hb'), part(b, b.good, b.failed, 'hk')])}
        <text class="ax" x=${W0} y=${H - 5} text-anchor="end">count</text></svg>
    <canvas ref=${canvas} class="over" style=${{ width: W + 'px', height: H + 'px' }}></canvas><svg class="over" ...${layer}>
      ${x1 > x0 && html`<g class="selbox"><rect x=${x0} y=${y0} width=${x1 - x0} height=${Math.max(2, y1 - y0)} rx="3"/>
        ${!drag && html`<text x=${x0 + 6} y=${Math.min(BOTTOM, y1) - 5}>${count(data.selected?.count || 0)} selected</text>`}</g>`}
      <${Moments} marks=${marks} from=${from} to=${to} X=${X} top=${T} bottom=${BOTTOM} width=${W}/>
      ${near != null && !drag
        && html`<g class="near"><circle cx=${nx} cy=${ny} r="6"/>
        <text x=${nx + (left ? -10 : 10)} y=${Math.max(T + 10, ny - 8)} text-anchor=${left ? 'end' : 'start'}>
        ${clock(base + points.time_ms[near], 1)}, ${ms(points.duration_ns[near])}</text></g>`}</svg>
    <div class=${'catch' + (near != null ? ' hit' : '')} style=${{ left: L + 'px', width: W - L + 'px' }} onPointerDown=${down}
      onPointerMove=${move} onPointerUp=${up} onPointerLeave=${() => setNear(null)} onPointerCancel=${() => setDrag(null)}></div>`}
      </div>`;
}
