// numbers.js: judgements and series that several pages share. Pure.
// Failures worth a mark, as the server judges them: at least three, and one call in two hundred.
export const marked = (calls, failed) => failed >= 3 && failed >= calls * .005;
export const markOf = x => ({ began: 'b', passed: 'p' })[x.mark] || '';

// Points of a series for a chart, by the second. A step of which too little is known yet is a gap.
export function perSecond(series, fromMs, counts) {
  const step = series.step_ns / 1e6;
  return { x: counts.map((_, i) => fromMs + i * step + step / 2), v: counts.map((n, i) => n == null || series.seconds[i] < 20 ? null : n / series.seconds[i]) };
}

// When failures of a series began: of all cuts in two the one that tells the halves apart best.
export function onsetOf(x, calls, failed) {
  let best = -Infinity, at = null, n0 = 0, f0 = 0;
  const n = calls.reduce((a, b) => a + (b || 0), 0), f = failed.reduce((a, b) => a + (b || 0), 0);
  const fit = (k, m) => k > 0 && k < m ? k * Math.log(k / m) + (m - k) * Math.log(1 - k / m) : 0;
  for (let i = 0; i + 1 < x.length; i++) {
    n0 += calls[i] || 0;
    f0 += failed[i] || 0;
    const value = fit(f0, n0) + fit(f - f0, n - n0);
    if (n0 && n > n0 && f > 2 && (f - f0) / (n - n0) > 3 * f0 / n0 && value > best) { best = value; at = x[i + 1]; }
  }
  return at;
}
