// flame.js: the trace as a flame: time to the right, callers above callees, what runs at once side by side below.
import { html, useEffect, useMemo, useRef, useState } from '../html.js';
import { looks } from '../frame/store.js';
import { useSize } from '../draw/chart.js';
import { css, pen } from '../draw/pen.js';
import { ms } from '../draw/text.js';
import { BEGAN, RECOVERED, endOf, lengthOf, nodeOf, parentOf, rowsShown, titleOf } from './model.js';

const ROW = 20;

// Each span on the first line below its parent's that is free while it runs.
function lanes(m, hops) {
  const rows = rowsShown(m, hops), lane = new Int32Array(m.n), busy = [];
  for (const i of rows) {
    const p = parentOf(m, i, hops), from = m.s.start_ns[i], to = endOf(m, i);
    let at = p < 0 ? 0 : lane[p] + 1;
    while ((busy[at] ||= []).some(([a, b]) => a < to - 1 && b > from + 1)) at++;
    busy[at].push([from, to]);
    if (busy[at].length > 400) busy[at].shift();
    lane[i] = at;
  }
  return { rows, lane, height: busy.length * (ROW + 2) + 4 };
}

// What was passed on, as everywhere.
function hatch(ctx, x, y, w) {
  ctx.save();
  ctx.globalAlpha = .62;
  ctx.beginPath();
  ctx.rect(x, y, w, ROW);
  ctx.clip();
  ctx.beginPath();
  for (let at = x - ROW; at < x + w; at += 7) { ctx.moveTo(at, y + ROW); ctx.lineTo(at + ROW, y); }
  ctx.stroke();
  ctx.restore();
}

function paint(ctx, m, { rows, lane }, X, hue, selected) {
  const colours = [...Array(10).keys()].map(k => css('--s' + k)), fault = css('--fault'), ink = css('--ink');
  ctx.font = `11px ${getComputedStyle(document.documentElement).fontFamily}`;
  ctx.textBaseline = 'middle';
  for (const i of rows) {
    const x = X(m.s.start_ns[i]), w = Math.max(1, X(endOf(m, i)) - x - 1), y = 2 + lane[i] * (ROW + 2), f = m.s.lent[i],
      bad = f >= BEGAN && f <= RECOVERED;
    const frame = (style, width) => { ctx.strokeStyle = style; ctx.lineWidth = width;
      ctx.strokeRect(x + width / 2, y + width / 2, Math.max(width, w - width), ROW - width); };
    ctx.fillStyle = bad ? fault : colours[hue(nodeOf(m, i))];
    ctx.globalAlpha = f == BEGAN ? 1 : bad ? 0 : .3;
    ctx.fillRect(x, y, w, ROW);
    ctx.globalAlpha = 1;
    if (!bad) ctx.fillRect(x, y, Math.min(3, w), ROW); else if (f != BEGAN) { frame(fault, 1.3); hatch(ctx, x, y, w); }
    if (i == selected) frame(css('--accent'), 2);
    if (w <= 34) continue;
    const text = `${titleOf(m, i)}  ${ms(m.s.duration_ns[i])}`, part = (w - 12) / ctx.measureText(text).width,
      cut = part < 1 ? text.slice(0, text.length * part - 1) + '…' : text;
    ctx.fillStyle = f == BEGAN ? css('--on-fault') : ink;
    if (bad && f != BEGAN) { ctx.strokeStyle = css('--bg'); ctx.lineWidth = 4; ctx.strokeText(cut, x + 6, y + ROW / 2 + .5); }
    ctx.fillText(cut, x + 6, y + ROW / 2 + .5);
  }
}

export function Flame({ m, hue, hops, selected, select }) {
  const box = useRef(null), canvas = useRef(null), { w: W } = useSize(box), all = useMemo(() => lanes(m, hops), [m, hops]),
    [hover, setHover] = useState(null);
  looks.use();
  const X = t => (t - m.from) / (m.to - m.from) * (W - 40);
  useEffect(() => { if (W) paint(pen(canvas.current, W - 40, all.height), m, all, X, hue, selected); });
  const spot = e => {
    const r = canvas.current.getBoundingClientRect(), x = e.clientX - r.left, at = Math.floor((e.clientY - r.top - 2) / (ROW + 2));
    return all.rows.findLast(i => all.lane[i] == at && x >= X(m.s.start_ns[i]) - 1 && x <= X(endOf(m, i)) + 1);
  };
  const self = i => ms(m.s.self_ns[i] < 0 ? null : m.s.self_ns[i]);
  return html`<div class="flame" ref=${box}>
    <canvas ref=${canvas} role="img" aria-label="Flame view of the trace; the table view holds the same in words"
    style=${{ width: '100%', height: all.height + 'px' }}
      onClick=${e => select(spot(e))} onPointerMove=${e => setHover(spot(e))} onPointerLeave=${() => setHover(null)}></canvas>
    <p class="s m2 fl" aria-live="off">
      ${hover == null ? 'Click a span to select it.' : `${titleOf(m, hover)}: ${ms(lengthOf(m, hover))}, ${self(hover)} itself`}</p>
      </div>`;
}
