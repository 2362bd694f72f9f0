// minimap.js: the whole trace in thirty pixels. Its handles zoom the time axis, a double click resets.
import { html, useEffect, useRef } from '../html.js';
import { keysOf } from '../frame/keys.js';
import { looks } from '../frame/store.js';
import { useSize } from '../draw/chart.js';
import { css, pen } from '../draw/pen.js';
import { ms } from '../draw/text.js';
import { BEGAN, RECOVERED, endOf, nodeOf, rowsShown } from './model.js';

const H = 30;

function paint(ctx, m, hue, W, room) {
  const X = t => (t - m.from) / (m.to - m.from) * W * room / 100, colours = [...Array(10).keys()].map(k => css('--s' + k)),
    fault = css('--fault'), rows = rowsShown(m, false);
  ctx.fillStyle = css('--sunk');
  ctx.fillRect(0, 0, W, H);
  rows.forEach((i, k) => {
    const f = m.s.lent[i], bad = f >= BEGAN && f <= RECOVERED, x = X(m.s.start_ns[i]);
    ctx.fillStyle = bad ? fault : colours[hue(nodeOf(m, i))];
    ctx.globalAlpha = bad && f != BEGAN ? .45 : 1;
    ctx.fillRect(x, 2 + k * (H - 4) / rows.length, Math.max(2, X(endOf(m, i)) - x), f == BEGAN ? 3 : 1.3);
  });
}

// Follows the pointer from a press on: move(event) until it is let go.
export function drag(e, move) {
  const target = e.currentTarget;
  e.preventDefault();
  e.stopPropagation();
  target.setPointerCapture(e.pointerId);
  target.onpointermove = move;
  target.onpointerup = () => { target.onpointermove = null; };
}

// zoom: [from, to] on show, null for all; room: % of the width that the whole takes.
export function Minimap({ m, hue, zoom, setZoom, room }) {
  const box = useRef(null), canvas = useRef(null), { w: W } = useSize(box), look = looks.use(), all = m.to - m.from,
    [z0, z1] = zoom || [m.from, m.to], scale = room / 100;
  useEffect(() => { if (W) paint(pen(canvas.current, W, H), m, hue, W, room); }, [m, W, look]);
  const left = (z0 - m.from) / all * room, right = (z1 - m.from) / all * room,
    time = e => m.from + (e.clientX - box.current.getBoundingClientRect().left) / W * all / scale;
  const set = (a, b) => { const lo = Math.max(m.from, Math.min(a, b)), hi = Math.min(m.to, Math.max(a, b));
    if (hi - lo >= all / 1000) setZoom(lo <= m.from && hi >= m.to ? null : [lo, hi]); };
  const whole = e => {
    const t0 = time(e);
    drag(e, x => {
      const by = Math.max(m.from - z0, Math.min(m.to - z1, time(x) - t0));
      if (zoom) setZoom([z0 + by, z1 + by]); else if (Math.abs(time(x) - t0) > all / 200) set(t0, time(x));
    });
  };
  const handle = (end, x) => {
    const at = end ? z1 : z0, to = t => end ? set(z0, t) : set(t, z1), us = t => Math.round(t / 1e3);
    return html`<div class="mh" role="slider" tabindex="0" aria-label=${end ? 'End of the shown time' : 'Start of the shown time'}
      aria-valuenow=${us(at)} aria-valuemin=${us(m.from)} aria-valuemax=${us(m.to)}
      aria-valuetext=${ms(at)} style=${{ left: `calc(${x}% - 3px)` }} onPointerDown=${e => drag(e, v => to(time(v)))}
        onKeyDown=${keysOf({ ArrowLeft: () => to(at - .02 * all), ArrowRight: () => to(at + .02 * all) })}></div>`;
  };
  return html`<div class="mini" onDblClick=${() => setZoom(null)}>
    <div class="mbox" ref=${box} onPointerDown=${whole}><canvas ref=${canvas} role="img" aria-label="Overview of the whole trace"
      style=${{ width: '100%', height: H + 'px' }}></canvas>
        ${W > 0 && [html`<div class="mwin" style=${{ left: left + '%', width: Math.min(100, right + 3) - left + '%' }}></div>`,
    handle(false, left), handle(true, Math.min(98.6, right + 3))]}</div></div>`;
}
