// text.js: numbers and times as people read them. Two or three digits, a unit, a no-break space before it.
import { remember, remembered } from '../frame/memory.js';

export const NB = '\u00a0';
const THIN = '\u202f', MINUS = '−';
const withUnit = (x, digits, unit) => x.toFixed(digits).replace('-', MINUS) + NB + unit;

// 14270 -> "14 270"
export const count = n => n == null ? 'unknown' : String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, THIN);
export const plural = (n, one, many = one + 's') => `${count(n)}${NB}${n == 1 ? one : many}`;

// A duration in ns: 40 µs, 0.3 ms, 27.4 ms, 310 ms, 1.2 s, 3 min 10 s, 2 h 5 min
export function ms(ns) {
  if (ns == null) return 'unknown';
  const x = ns / 1e6, a = Math.abs(x), sign = x < 0 ? MINUS : '', s = Math.round(a / 1e3), m = Math.round(s / 60);
  const two = (n, of, unit, part) => `${sign}${Math.floor(n / of)}${NB}${unit}${n % of ? ` ${n % of}${NB}${part}` : ''}`;
  if (a < .095 && a) return withUnit(x * 1e3, a < .00995 ? 1 : 0, 'µs');
  if (a < 999.5) return withUnit(x, a && a < 99.95 ? 1 : 0, 'ms');
  if (a < 59950) return withUnit(x / 1e3, a % 1e3 ? 1 : 0, 's'); /* whole ones were not measured so finely */
  return s < 3600 ? two(s, 60, 'min', 's') : m < 2880 ? two(m, 60, 'h', 'min') : `${sign}${count(m / 1440)}${NB}days`;
}
// The same without decimals where a table compares: 19 ms
export const msWhole = ns => ns >= 9.5e6 && ns < 1e9 ? withUnit(ns / 1e6, 0, 'ms') : ms(ns);
// What something was and is: "0.9 → 12 ms"; the unit once where it is the same.
export function change(was, is, to = ' → ') {
  const [, unit] = is.split(/(?=\u00a0)/);
  return (unit && was.endsWith(unit) ? was.slice(0, -unit.length) : was) + to + is;
}

// A share 0..1: 0 %, 0.02 %, 4.7 %, 94 %, 99.8 %
export function share(x) {
  const p = x * 100;
  if (x == null || Number.isNaN(p)) return 'unknown';
  if (p >= 99.95 && p < 100) return `> 99.9${NB}%`;
  if (p < .005 && p > 0) return `< 0.01${NB}%`;
  return withUnit(p, p == 0 || p == 100 ? 0 : p < .1 ? 2 : p < 9.95 || p > 99 ? 1 : 0, '%');
}

// Calls a second: 0.004/s, 0.04/s, 0.4/s, 18.2/s, 229/s. bare() is for a column or sentence that says "per second".
export const bare = x =>
  x == null ? 'unknown' : x == 0 ? '0' : x < .0005 ? '< 0.001' : x < 99.5 ? x.toFixed(x < .0095 ? 3 : x < .195 ? 2 : 1) : count(x);
export const rate = x => bare(x) + (x == null ? '' : '/s');

// A trace id as its sender wrote it, where that was of 64 bits; and what tells it from others at a glance.
export const ownId = id => id.replace(/^0{16}/, '');
export const shortId = id => ownId(id).slice(0, 8);

export const capital = text => text[0].toUpperCase() + text.slice(1);

/* ---- times; the zone is UTC unless the reader chose local time ---- */

let local = remembered('zone') == 'local';
export const isLocal = () => local;
export const setLocal = on => remember('zone', (local = on) ? 'local' : 'utc');
export const zoneName = () => local ? 'local' : 'UTC';

// "2026-11-23T10:41:52.318Z" in the zone of the reader, from Unix ms.
const written = t => new Date(t - (local ? new Date(t).getTimezoneOffset() * 6e4 : 0)).toISOString();
const isTime = t => Math.abs(t) < 8e15;
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

// "10:41" / "10:41:52" / "10:41:52.318"
export const clock = (t, detail = 0) => isTime(t) ? written(t).slice(11, [16, 19, 23][detail]) : 'unknown';
// "23 Nov", with the year when it is not this one
export function day(t) {
  if (!isTime(t)) return 'unknown';
  const [y, m, d] = written(t).slice(0, 10).split('-');
  return `${+d} ${MONTHS[m - 1]}${y == written(Date.now()).slice(0, 4) ? '' : ' ' + y}`;
}
export const when = (t, detail) => `${day(t)} ${clock(t, detail)}`;
const between = (from, to, detail) =>
  day(from) == day(to) ? `${clock(from, detail)}–${clock(to, detail)}` : `${when(from, detail)} – ${when(to, detail)}`;
// "10:12–10:42", with days where they differ, seconds where they matter
export const span = (from, to) => between(from, to, to - from < 300000 || (to - from < 600000 && (from % 60000 || to % 60000)) ? 1 : 0);
export const exactSpan = (from, to) => between(from, to, 1);
// RFC 3339 text of the API (nine digits) to Unix ms, with the fraction
export const parseTime = text => text ? Date.parse(text.slice(0, 19) + 'Z') + Number('0' + (/\.\d+/.exec(text) || '')) * 1000 : NaN;
export const iso = t => new Date(t).toISOString().replace('.000Z', 'Z');

// A value as it stands in a search line; a text as SQL writes it.
export const quote = text => /[\s"=<>~!]/.test(text) || text == '' ? JSON.stringify(text) : text;
export const sqlText = text => `'${text.replace(/'/g, "''")}'`;

/* ---- tables as text: rows of cells, the first is the head ---- */

// Cells of text that a spreadsheet would run get an apostrophe.
function csvCell(v) {
  let text = v == null ? '' : String(v);
  if (typeof v == 'string' && /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text))) text = "'" + text;
  return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}
export const asCsv = rows => rows.map(r => r.map(csvCell).join(',') + '\r\n').join('');
