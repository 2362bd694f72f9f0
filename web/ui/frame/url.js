// url.js: all state of a view is in its URL. The one place that reads and writes it.
import { useState, useEffect } from '../html.js';

const watchers = new Set();
let where = read();

function read() {
  return { path: location.pathname, query: Object.fromEntries(new URLSearchParams(location.search)) };
}
function changed() {
  where = read();
  for (const tell of [...watchers]) tell(where);
}
addEventListener('popstate', changed);

export const here = () => where;

export function useWhere() {
  const [now, set] = useState(where);
  useEffect(() => { set(where); watchers.add(set); return () => watchers.delete(set); }, []);
  return now;
}
function search(query) {
  const pairs = Object.entries(query).filter(([, v]) => v != null && v !== '');
  return pairs.length ? '?' + new URLSearchParams(pairs) : '';
}

// A link to another view. The time range goes along; what else the view shows is in `query`.
export function href(path, query = {}) {
  const { from, to } = where.query;
  return path + search({ ...query, from: 'from' in query ? query.from : from, to: 'to' in query ? query.to : to });
}

// A value as it stands in a search line.
export const quote = text => /[\s"=<>~!]/.test(text) || text == '' ? JSON.stringify(text) : text;

export function go(url, { replace = false } = {}) {
  if (url == location.pathname + location.search) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', url);
  changed();
}

// Changes some parameters of this view; null or '' takes one out, so that defaults are left out.
export function setQuery(changes, options) {
  go(where.path + search({ ...where.query, ...changes }), options);
}

// Links inside the page move without loading it anew.
addEventListener('click', e => {
  const a = e.target.closest?.('a[href]');
  if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  if (a.origin != location.origin || a.target || a.hasAttribute('download') || a.pathname.startsWith('/api/')) return;
  e.preventDefault();
  const moved = a.pathname != location.pathname;
  go(a.pathname + a.search);
  if (moved) scrollTo(0, 0);
});
