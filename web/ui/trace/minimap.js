// minimap.js: the whole trace in thirty pixels. Its handles zoom the time axis, a double click resets.
import { html, useEffect, useRef, useState } from '../html.js';
import { css, useWidth } from '../draw/chart.js';
import { ms } from '../draw/text.js';

const H = 30;

function paint(canvas, m, hue, W, room) {
  const ratio = devicePixelRatio || 1, ctx = canvas.getContext('2d'), rows = [];
  canvas.width = W * ratio;
  canvas.height = H * ratio;
  ctx.scale(ratio, ratio);
  ctx.fillStyle = css('--sunk');
  ctx.beginPath();
  ctx.roundRect(0, 0, W, H, 3);
  ctx.fill();
  for (let i = 0; i < m.n; i++) if (!m.s.folded[i]) rows.push(i);
  const X = t => (t - m.from) / (m.to - m.from) * W * room / 100, colours = Array.from({ length: 10 }, (_, i) => css('--s' + i)), fault = css('--fault');
  rows.forEach((i, k) => {
    const f = m.s.lent[i], began = f == 1, bad = f >= 1 && f <= 3;
    ctx.fillStyle = bad ? fault : colours[hue(m.nodes[m.s.named[i]])];
    ctx.globalAlpha = bad && !began ? .45 : 1;
    ctx.fillRect(X(m.s.start_ns[i]), 2 + k * (H - 4) / rows.length, Math.max(2, X(m.s.start_ns[i] + m.s.duration_ns[i]) - X(m.s.start_ns[i])), began ? 3 : 1.3);
  });
  ctx.globalAlpha = 1;
}

export function Minimap({ m, hue, zoom, setZoom, room }) {
  const box = useRef(null), canvas = useRef(null), W = useWidth(box), [, again] = useState(0);
  useEffect(() => { const theme = () => again(n => n + 1); addEventListener('theme', theme); return () => removeEventListener('theme', theme); }, []);
  const dark = document.documentElement.dataset.theme;
  useEffect(() => { if (W) paint(canvas.current, m, hue, W, room); }, [m, W, dark]);
  const scale = 100 / room, all = m.to - m.from, [z0, z1] = zoom || [m.from, m.from + all], left = (z0 - m.from) / all / scale * 100, right = (z1 - m.from) / all / scale * 100;
  const time = e => m.from + (e.clientX - box.current.getBoundingClientRect().left) / W * all * scale;
  const set = (a, b) => { const lo = Math.max(m.from, Math.min(a, b)), hi = Math.min(m.to, Math.max(a, b)); setZoom(hi - lo < all / 1000 ? zoom : lo <= m.from && hi >= m.to ? null : [lo, hi]); };
  const drag = (e, move) => {
    e.preventDefault();
    e.stopPropagation();
    const target = e.currentTarget;
    target.setPointerCapture(e.pointerId);
    target.onpointermove = move;
    target.onpointerup = () => { target.onpointermove = null; };
  };
  const whole = e => { const t0 = time(e), was = [z0, z1]; drag(e, x => zoom ? (d => { const s = Math.max(m.from - was[0], Math.min(m.to - was[1], d)); setZoom([was[0] + s, was[1] + s]); })(time(x) - t0) : Math.abs(time(x) - t0) > all / 200 && set(t0, time(x))); };
  const key = side => e => { const d = { ArrowLeft: -.02, ArrowRight: .02 }[e.key]; if (d) { e.preventDefault(); e.stopPropagation(); side ? set(z0, z1 + d * all) : set(z0 + d * all, z1); } };
  const handle = (side, x) => html`<div class="mh" role="slider" tabindex="0" aria-label=${side ? 'End of the shown time' : 'Start of the shown time'} aria-valuenow=${Math.round((side ? z1 : z0) / 1e3)} aria-valuemin=${Math.round(m.from / 1e3)} aria-valuemax=${Math.round(m.to / 1e3)}
    aria-valuetext=${ms(side ? z1 : z0)} style=${{ left: `calc(${x}% - 3px)` }} onPointerDown=${e => drag(e, v => side ? set(z0, time(v)) : set(time(v), z1))} onKeyDown=${key(side)}></div>`;
  return html`<div class="mini" onDblClick=${() => setZoom(null)}><div class="mbox" ref=${box} onPointerDown=${whole}><canvas ref=${canvas} role="img" aria-label="Overview of the whole trace" style=${{ width: '100%', height: H + 'px' }}></canvas>
    ${W > 0 && html`<div class="mwin" style=${{ left: left + '%', width: Math.min(100, right + 3) - left + '%' }}></div>${handle(0, left)}${handle(1, Math.min(98.6, right + 3))}`}</div></div>`;
}
