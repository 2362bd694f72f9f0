// numbers.js: judgements and series that several pages share. Pure.
import { parseTime } from '../draw/text.js';

export const ratio = (a, b) => b ? a / b : 0;
export const sum = (list, of) => list.reduce((n, x) => n + ((of.call ? of(x) : x[of]) || 0), 0);
export const best = (list, of) => list.reduce((a, b) => a && of(a) >= of(b) ? a : b, null);

// Failures worth a mark, as the server judges them: at least three, and one call in two hundred.
export const marked = (calls, failed) => failed >= 3 && failed >= calls * .005;
export const markOf = x => ({ began: 'b', passed: 'p' })[x.mark] || '';
// Worst first: where failures began before where they were passed on, then by how many; edges and services.
const HARM = { began: 2, passed: 1 };
export const byHarm = (a, b) => (HARM[b.mark] || 0) - (HARM[a.mark] || 0) || b.errors - a.errors || b.calls - a.calls;
// What is slower than it was: both have enough calls, and the difference matters.
export const ENOUGH = 20;
const MUCH = 1.3, LEAST_NS = 1e6;
export const slowerThan = (a, b) =>
  !!b && a.calls >= ENOUGH && b.calls >= ENOUGH && a.p95_ns >= MUCH * b.p95_ns && a.p95_ns - b.p95_ns >= LEAST_NS;

// A series of the API as charts take it: x in the middle of its steps, v(counts) by the second. A step of which too little is known yet is a gap.
export function seriesOf(series, from) {
  const fromMs = parseTime(from), step = series.step_ns / 1e6, x = series.seconds.map((_, i) => fromMs + i * step + step / 2);
  const v = counts => counts.map((n, i) => n == null || series.seconds[i] < 20 ? null : n / series.seconds[i]);
  return { x, v, from: fromMs, to: fromMs + x.length * step, step };
}
export const plus = (a, b) => a.map((v, i) => (v || 0) + (b[i] || 0));

// When failures of a series began, Unix ms: of all cuts in two the one that tells the halves apart best.
export function onsetOf(x, calls, failed) {
  let most = -Infinity, at = null, n0 = 0, f0 = 0;
  const n = sum(calls, v => v), f = sum(failed, v => v);
  const fit = (k, m) => k > 0 && k < m ? k * Math.log(k / m) + (m - k) * Math.log(1 - k / m) : 0;
  for (let i = 0; i + 1 < x.length; i++) {
    n0 += calls[i] || 0;
    f0 += failed[i] || 0;
    const value = fit(f0, n0) + fit(f - f0, n - n0);
    if (n0 && n > n0 && f > 2 && (f - f0) / (n - n0) > 3 * f0 / n0 && value > most) { most = value; at = x[i + 1]; }
  }
  return at;
}
// When failures began and ended in an answer with `from` and a series of calls, failures that began and that were passed on: {began, ended};
// ended is null while they go on. Read from its end the series has its onset where they ended.
export function failuresIn({ from, series: s }) {
  const { x, step } = seriesOf(s, from), failed = plus(s.began, s.passed), began = onsetOf(x.map(t => t - step / 2), s.calls, failed);
  const back = list => list.slice(x.findIndex(t => t > began)).reverse();
  return { began, ended: began && onsetOf(back(x).map(t => t + step / 2), back(s.calls), back(failed)) };
}
