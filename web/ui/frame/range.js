// range.js: one time range for all pages, in the URL. No `to`: live, the window ends now and moves with every beat.
import { iso, parseTime } from '../draw/text.js';
import { store } from './store.js';
import { here, setQuery, useWhere } from './url.js';

export const BEAT_MS = 5000;
const DEFAULT = '-30m', UNIT_MS = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5 }, UNIT_WORDS = { m: 'min', d: 'days' };
export const PRESETS = ['-5m', '-15m', '-30m', '-1h', '-3h', '-12h', '-1d', '-2d', '-7d'];
// "-30m" as people read it.
export const lengthWords = text =>
  text.replace('-', '').replace(/[a-z]+$/, u => '\u00a0' + (UNIT_WORDS[u] || u)).replace(/^(1\Wday)s/, '$1');

// The server says its time when it sends the page; a clock here that is far off is corrected by it.
const served = Number(document.querySelector('meta[name=now]')?.content);
const skew = served && Math.abs(served - Date.now()) > 10000 ? served - Date.now() : 0;
export const nowMs = () => Date.now() + skew;

const durationMs = text => { const m = /^-?(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text); return m ? m[1] * UNIT_MS[m[2]] : NaN; };

// What people type: 2h, 10:24, now, RFC 3339, Unix seconds. Gives Unix ms or NaN.
export function readTime(text, now = nowMs()) {
  const ago = durationMs(text), hm = /^(\d{1,2}):(\d\d)(?::(\d\d))?$/.exec(text);
  if (text == 'now') return now;
  if (ago >= 0) return now - ago;
  if (hm) {
    const at = new Date(now).setUTCHours(hm[1], hm[2], hm[3] || 0, 0);
    return at > now ? at - 864e5 : at;
  }
  if (/^\d{9,}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  return /^\d{4}-\d\d-\d\dT/.test(text) ? parseTime(text) : NaN;
}

const beatAt = store(nowMs());
export const beat = () => beatAt.set(nowMs());

function rangeOf({ from = DEFAULT, to }, at) {
  const live = !to, toMs = live ? at : readTime(to, at), fromMs = readTime(from, at);
  if (!(fromMs < toMs)) return { ...rangeOf({}, at), wrong: `${from}..${to || ''}` };
  const relative = live && durationMs(from) > 0;
  return { live, relative, fromMs, toMs, from, to, words: relative ? 'Last ' + lengthWords(from) : null };
}
// {live, relative: to now, fromMs, toMs, from and to as the URL has them, words: "Last 30 min", wrong: what the URL says that is no range}
export const range = () => rangeOf(here().query, beatAt.get());
export function useRange() {
  useWhere();
  beatAt.use();
  return range();
}

// As the API takes it: Unix seconds with three digits.
export const rangeParams = r => ({ from: (r.fromMs / 1000).toFixed(3), to: (r.toMs / 1000).toFixed(3) });
// As a person runs it again: what the URL says.
export const rangeText = r => r.relative ? { from: r.from.replace('-', '') } : { from: iso(r.fromMs), to: iso(r.toMs) };

export const setRange = (from, to) => setQuery({ from: from == DEFAULT && !to ? null : from, to });
export const freeze = (fromMs, toMs) => setRange(iso(Math.round(fromMs)), iso(Math.round(toMs)));
export function pauseOrLive() {
  const r = range(), length = r.toMs - r.fromMs;
  if (r.live) return freeze(r.fromMs, r.toMs);
  beatAt.set(nowMs());
  setRange(PRESETS.find(p => Math.abs(durationMs(p) - length) < 1000) || DEFAULT, null);
}
// Half a window earlier (−1) or later.
export function step(direction) {
  const r = range(), half = (r.toMs - r.fromMs) / 2, to = Math.min(r.toMs + direction * half, nowMs());
  freeze(to - 2 * half, to);
}
