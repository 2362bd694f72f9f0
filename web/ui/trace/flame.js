// flame.js: the trace as a flame: time to the right, callers above callees, what runs at once side by side below.
import { html, useEffect, useMemo, useRef, useState } from '../html.js';
import { css, useWidth } from '../draw/chart.js';
import { ms } from '../draw/text.js';
import { BEGAN, nameOf, operationOf } from './model.js';

const ROW = 20;

// Each span on the first line below its parent's that is free while it runs.
function lanes(m, hops) {
  const lane = new Int32Array(m.n), busy = [];
  let most = 0;
  for (let i = 0; i < m.n; i++) {
    if (m.s.folded[i] && !hops) continue;
    const p = hops ? m.s.parent[i] : m.up[i], from = m.s.start_ns[i], to = from + Math.max(0, m.s.duration_ns[i]);
    let at = p < 0 ? 0 : lane[p] + 1;
    while ((busy[at] ||= []).some(([a, b]) => a < to - 1 && b > from + 1)) at++;
    busy[at].push([from, to]);
    if (busy[at].length > 400) busy[at].shift();
    lane[i] = at;
    most = Math.max(most, at);
  }
  return { lane, most };
}

export function Flame({ m, hue, hops, selected, select }) {
  const box = useRef(null), canvas = useRef(null), W = useWidth(box), { lane, most } = useMemo(() => lanes(m, hops), [m, hops]), [hover, setHover] = useState(null), [, again] = useState(0);
  useEffect(() => { const theme = () => again(n => n + 1); addEventListener('theme', theme); return () => removeEventListener('theme', theme); }, []);
  const X = t => (t - m.from) / (m.to - m.from) * W, height = (most + 1) * (ROW + 2) + 4, shown = i => hops || !m.s.folded[i];
  useEffect(() => {
    if (!W) return;
    const ratio = devicePixelRatio || 1, c = canvas.current, ctx = c.getContext('2d');
    c.width = W * ratio;
    c.height = Math.min(16000, height * ratio);
    ctx.scale(ratio, ratio);
    const colours = Array.from({ length: 10 }, (_, k) => css('--s' + k)), fault = css('--fault'), ink = css('--ink'), font = getComputedStyle(document.documentElement).fontFamily;
    ctx.font = `11px ${font}`;
    ctx.textBaseline = 'middle';
    for (let i = 0; i < m.n; i++) {
      if (!shown(i)) continue;
      const x = X(m.s.start_ns[i]), w = Math.max(1, Math.max(0, m.s.duration_ns[i]) / (m.to - m.from) * W - 1), y = 2 + lane[i] * (ROW + 2), f = m.s.lent[i], bad = f > 0 && f < 4, colour = bad ? fault : colours[hue(m.nodes[m.s.named[i]])];
      ctx.fillStyle = colour;
      ctx.globalAlpha = f == BEGAN ? 1 : bad ? .18 : .3;
      ctx.fillRect(x, y, w, ROW);
      ctx.globalAlpha = 1;
      if (bad && f != BEGAN) { ctx.strokeStyle = fault; ctx.setLineDash([3, 2]); ctx.strokeRect(x + .5, y + .5, Math.max(0, w - 1), ROW - 1); ctx.setLineDash([]); } else if (!bad) ctx.fillRect(x, y, Math.min(3, w), ROW);
      if (i == selected) { ctx.strokeStyle = css('--accent'); ctx.lineWidth = 2; ctx.strokeRect(x + 1, y + 1, Math.max(2, w - 2), ROW - 2); ctx.lineWidth = 1; }
      if (w > 34) {
        ctx.save();
        ctx.beginPath();
        ctx.rect(x, y, w - 3, ROW);
        ctx.clip();
        ctx.fillStyle = f == BEGAN ? css('--on-fault') : ink;
        ctx.fillText(`${nameOf(m, i)}  ${operationOf(m, i)}  ${ms(m.s.duration_ns[i])}`, x + 6, y + ROW / 2 + .5);
        ctx.restore();
      }
    }
  });
  const spot = e => {
    const r = canvas.current.getBoundingClientRect(), x = e.clientX - r.left, at = Math.floor((e.clientY - r.top - 2) / (ROW + 2));
    for (let i = m.n - 1; i >= 0; i--) if (shown(i) && lane[i] == at && x >= X(m.s.start_ns[i]) - 1 && x <= X(m.s.start_ns[i] + Math.max(0, m.s.duration_ns[i])) + 1) return i;
    return null;
  };
  return html`<div class="flame" ref=${box}><canvas ref=${canvas} role="img" aria-label="Flame view of the trace; the table view holds the same in words" style=${{ width: '100%', height: height + 'px' }} onClick=${e => { const i = spot(e); if (i != null) select(i); }} onPointerMove=${e => setHover(spot(e))} onPointerLeave=${() => setHover(null)}></canvas>
    <p class="s m2 fl" aria-live="off">${hover == null ? 'Click a span to select it.' : `${nameOf(m, hover)} ${operationOf(m, hover)}: ${ms(m.s.duration_ns[hover])}, ${ms(m.s.self_ns[hover] < 0 ? null : m.s.self_ns[hover])} itself`}</p></div>`;
}
