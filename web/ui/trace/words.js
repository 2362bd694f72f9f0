// words.js: what a trace says about itself, around the place where its failure began.
import { middle, ms } from '../draw/text.js';

export const sideWords = n => n.version ? `${n.service} ${n.version}` : n.service;

// [sentence before the place, place, sentence behind it]; the server words the reason.
export function verdict({ trace: t, began: b, entry: whole, why }) {
  const entry = middle(whole, 160);
  const took = t.duration_ns == null ? null : ms(t.duration_ns);
  if (t.status != 'error') return [`${entry} took ${took ?? 'an unknown time'}.`, null, ''];
  const head = `${entry} failed${took ? ` after ${took}` : ''}.`;
  return b ? [`${head} It began in `, middle(b.caller ? `${sideWords(b.caller)} → ${sideWords(b.callee)}` : sideWords(b.callee), 120), middle(why, 200)] : [`${head} Where it began is not known.`, null, ''];
}
