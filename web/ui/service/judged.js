// judged.js: instances of a service against each other. Pure.

const ENOUGH = 30, SURE = 3, LEAST = .005;

// An instance against all others of its service: worse, better, same or not_enough_data, by the shares of failed calls.
export function againstOthers(one, all) {
  const n = all.reduce((s, i) => s + i.calls, 0) - one.calls, bad = all.reduce((s, i) => s + i.errors, 0) - one.errors;
  if (one.calls < ENOUGH || n < ENOUGH) return 'not_enough_data';
  const p = (one.errors + bad) / (one.calls + n), spread = Math.sqrt(p * (1 - p) * (1 / one.calls + 1 / n)),
    more = one.errors / one.calls - bad / n;
  if (!spread || Math.abs(more) < LEAST || Math.abs(more) / spread < SURE) return 'same';
  return more > 0 ? 'worse' : 'better';
}
