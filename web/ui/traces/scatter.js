// scatter.js: durations over time on a log scale, good ones as grey discs first, failed ones as diamonds on top; the histogram of all
// beside it; a box drawn with the pointer selects.
import { html, useEffect, useLayoutEffect, useRef, useState } from '../html.js';
import { css, timeTicks } from '../draw/chart.js';
import { clock, count, ms } from '../draw/text.js';

const H = 276, L = 44, T = 6, B = 22;
const STEPS = [1, 2, 5];

// Ends of the axis at 1, 2 or 5 times a power of ten, and the ticks between, at most eight.
export function logAxis(least, most) {
  const all = [];
  for (let e = -4; e < 7; e++) for (const s of STEPS) all.push(+(s * 10 ** e).toPrecision(1));
  let lo = all.filter(t => t <= least * 1.0001).at(-1) ?? all[0], hi = all.find(t => t >= most * .9999) ?? all.at(-1);
  if (hi / lo < 9) { lo = all[Math.max(0, all.indexOf(lo) - 1)]; hi = all[Math.min(all.length - 1, all.indexOf(hi) + 1)]; }
  let ticks = all.filter(t => t >= lo && t <= hi);
  for (const keep of [[1, 3], [1]]) if (ticks.length > 8) ticks = ticks.filter(t => keep.some(k => Math.abs(t / 10 ** Math.floor(Math.log10(t) + 1e-9) - k) < .01));
  return { lo, hi, ticks };
}

function paint(canvas, W, points, X, Y) {
  const ratio = devicePixelRatio || 1, ctx = canvas.getContext('2d');
  canvas.width = W * ratio;
  canvas.height = H * ratio;
  ctx.scale(ratio, ratio);
  ctx.fillStyle = css('--ctl');
  ctx.globalAlpha = .5;
  points.failed.forEach((f, i) => { if (!f) { ctx.beginPath(); ctx.arc(X(points.time_ms[i]), Y(points.duration_ns[i] / 1e6), 1.7, 0, 7); ctx.fill(); } });
  ctx.globalAlpha = 1;
  ctx.fillStyle = css('--fault');
  ctx.strokeStyle = css('--bg');
  ctx.lineWidth = .6;
  points.failed.forEach((f, i) => {
    if (!f) return;
    const x = X(points.time_ms[i]), y = Y(points.duration_ns[i] / 1e6), d = 3.7;
    ctx.beginPath();
    ctx.moveTo(x, y - d);
    ctx.lineTo(x + d, y);
    ctx.lineTo(x, y + d);
    ctx.lineTo(x - d, y);
    ctx.closePath();
    ctx.fill();
    ctx.stroke();
  });
}

// Bars of the whole result between the ends of the axis.
function bars(histogram, lo, hi, height) {
  const per = histogram.bins_per_decade, low = Math.log10(lo * 1e6 / histogram.lowest_ns) * per, high = Math.log10(hi * 1e6 / histogram.lowest_ns) * per;
  const out = [], h = height / (high - low);
  for (let b = Math.max(0, Math.round(low)); b < Math.min(histogram.good.length, Math.round(high)); b++)
    if (histogram.good[b] || histogram.failed[b]) out.push({ y: height - (b + 1 - low) * h, h, good: histogram.good[b], failed: histogram.failed[b] });
  return [out, Math.max(1, ...out.map(b => b.good + b.failed))];
}

export function Scatter({ data, from, to, box, marks, select, open, label }) {
  const plot = useRef(null), canvas = useRef(null), [W0, setW] = useState(0), [drag, setDrag] = useState(null), [near, setNear] = useState(null), [, again] = useState(0);
  useLayoutEffect(() => {
    const size = new ResizeObserver(() => setW(plot.current.clientWidth)), theme = () => again(n => n + 1);
    size.observe(plot.current);
    setW(plot.current.clientWidth);
    addEventListener('theme', theme);
    return () => { size.disconnect(); removeEventListener('theme', theme); };
  }, []);
  const { points, histogram } = data, hist = W0 > 520 ? 96 : 56, W = Math.max(120, W0 - hist - 14), base = Date.parse(data.from.slice(0, 23) + 'Z');
  const took = points.duration_ns.map(d => Math.max(d, 100) / 1e6), { lo, hi, ticks } = logAxis(took.length ? took.reduce((a, b) => Math.min(a, b)) : 5, took.length ? took.reduce((a, b) => Math.max(a, b)) : 500);
  const llo = Math.log10(lo), lhi = Math.log10(hi);
  const Xt = t => L + (W - L) * (t - from) / (to - from), X = offset => Xt(base + offset), Y = v => T + (H - T - B) * (1 - (Math.log10(Math.max(v, lo)) - llo) / (lhi - llo));
  const time = x => from + (to - from) * (x - L) / (W - L), value = y => 10 ** (llo + (lhi - llo) * (1 - (y - T) / (H - T - B)));
  useEffect(() => { if (W0) paint(canvas.current, W, points, X, Y); });
  const spot = e => { const r = plot.current.getBoundingClientRect(); return [Math.min(W, Math.max(L, e.clientX - r.left)), Math.min(H - B, Math.max(T, e.clientY - r.top))]; };
  const nearest = ([x, y]) => {
    let best = null, least = 81;
    for (let i = 0; i < points.time_ms.length; i++) {
      const dx = X(points.time_ms[i]) - x, dy = Y(points.duration_ns[i] / 1e6) - y, d = dx * dx + dy * dy - (points.failed[i] ? 4 : 0);
      if (d < least) { least = d; best = i; }
    }
    return best;
  };
  const down = e => { if (e.button || e.pointerType == 'touch') return; e.currentTarget.setPointerCapture(e.pointerId); const p = spot(e); setDrag([p, p]); };
  const move = e => { const p = spot(e); if (drag) setDrag([drag[0], p]); else setNear(nearest(p)); };
  const up = e => {
    const p = spot(e), d = drag;
    setDrag(null);
    if (e.pointerType == 'touch' || (d && Math.hypot(p[0] - d[0][0], p[1] - d[0][1]) < 4)) { const at = nearest(p); if (at != null) open(points.trace_id[at]); return; }
    if (!d) return;
    const [x0, x1] = [d[0][0], p[0]].sort((a, b) => a - b), [y0, y1] = [d[0][1], p[1]].sort((a, b) => a - b);
    select({ from: Math.round(time(x0)), to: Math.round(time(x1)), least: value(y1), most: value(y0), only: null });
  };
  const [rows, most] = bars(histogram, lo, hi, H - T - B), xs = timeTicks(from, to, W < 420 ? 3 : 7);
  const shown = drag ? { x: Math.min(drag[0][0], drag[1][0]), y: Math.min(drag[0][1], drag[1][1]), w: Math.abs(drag[0][0] - drag[1][0]), h: Math.abs(drag[0][1] - drag[1][1]) }
    : box && { x: Math.max(L - 4, Xt(box.from)), y: Y(Math.min(box.most, hi)), w: Math.min(W, Xt(box.to)) - Math.max(L - 4, Xt(box.from)), h: Y(box.least) - Y(Math.min(box.most, hi)) };
  return html`<div class="plot scatter" ref=${plot} role="img" aria-label=${label} style=${{ height: H + 'px' }}>${W0 > 0 && html`
    <svg viewBox=${`0 0 ${W0} ${H}`} width=${W0} height=${H} aria-hidden="true">${ticks.map(t => html`<line class="gridl" key=${'g' + t} x1=${L} x2=${W0} y1=${Y(t)} y2=${Y(t)}/><text class="ax" key=${'t' + t} x=${L - 6} y=${Y(t) + 4} text-anchor="end">${ms(t * 1e6).replace('.0', '')}</text>`)}
      ${xs.map(([t, words], i) => html`<text class="ax" key=${'x' + t} x=${Xt(t)} y=${H - 5} text-anchor=${Xt(t) < L + 14 ? 'start' : Xt(t) > W - 14 ? 'end' : 'middle'}>${words}</text>`)}
      ${rows.map((b, i) => html`<rect key=${'f' + i} x=${W + 14} y=${T + b.y + .5} width=${b.failed / most * hist} height=${Math.max(.5, b.h - 1)} class="hb"/><rect key=${'k' + i} x=${W + 14 + b.failed / most * hist} y=${T + b.y + .5} width=${b.good / most * hist} height=${Math.max(.5, b.h - 1)} class="hk"/>`)}
      <text class="ax" x=${W0} y=${H - 5} text-anchor="end">count</text></svg>
    <canvas ref=${canvas} class="over" style=${{ width: W + 'px', height: H + 'px' }}></canvas>
    <svg class="over" viewBox=${`0 0 ${W0} ${H}`} width=${W0} height=${H} aria-hidden="true">
      ${shown && shown.w > 0 && html`<g class="selbox"><rect x=${shown.x} y=${shown.y} width=${shown.w} height=${Math.max(2, shown.h)} rx="3"/>${!drag && html`<text x=${shown.x + 6} y=${Math.min(H - B - 5, shown.y + shown.h - 5)}>${count(data.selected?.count ?? 0)} selected</text>`}</g>`}
      ${marks.filter(m => m.at > from && m.at < to).map(m => html`<g class="onset" key=${m.at}><line x1=${Xt(m.at)} x2=${Xt(m.at)} y1=${T} y2=${H - B}/><text x=${Xt(m.at) + (Xt(m.at) > W - 110 ? -6 : 6)} text-anchor=${Xt(m.at) > W - 110 ? 'end' : 'start'} y=${T + 9}>${m.label}</text></g>`)}
      ${near != null && !drag && html`<g class="near"><circle cx=${X(points.time_ms[near])} cy=${Y(points.duration_ns[near] / 1e6)} r="6"/><text x=${X(points.time_ms[near]) + (X(points.time_ms[near]) > W - 150 ? -10 : 10)} y=${Math.max(T + 10, Y(points.duration_ns[near] / 1e6) - 8)} text-anchor=${X(points.time_ms[near]) > W - 150 ? 'end' : 'start'}>${clock(base + points.time_ms[near], 1)}, ${ms(points.duration_ns[near])}</text></g>`}</svg>
    <div class=${'catch' + (near != null ? ' hit' : '')} style=${{ left: L + 'px', width: W - L + 'px' }} onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerLeave=${() => setNear(null)} onPointerCancel=${() => setDrag(null)}></div>`}</div>`;
}
