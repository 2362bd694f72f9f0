// range.js: one time range for all pages, in the URL. No `to`: live, the window ends now and moves with every beat.
import { useState, useEffect } from '../html.js';
import { parseTime, iso } from '../draw/text.js';
import { here, setQuery, useWhere } from './url.js';

export const BEAT_MS = 5000;
export const DEFAULT = '-30m';
export const PRESETS = [['-5m', '5 min'], ['-15m', '15 min'], ['-30m', '30 min'], ['-1h', '1 h'], ['-3h', '3 h'], ['-12h', '12 h'],
  ['-1d', '1 day'], ['-2d', '2 days'], ['-7d', '7 days']];
const UNIT_MS = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 };

// The server says its time when it sends the page; a clock here that is far off is corrected by it.
const served = Number(document.querySelector('meta[name=now]')?.content);
const skew = served && Math.abs(served - Date.now()) > 10000 ? served - Date.now() : 0;
export const nowMs = () => Date.now() + skew;

const durationMs = text => { const m = /^-?(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text); return m ? m[1] * UNIT_MS[m[2]] : NaN; };

// What people type: 2h, 10:24, now, RFC 3339, Unix seconds. Gives Unix ms or NaN.
export function readTime(text, now = nowMs()) {
  text = (text || '').trim();
  if (text == 'now') return now;
  const ago = durationMs(text), hm = /^(\d{1,2}):(\d\d)(?::(\d\d))?$/.exec(text);
  if (!Number.isNaN(ago)) return now - ago;
  if (hm) {
    const at = Date.UTC(new Date(now).getUTCFullYear(), new Date(now).getUTCMonth(), new Date(now).getUTCDate(), hm[1], hm[2], hm[3] || 0);
    return at > now ? at - 864e5 : at;
  }
  if (/^\d{9,}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  return /^\d{4}-\d\d-\d\dT/.test(text) ? parseTime(text) : NaN;
}

let beatAt = nowMs();
const beats = new Set();
export function beat() {
  beatAt = nowMs();
  for (const tell of [...beats]) tell(beatAt);
}

function rangeOf(query, at) {
  const from = query.from || DEFAULT, live = !query.to;
  const toMs = live ? at : readTime(query.to, at), fromMs = readTime(from, at);
  if (Number.isNaN(fromMs) || Number.isNaN(toMs) || fromMs >= toMs) return { ...rangeOf({}, at), wrong: `${from}..${query.to || ''}` };
  const preset = live && PRESETS.find(([p]) => p.replace('-', '') == from.replace('-', ''));
  const relative = live && !Number.isNaN(durationMs(from));
  return { live, relative, fromMs, toMs, from, to: query.to || null, words: preset ? 'Last ' + preset[1] : relative ? 'Last ' + from.replace('-', '').replace(/[a-z]+$/, u => '\u00a0' + ({ m: 'min', d: 'days' }[u] || u)) : null };
}

export const range = () => rangeOf(here().query, beatAt);

export function useRange() {
  const where = useWhere(), [at, set] = useState(beatAt);
  useEffect(() => { beats.add(set); return () => beats.delete(set); }, []);
  return rangeOf(where.query, Math.max(at, beatAt));
}

// As the API takes it: Unix seconds with three digits.
export const rangeParams = r => ({ from: (r.fromMs / 1000).toFixed(3), to: (r.toMs / 1000).toFixed(3) });
// As a person runs it again: what the URL says.
export const rangeText = r => r.relative ? { from: r.from.replace('-', '') } : { from: iso(r.fromMs), to: iso(r.toMs) };

export function freeze(fromMs, toMs) {
  setQuery({ from: iso(Math.round(fromMs)), to: iso(Math.round(toMs)) });
}
export function pause() {
  const r = range();
  if (r.live) freeze(r.fromMs, r.toMs);
}
export function goLive() {
  const r = range(), length = r.toMs - r.fromMs;
  const preset = PRESETS.find(([p]) => Math.abs(durationMs(p) - length) < 1000);
  beatAt = nowMs();
  setQuery({ from: !preset || preset[0] == DEFAULT ? null : preset[0], to: null });
}
export function step(direction) {
  const r = range(), half = (r.toMs - r.fromMs) / 2, to = Math.min(r.toMs + direction * half, nowMs());
  freeze(to - 2 * half, to);
}
export function setRange(from, to) {
  setQuery({ from: from == DEFAULT && !to ? null : from, to: to || null });
}
