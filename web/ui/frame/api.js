// api.js: questions to the server. Live views ask again with every beat and say what they have (If-None-Match);
// what came stays on screen until the next answer is there.
import { useState, useEffect, useRef } from '../html.js';
import { BEAT_MS, beat, nowMs, range, rangeParams, rangeText, useRange } from './range.js';

const contact = { lastGood: nowMs(), lost: false, tries: 0, waiting: 0 };
const watchers = new Set();
const tell = () => { for (const f of [...watchers]) f({ ...contact }); };

export function useContact() {
  const [state, set] = useState(contact);
  useEffect(() => { watchers.add(set); return () => watchers.delete(set); }, []);
  return state;
}

export function apiUrl(path, params = {}) {
  const pairs = Object.entries(params).filter(([, v]) => v != null && v !== '');
  return '/api/v1/' + path + (pairs.length ? '?' + new URLSearchParams(pairs) : '');
}
// The same question as a shell command, with the time range as the reader sees it.
export function curlOf(path, params = {}) {
  return `curl -s '${location.origin}${apiUrl(path, { ...rangeText(range()), ...params }).replace(/'/g, '%27')}'`;
}

class Failure extends Error {
  constructor(status, code, message, url) {
    super(message);
    Object.assign(this, { status, code, url });
  }
}

// One question. `known` is the ETag of what the caller has; the answer to it may be {same: true}.
export async function ask(url, { known, signal, body } = {}) {
  const headers = {};
  if (known) headers['If-None-Match'] = known;
  if (body) headers['Content-Type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(url, { headers, signal, method: body ? 'POST' : 'GET', body: body && JSON.stringify(body), cache: 'no-store' });
  } catch (e) {
    if (e.name == 'AbortError') throw e;
    contact.lost = true;
    tell();
    throw new Failure(0, 'unreachable', 'the collector does not answer', url);
  }
  const back = contact.lost || nowMs() - contact.lastGood > BEAT_MS;
  contact.lost = false;
  contact.tries = 0;
  contact.lastGood = nowMs();
  if (back) tell();
  if (answer.status == 304) return { same: true };
  const text = await answer.text();
  let data;
  try { data = JSON.parse(text); } catch { throw new Failure(answer.status, 'internal', `answer ${answer.status} is no JSON`, url); }
  if (!answer.ok) throw new Failure(answer.status, data.error?.code, data.error?.message || `answer ${answer.status}`, url);
  return { data, etag: answer.headers.get('ETag') };
}

/* ---- busy: the thin line under the head after 300 ms ---- */
let pending = 0;
const busyWatchers = new Set();
export function useBusy() {
  const [busy, set] = useState(false);
  useEffect(() => {
    let timer;
    const f = () => { clearTimeout(timer); if (pending) timer = setTimeout(() => set(true), 300); else set(false); };
    busyWatchers.add(f);
    return () => { clearTimeout(timer); busyWatchers.delete(f); };
  }, []);
  return busy;
}
function addPending(n) {
  pending += n;
  document.documentElement.toggleAttribute('data-busy', pending > 0);
  if (pending == 0 || (n > 0 && pending == 1)) for (const f of [...busyWatchers]) f();
}

// Questions that this collector does not know (it says so once): they are optional and not asked again.
const absent = new Set();

// useApi('traces', {limit: 50}): {data, error, fresh, again()}. Adds the time range unless `timeless`; asks again while live.
// A path of null asks nothing. `every`: while live once in so many ms, also what has no time range. `fresh` counts the answers with new content.
export function useApi(path, params = {}, { timeless = false, every = 0, optional = false } = {}) {
  const now = useRange(), r = every && now.live ? { ...now, toMs: Math.ceil(now.toMs / every) * every, fromMs: Math.ceil(now.fromMs / every) * every } : now;
  const stable = path && apiUrl(path, { ...(timeless ? {} : !r.live ? rangeParams(r) : r.relative ? rangeText(r) : { from: r.from }), ...params });
  const url = path && apiUrl(path, { ...(timeless ? {} : rangeParams(r)), ...params });
  const [state, set] = useState({ data: null, error: null, fresh: 0, key: null });
  const [again, setAgain] = useState(0);
  const memory = useRef({ etag: null, key: null, shown: null });
  useEffect(() => {
    if (!url || absent.has(path)) return;
    const stop = new AbortController(), m = memory.current, asked = m.key != stable;
    let open = asked;
    const settle = () => { if (open) addPending(-1); open = false; };
    if (asked) { addPending(1); m.etag = null; m.key = stable; }
    ask(url, { known: m.etag, signal: stop.signal }).then(answer => {
      settle();
      if (stop.signal.aborted) return;
      if (answer.same) { set(s => s.error ? { ...s, error: null } : s); return; }
      m.etag = answer.etag;
      set(s => ({ data: answer.data, error: null, fresh: s.fresh + 1, key: stable }));
    }).catch(error => {
      settle();
      if (optional && error.status == 404 && /no such page/.test(error.message)) absent.add(path);
      else if (error.name != 'AbortError') set(s => ({ ...s, error, data: s.key == stable ? s.data : error.status == 404 ? null : s.data, key: s.key }));
    });
    return () => { settle(); stop.abort(); };
  }, [url, again, timeless && every ? Math.floor(now.toMs / every) : 0]);
  return { ...state, loading: !!path && state.key != stable && !state.error, again: () => { memory.current.key = null; setAgain(n => n + 1); } };
}

// One SQL statement; :from and :to are the window in ns. Asked again when the text, the window in steps of a minute, or `again` changes.
export const sqlBody = (sql, fromMs, toMs, limit) => ({ sql, params: { from: Math.round(fromMs * 1e3) * 1e3, to: Math.round(toMs * 1e3) * 1e3 }, limit });
export function useSql(sql, fromMs, toMs) {
  const [state, set] = useState({ data: null, error: null, asked: null }), [again, setAgain] = useState(0), key = JSON.stringify([sql, Math.floor(fromMs / 6e4), Math.floor(toMs / 6e4), again]);
  useEffect(() => {
    if (!sql) return;
    const stop = new AbortController();
    let open = true;
    const settle = () => { if (open) addPending(-1); open = false; };
    addPending(1);
    ask(apiUrl('sql'), { body: sqlBody(sql, fromMs, toMs), signal: stop.signal }).then(({ data }) => set({ data, error: null, asked: key })).catch(error => { if (error.name != 'AbortError') set(s => ({ ...s, error, asked: key })); }).finally(settle);
    return () => { settle(); stop.abort(); };
  }, [key]);
  return { ...state, loading: !!sql && state.asked != key, again: () => setAgain(n => n + 1) };
}

/* ---- the beat: every 5 s while live and in sight; after a failure 1, 2, 5, 10 s ---- */
const RETRY_MS = [1000, 2000, 5000, 10000];
function schedule() {
  setTimeout(() => {
    if (contact.lost) contact.tries++;
    if (!document.hidden && (range().live || contact.lost)) beat();
    if (contact.lost) tell();
    schedule();
  }, contact.lost ? RETRY_MS[Math.min(contact.tries, 3)] : BEAT_MS);
}
schedule();
addEventListener('online', beat);
document.addEventListener('visibilitychange', () => { if (!document.hidden && range().live) beat(); });
