// chart.js: a chart over time. uPlot keeps scales, the shared cursor and the dragged window; what is drawn follows the design:
// one hairline grid, few ticks, no legend box, solid tint for failures that began here, hatching for those passed on, gaps for missing minutes.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { html, useEffect, useRef } from '../html.js';
import { clock, day } from './text.js';

const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800].map(s => s * 1000);

// Round times inside a window, at most `most` of them, each with its words.
export function timeTicks(fromMs, toMs, most) {
  const step = STEPS_MS.find(s => (toMs - fromMs) / s <= most) || STEPS_MS.at(-1), ticks = [];
  for (let t = Math.ceil(fromMs / step) * step; t <= toMs; t += step) ticks.push([t, step >= 864e5 ? day(t) : clock(t, step < 6e4 ? 1 : 0)]);
  return ticks;
}

// A round upper end for values from 0, and three to five ticks.
export function niceMax(value) {
  if (!(value > 0)) return [1, [0, 1]];
  const unit = 10 ** Math.floor(Math.log10(value)), m = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find(f => f * unit >= value) * unit;
  const parts = [4, 3, 2].find(n => { const x = m / n / unit * 20; return Math.abs(x - Math.round(x)) < 1e-9; }) || 2;
  return [m, Array.from({ length: parts + 1 }, (_, i) => m * i / parts)];
}

const probe = document.createElement('i');
// A token's colour as a canvas takes it: css('--fault'), or any CSS colour.
export function css(colour) {
  if (!probe.isConnected) { probe.hidden = true; document.body.append(probe); }
  probe.style.color = colour.startsWith('--') ? `var(${colour})` : colour;
  return getComputedStyle(probe).color;
}

// The pattern of what was passed on: diagonals, as in ui.css.
export function hatch(ctx, colour, ratio = devicePixelRatio) {
  const tile = document.createElement('canvas'), size = Math.round(6 * ratio);
  tile.width = tile.height = size;
  const c = tile.getContext('2d');
  c.strokeStyle = colour;
  c.lineWidth = 1.5 * ratio;
  c.beginPath();
  for (const d of [-size, 0, size]) { c.moveTo(d - 2, size + 2); c.lineTo(d + size + 2, -2); }
  c.stroke();
  return ctx.createPattern(tile, 'repeat');
}

function label(ctx, text, x, y, { colour, align = 'left', weight = 400 }, ratio) {
  ctx.font = `${weight} ${11 * ratio}px ${getComputedStyle(document.documentElement).fontFamily}`;
  ctx.textAlign = align;
  ctx.textBaseline = 'alphabetic';
  ctx.lineJoin = 'round';
  if (weight > 500) { ctx.strokeStyle = css('--bg'); ctx.lineWidth = 4 * ratio; ctx.strokeText(text, x, y); }
  ctx.fillStyle = css(colour);
  ctx.fillText(text, x, y);
}

function line(ctx, points) {
  let pen = false;
  for (const p of points) {
    if (!p) pen = false;
    else if (pen) ctx.lineTo(...p);
    else { ctx.moveTo(...p); pen = true; }
  }
}

function drawSeries(u, o, ratio) {
  const { ctx } = u, X = o.x.map(t => u.valToPos(t / 1000, 'x', true)), Y = v => u.valToPos(Math.min(v, o.max), 'y', true);
  let base = X.map(() => 0);
  for (const s of o.series) {
    ctx.beginPath();
    ctx.setLineDash((s.dash || []).map(d => d * ratio));
    ctx.lineWidth = (s.w || (s.kind == 'line' ? 1.5 : 1)) * ratio;
    if (s.kind == 'line') {
      ctx.strokeStyle = css(s.stroke || '--ink');
      line(ctx, X.map((x, i) => s.v[i] == null ? null : [x, Y(s.v[i])]));
      ctx.stroke();
      continue;
    }
    const top = s.v.map((v, i) => v == null ? null : v + base[i]), upper = X.map((x, i) => top[i] == null ? null : [x, Y(top[i])]);
    ctx.fillStyle = s.hatch ? hatch(ctx, css(s.stroke || '--fault'), ratio) : css(s.fill || `color-mix(in srgb,var(${s.stroke || '--fault'}) 24%,transparent)`);
    for (let from = 0; from < X.length; from++) { /* each run without a gap is an area of its own */
      if (!upper[from]) continue;
      let to = from;
      while (to + 1 < X.length && upper[to + 1]) to++;
      ctx.beginPath();
      line(ctx, upper.slice(from, to + 1));
      for (let i = to; i >= from; i--) ctx.lineTo(X[i], Y(base[i]));
      ctx.closePath();
      ctx.fill();
      from = to;
    }
    ctx.strokeStyle = css(s.stroke || '--fault');
    ctx.beginPath();
    line(ctx, upper);
    ctx.stroke();
    base = top.map((v, i) => v ?? base[i]);
  }
  ctx.setLineDash([]);
}

function draw(u, o) {
  const { ctx } = u, ratio = devicePixelRatio, { left, top, width, height } = u.bbox;
  const right = left + width, bottom = top + height, X = t => u.valToPos(t / 1000, 'x', true), Y = v => u.valToPos(v, 'y', true);
  ctx.save();
  for (const t of o.ticks) {
    ctx.fillStyle = css('--line');
    ctx.fillRect(left, Math.round(Y(t)), width, Math.max(1, Math.round(ratio)));
    label(ctx, (o.fmt || String)(t), left - 6 * ratio, Y(t) + 4 * ratio, { colour: '--ink-3', align: 'right' }, ratio);
  }
  if (o.win) { ctx.fillStyle = css('color-mix(in srgb,var(--accent) 9%,transparent)'); ctx.fillRect(X(o.win[0]), top, X(o.win[1]) - X(o.win[0]), height); }
  if (o.band) { ctx.fillStyle = css('color-mix(in srgb,var(--ink-3) 13%,transparent)'); ctx.fillRect(left, Y(o.band[1]), width, Y(o.band[0]) - Y(o.band[1])); }
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top - 2 * ratio, width, height + 3 * ratio);
  ctx.clip();
  drawSeries(u, o, ratio);
  ctx.restore();
  for (const m of o.marks || []) {
    if (m.at < o.from || m.at > o.to) continue;
    const x = X(m.at);
    ctx.strokeStyle = css(m.colour || '--ink');
    ctx.lineWidth = 1.25 * ratio;
    ctx.setLineDash((m.dash || []).map(d => d * ratio));
    ctx.beginPath();
    ctx.moveTo(x, top - 2 * ratio);
    ctx.lineTo(x, bottom);
    ctx.stroke();
    ctx.setLineDash([]);
    if (m.label) label(ctx, (u.width < 420 && m.short) || m.label, x + (m.side == 'l' ? -6 : 6) * ratio, top + (8 + (m.dy || 0)) * ratio, { colour: m.colour || '--ink', align: m.side == 'l' ? 'right' : 'left', weight: 600 }, ratio);
  }
  if (o.axis !== false) for (const [t, words] of timeTicks(o.from, o.to, u.width < 420 ? 3 : 7)) {
    const x = X(t), align = x < left + 16 * ratio ? 'left' : x > right - 16 * ratio ? 'right' : 'center';
    label(ctx, words, align == 'left' ? left : align == 'right' ? right : x, bottom + 16 * ratio, { colour: '--ink-3', align }, ratio);
  }
  ctx.restore();
}

/* One chart. x: Unix ms of the points; series: [{v, kind: 'line' or area, stroke: '--token', fill, hatch, w, dash}], areas stack in order;
 * from, to: Unix ms of the axis; max and ticks, else round ones; fmt: of ticks; marks: [{at, label, short, side: 'l', dash, dy, colour}];
 * band: [lo, hi] what is normal; win: [from, to] the window on show; onSelect(from, to) after dragging; label: the whole in one sentence. */
export function Chart(props) {
  const box = useRef(null), chart = useRef(null), options = useRef(null);
  const o = { ...props, from: props.from ?? props.x[0], to: props.to ?? props.x.at(-1) };
  if (o.max == null) {
    const sums = o.x.map((_, i) => Math.max(...o.series.filter(s => s.kind == 'line').map(s => s.v[i] || 0), o.series.reduce((n, s) => n + (s.kind == 'line' ? 0 : s.v[i] || 0), 0)));
    [o.max, o.ticks] = niceMax(Math.max(...sums, 0));
  }
  o.ticks ||= [0, o.max / 2, o.max];
  options.current = o;
  useEffect(() => {
    const u = chart.current = new uPlot({
      width: box.current.clientWidth || 600, height: o.h || 140, legend: { show: false }, padding: [props.t ?? 8, props.r ?? 6, o.axis === false ? 4 : 20, props.l ?? 34],
      scales: { x: { range: () => [options.current.from / 1000, options.current.to / 1000] }, y: { range: () => [0, options.current.max] } },
      axes: [{ show: false }, { show: false }], series: [{}, { show: true, paths: () => null, points: { show: false } }],
      cursor: { sync: { key: 'page', setSeries: false }, y: false, points: { show: false }, drag: { x: !!props.onSelect, y: false, setScale: false } },
      hooks: { draw: [u => draw(u, options.current)], setSelect: [u => {
        if (u.select.width < 4) return;
        const [a, b] = [u.posToVal(u.select.left, 'x') * 1000, u.posToVal(u.select.left + u.select.width, 'x') * 1000];
        u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        options.current.onSelect?.(a, b);
      }] },
    }, [[0], [0]], box.current);
    const size = new ResizeObserver(() => { if (box.current.clientWidth && box.current.clientWidth != u.width) u.setSize({ width: box.current.clientWidth, height: options.current.h || 140 }); });
    size.observe(box.current);
    const again = () => u.redraw();
    addEventListener('theme', again);
    return () => { size.disconnect(); removeEventListener('theme', again); u.destroy(); };
  }, []);
  useEffect(() => { chart.current.setData([o.x.map(t => t / 1000), o.x.map(() => 0)]); });
  return html`<div class="plot" role="img" aria-label=${props.label} ref=${box}></div>`;
}
