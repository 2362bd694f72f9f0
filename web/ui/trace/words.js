// words.js: what a trace says about itself, around the place where its failure began; and how two differ.
import { ms, parseTime } from '../draw/text.js';
import { firstDifference, titleOf } from './model.js';

const sideWords = n => n.version ? `${n.service} ${n.version}` : n.service;

// [sentence before the place, place, sentence behind it]; the server words the reason.
export function verdict({ trace: t, began: b, entry: whole, why }) {
  const entry = middle(whole, 160), took = t.duration_ns != null && ms(t.duration_ns);
  if (t.status != 'error') return [`${entry} took ${took || 'an unknown time'}.`];
  const head = `${entry} failed${took ? ` after ${took}` : ''}.`;
  return b ? [`${head} It began in `, middle([b.caller, b.callee].filter(Boolean).map(sideWords).join(' → '), 120), middle(why, 200)]
    : [`${head} Where it began is not known.`];
}

export function differenceWords(a, b) {
  const d = firstDifference(a, b);
  if (!d) return 'no difference that stands out';
  const what = { only: () => 'only here', missing: () => 'only in the other',
    failed: () => a.s.lent[d.row] == 1 ? 'it failed here, not there' : 'it failed there, not here',
    slower: () => `${ms(a.s.self_ns[d.row])} itself against ${ms(b.s.self_ns[d.other])}` }[d.kind]();
  return `the first difference is ${d.row == null ? titleOf(b, d.other) : titleOf(a, d.row)}: ${what}`;
}

// How long after `base` (Unix ms) an event was; a time of 0 is that of who said none
export function after(time, base) {
  const at = parseTime(time);
  return at > 0 ? (at < base ? '−' : '+') + ms(Math.abs(at - base) * 1e6) : 'no time';
}

// A name cut in the middle, so that both ends can be told apart.
export function middle(text, max) {
  const head = Math.ceil((max - 1) / 2);
  return text.length <= max ? text : text.slice(0, head) + '…' + text.slice(text.length - (max - 1 - head));
}
