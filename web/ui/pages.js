// pages.js: the table of pages. A page stands here once; head, keys and router take it from here.
// Its script comes when a page of its group is first shown: what calls do, what traces hold, and the others.
const calls = () => import('./pages/calls.js'), spans = () => import('./pages/spans.js'), others = () => import('./pages/others.js');

// nav: its place in the head; with a label it stands there itself, with its key after g. path: exact, or an expression whose named
// groups are props of the view. view: the name of what `load` exports. Their order is the order of the head.
export const PAGES = [
  { nav: 'now', label: 'Now', path: '/', key: 'n', load: calls, view: 'Now' },
  { nav: 'now', path: /^\/incident\/(?<id>[^/]+)$/, load: calls, view: 'Now' },
  { nav: 'graph', label: 'Graph', path: '/graph', key: 'g', load: calls, view: 'Graph' },
  { nav: 'traces', label: 'Traces', path: '/traces', key: 't', load: spans, view: 'Traces' },
  { nav: 'traces', path: /^\/trace\/(?<id>[^/]+)$/, load: spans, view: 'Trace' },
  { nav: 'services', label: 'Services', path: '/services', key: 's', load: others, view: 'Services' },
  { nav: 'services', path: /^\/service\/(?<cluster>[^/]+)\/(?<namespace>[^/]+)\/(?<name>.+)$/, load: others, view: 'Service' },
  { nav: 'network', label: 'Network', path: '/network', key: 'w', load: others, view: 'Network' },
  { nav: 'sql', label: 'SQL', path: '/sql', key: 'q', load: others, view: 'Sql' },
  { path: '/status', load: others, view: 'Status' },
].filter(p => p.nav != 'sql' || !document.querySelector('meta[name=sql]'));

const decode = text => { try { return decodeURIComponent(text); } catch { return text; } };

// [the page of a path, the props that it names]; nothing for a path of none.
export function pageOf(path) {
  for (const page of PAGES) {
    const found = page.path == path ? {} : page.path.exec?.(path)?.groups;
    if (found) return [page, Object.fromEntries(Object.entries(found).map(([k, v]) => [k, decode(v)]))];
  }
  return [];
}
