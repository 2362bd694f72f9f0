// pen.js: drawing on a canvas.

const probe = document.createElement('i');
// A token's colour as a canvas takes it: css('--fault').
export function css(token) {
  if (!probe.isConnected) { probe.hidden = true; document.body.append(probe); }
  probe.style.color = `var(${token})`;
  return getComputedStyle(probe).color;
}
// A canvas of this size in CSS px, ready to be drawn on.
export function pen(canvas, width, height) {
  const times = Math.min(devicePixelRatio || 1, 16000 / height), ctx = canvas.getContext('2d');
  Object.assign(canvas, { width: width * times, height: height * times });
  ctx.scale(times, times);
  return ctx;
}
