// url.js: all state of a view is in its URL. The one place that reads and writes it.
import { store } from './store.js';

const read = () => ({ path: location.pathname, query: Object.fromEntries(new URLSearchParams(location.search)) });
const where = store(read());
const changed = () => where.set(read());
addEventListener('popstate', changed);

export const here = where.get, useWhere = where.use;

// "?a=1&b=2" of what has a value.
export function search(query) {
  const pairs = Object.entries(query).filter(([, v]) => v != null && v !== '');
  return pairs.length ? '?' + new URLSearchParams(pairs) : '';
}

// A link to another view. The time range goes along; what else the view shows is in `query`.
export function href(path, query) {
  const { from, to } = here().query;
  return path + search({ ...query, from, to, ...query });
}

export function go(url, instead) {
  if (url == location.pathname + location.search) return;
  history[instead ? 'replaceState' : 'pushState'](null, '', url);
  changed();
}

// Changes some parameters of this view; null or '' takes one out, so that defaults are left out. showQuery() makes no step for Back.
export const setQuery = (changes, instead) => go(here().path + search({ ...here().query, ...changes }), instead);
export const showQuery = changes => setQuery(changes, true);

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
