// text.js: numbers and times as people read them. Two or three digits, a unit, a no-break space before it.
const THIN = '\u202f', NB = '\u00a0';

const fixed = (x, digits) => x.toFixed(digits);

// 14270 -> "14 270"
export const count = n => n == null ? 'unknown' : String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, THIN);

export const plural = (n, one, many = one + 's') => `${count(n)}${NB}${n == 1 ? one : many}`;

// A duration in ns: 40 µs, 0.3 ms, 27.4 ms, 310 ms, 1.2 s, 3 min 10 s, 2 h 5 min
export function ms(ns) {
  if (ns == null) return 'unknown';
  const x = ns / 1e6, a = Math.abs(x);
  if (a == 0) return `0${NB}ms`;
  if (a < 0.095) return `${fixed(x * 1e3, a < 0.00995 ? 1 : 0)}${NB}µs`;
  if (a < 99.95) return `${fixed(x, 1)}${NB}ms`;
  if (a < 999.5) return `${fixed(x, 0)}${NB}ms`;
  if (a < 59950) return `${fixed(x / 1e3, a < 99950 ? 1 : 0)}${NB}s`;
  const s = Math.round(a / 1e3), sign = x < 0 ? '−' : '';
  if (s < 3600) return `${sign}${Math.floor(s / 60)}${NB}min${s % 60 ? ` ${s % 60}${NB}s` : ''}`;
  const m = Math.round(s / 60);
  return m < 2880 ? `${sign}${Math.floor(m / 60)}${NB}h${m % 60 ? ` ${m % 60}${NB}min` : ''}` : `${sign}${count(m / 1440)}${NB}days`;
}

// The same without decimals where a table compares: 19 ms
export const msWhole = ns => ns != null && ns >= 9.5e6 && ns < 1e9 ? `${fixed(ns / 1e6, 0)}${NB}ms` : ms(ns);

// A share 0..1: 0 %, 0.02 %, 4.7 %, 94 %, 99.8 %
export function share(x) {
  if (x == null || Number.isNaN(x)) return 'unknown';
  const p = x * 100;
  if (p == 0 || p == 100) return `${p}${NB}%`;
  if (p >= 99.95) return `> 99.9${NB}%`;
  if (p < 0.005) return `< 0.01${NB}%`;
  return `${fixed(p, p < 0.1 ? 2 : p < 9.95 || p > 99 ? 1 : 0)}${NB}%`;
}

// Calls a second: 0.004/s, 0.04/s, 0.4/s, 18.2/s, 229/s
export function rate(x) {
  if (x == null) return 'unknown';
  if (x == 0) return '0/s';
  if (x < 0.0005) return '< 0.001/s';
  return (x < 0.0095 ? fixed(x, 3) : x < 0.195 ? fixed(x, 2) : x < 99.5 ? fixed(x, 1) : count(x)) + '/s';
}

export function bytes(n) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  while (n >= 999.5 && i < 4) n /= 1000, i++;
  return `${i && n < 99.5 ? fixed(n, 1) : Math.round(n)}${NB}${units[i]}`;
}

/* ---- times; the zone is UTC unless the reader chose local time ---- */

let local = false;
try { local = localStorage.zone == 'local'; } catch { /* storage is off: UTC */ }
export const isLocal = () => local;
export function setLocal(on) {
  local = on;
  try { localStorage.zone = on ? 'local' : 'utc'; } catch { /* not remembered then */ }
}
export const zoneName = () => local ? 'local' : 'UTC';

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const two = n => String(n).padStart(2, '0');

function parts(ms) {
  const d = new Date(ms);
  return local ? [d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes(), d.getSeconds(), d.getMilliseconds()]
    : [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds(), d.getUTCMilliseconds()];
}
// "10:41" / "10:41:52" / "10:41:52.318", from Unix ms
export function clock(ms, detail = 0) {
  const [, , , h, m, s, f] = parts(ms);
  return `${two(h)}:${two(m)}${detail > 0 ? ':' + two(s) : ''}${detail > 1 ? '.' + String(Math.floor(f)).padStart(3, '0') : ''}`;
}
// "23 Nov", with the year when it is not this one
export function day(ms) {
  const [y, mo, d] = parts(ms);
  return `${d} ${MONTHS[mo]}${y == parts(Date.now())[0] ? '' : ' ' + y}`;
}
export const when = (ms, detail = 0) => `${day(ms)} ${clock(ms, detail)}`;
// "10:12–10:42", with days where they differ
export function span(fromMs, toMs) {
  const same = day(fromMs) == day(toMs), seconds = toMs - fromMs < 300000 || fromMs % 60000 || toMs % 60000;
  const detail = seconds && toMs - fromMs < 600000 ? 1 : 0;
  return same ? `${clock(fromMs, detail)}–${clock(toMs, detail)}` : `${when(fromMs, detail)} – ${when(toMs, detail)}`;
}
// "10:24:40–10:42": seconds where there are some.
export const exactSpan = (fromMs, toMs) => [fromMs, toMs].map(t => (day(fromMs) == day(toMs) ? clock : when)(t, Math.floor(t / 1000) % 60 ? 1 : 0)).join('–');
// RFC 3339 text of the API (nine digits) to Unix ms, with the fraction
export function parseTime(text) {
  if (!text) return NaN;
  const whole = Date.parse(text.slice(0, 19) + 'Z'), fraction = /\.(\d+)/.exec(text);
  return whole + (fraction ? Number('0.' + fraction[1]) * 1000 : 0);
}
export const iso = ms => new Date(ms).toISOString().replace('.000Z', 'Z');

// A text as SQL writes it.
export const sqlText = text => `'${text.replace(/'/g, "''")}'`;

// A name cut in the middle, so that both ends can be told apart.
export function middle(text, max) {
  if (text.length <= max) return text;
  const head = Math.ceil((max - 1) / 2);
  return text.slice(0, head) + '…' + text.slice(text.length - (max - 1 - head));
}
