// api.js: questions to the server. Live views ask again with every beat and say what they have (If-None-Match);
// what came stays on screen until the next answer is there.
import { useState, useEffect, useRef } from '../html.js';
import { BEAT_MS, beat, nowMs, range, rangeParams, rangeText, useRange } from './range.js';
import { store } from './store.js';
import { search } from './url.js';

/* lost: since it does not answer; lastGood: when it last did, Unix ms; tries: since then */
const contact = store({ lost: false, lastGood: nowMs(), tries: 0 });
export const useContact = contact.use;

export const apiUrl = (path, params = {}) => '/api/v1/' + path + search(params);
// A question as a shell command.
export const curl = (url, options = '-s') => `curl ${options} '${location.origin}${url.replace(/'/g, '%27')}'`;
// The same question with the time range as the reader sees it.
export const curlOf = (path, params) => curl(apiUrl(path, { ...rangeText(range()), ...params }));

// "faultline …" with the time range as flags.
export const command = words => `faultline ${words}${Object.entries(rangeText(range())).map(([k, v]) => ` --${k} ${v}`).join('')}`;

const failure = (status, message, url) => Object.assign(new Error(message), { status, url });

// One question. `known` is the ETag of what the caller has; the answer to it may be {same: true}.
export async function ask(url, { known, signal, body } = {}) {
  const headers = {};
  if (known) headers['If-None-Match'] = known;
  if (body) headers['Content-Type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(url, { headers, signal, method: body ? 'POST' : 'GET', body: body && JSON.stringify(body), cache: 'no-store' });
  } catch (e) {
    if (signal?.aborted) throw e;
    contact.set({ ...contact.get(), lost: true });
    throw failure(0, 'the collector does not answer', url);
  }
  contact.set({ lost: false, lastGood: nowMs(), tries: 0 });
  if (answer.status == 304) return { same: true };
  const data = await answer.json().catch(() => null);
  if (!answer.ok || !data) throw failure(answer.status, data?.error?.message || `answer ${answer.status}`, url);
  return { data, etag: answer.headers.get('ETag') };
}

/* ---- busy: the thin line under the head after 300 ms ---- */
const pending = store(0);
export function useBusy() {
  const n = pending.use(), [busy, set] = useState(false);
  useEffect(() => {
    if (!n) return set(false);
    const timer = setTimeout(set, 300, true);
    return () => clearTimeout(timer);
  }, [!n]);
  return busy;
}
function addPending(n) {
  pending.set(pending.get() + n);
  document.documentElement.toggleAttribute('data-busy', pending.get() > 0);
}

// One question at a time: {data, error, fresh, loading, again()}. `key` says which question it is, `url` and `body` how it is asked now;
// `beat` asks the same again. A url of null asks nothing. `fresh` counts the answers with new content.
function useAnswer(key, url, { body, beat: repeat } = {}) {
  const [state, set] = useState({ data: null, error: null, fresh: 0, key: null }), [again, setAgain] = useState(0);
  const memory = useRef({});
  useEffect(() => {
    if (!url) return;
    const stop = new AbortController(), m = memory.current, isNew = m.key != key;
    let open = isNew;
    const settle = () => { if (open) addPending(-1); open = false; };
    if (isNew) {
      addPending(1);
      Object.assign(m, { key, etag: null });
    }
    ask(url, { known: m.etag, signal: stop.signal, body }).then(answer => {
      if (stop.signal.aborted) return;
      if (answer.same) return set(s => s.error ? { ...s, error: null } : s);
      m.etag = answer.etag;
      set(s => ({ data: answer.data, error: null, fresh: s.fresh + 1, key }));
    }).catch(error => {
      if (!stop.signal.aborted) set(s => ({ ...s, error, data: s.key != key && error.status == 404 ? null : s.data }));
    }).finally(settle);
    return () => { settle(); stop.abort(); };
  }, [url, key, again, repeat]);
  return { ...state, loading: !!url && state.key != key && !state.error,
    again: () => { memory.current.key = null; setAgain(again + 1); } };
}

// useApi('traces', {limit: 50}). Adds the time range unless `timeless`; asks again while live. A path of null asks nothing.
// `every`: while live once in so many ms, also what has no time range.
export function useApi(path, params, { timeless, every } = {}) {
  const r = useRange(), step = t => every && r.live ? Math.ceil(t / every) * every : t;
  const moving = { ...(timeless ? {} : rangeParams({ fromMs: step(r.fromMs), toMs: step(r.toMs) })), ...params };
  const still = { ...(timeless ? {} : !r.live ? rangeParams(r) : r.relative ? rangeText(r) : { from: r.from }), ...params };
  return useAnswer(path && apiUrl(path, still), path && apiUrl(path, moving),
    { beat: timeless && every ? Math.floor(r.toMs / every) : 0 });
}

// One SQL statement; :from and :to are the window in ns. Asked again when the text, the window in steps of a minute, or `again` changes.
export const sqlBody = (sql, fromMs, toMs) => ({ sql,
  params: { from: Math.round(fromMs * 1e3) * 1e3, to: Math.round(toMs * 1e3) * 1e3 } });
export function useSql(sql, fromMs, toMs) {
  const key = JSON.stringify([sql, Math.floor(fromMs / 6e4), Math.floor(toMs / 6e4)]);
  return useAnswer(key, sql && apiUrl('sql'), { body: sqlBody(sql, fromMs, toMs) });
}

/* ---- the beat: every 5 s while live and in sight; after a failure 1, 2, 5, 10 s ---- */
function schedule() {
  const { lost, tries } = contact.get();
  setTimeout(() => {
    const c = contact.get();
    if (!document.hidden && (range().live || c.lost)) beat();
    if (c.lost) contact.set({ ...c, tries: c.tries + 1 });
    schedule();
  }, lost ? [1000, 2000, 5000, 10000][Math.min(tries, 3)] : BEAT_MS);
}
schedule();
addEventListener('online', beat);
document.addEventListener('visibilitychange', () => { if (!document.hidden && range().live) beat(); });
