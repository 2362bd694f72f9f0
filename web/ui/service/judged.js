// judged.js: two versions as the collector judges them (/api/v1/compare), in the form in which the page shows its own counts; and instances against each other. Pure.

const BOTH = { errors: s => s.error_share, latency: s => s.p95_ns };

// The answer of compare as the Versions block takes it: null for a number that the answer does not hold.
export function asCompare(a) {
  return { judged: true, verdict: a.verdict, baseline: a.baseline.version, candidate: a.candidate.version, baseline_calls: a.baseline.calls, candidate_calls: a.candidate.calls, need: Math.max(0, ...a.checks.map(c => c.need || 0)) || null, examples: a.examples,
    checks: a.checks.map(c => ({ metric: c.metric, peer: c.peer && c.peer.service, test: c.test, unit: c.unit, baseline: BOTH[c.metric]?.(a.baseline) ?? null, candidate: BOTH[c.metric]?.(a.candidate) ?? null, difference: c.effect, low: c.interval?.[0] ?? null, high: c.interval?.[1] ?? null,
      tolerance: c.margin, verdict: c.verdict, need: c.need })) };
}

const ENOUGH = 30, SURE = 3, LEAST = .005;

// An instance against all others of its service: worse, better, same or not_enough_data, by the shares of failed calls.
export function againstOthers(one, all) {
  const n = all.reduce((s, i) => s + i.calls, 0) - one.calls, bad = all.reduce((s, i) => s + i.errors, 0) - one.errors;
  if (one.calls < ENOUGH || n < ENOUGH) return 'not_enough_data';
  const p = (one.errors + bad) / (one.calls + n), spread = Math.sqrt(p * (1 - p) * (1 / one.calls + 1 / n)), more = one.errors / one.calls - bad / n;
  if (!spread || Math.abs(more) < LEAST || Math.abs(more) / spread < SURE) return 'same';
  return more > 0 ? 'worse' : 'better';
}
