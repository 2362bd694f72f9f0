// pages.js: the table of pages. A page stands here once; head, keys and router take it from here. Its script comes when it is first shown.

const decode = text => { try { return decodeURIComponent(text); } catch { return text; } };

// nav: place in the head ('' none), key: after g, match: path -> props of the view or null, load: the module whose
// export of the name `view` is shown.
export const PAGES = [
  { nav: 'now', label: 'Now', path: '/', key: 'n', match: path => path == '/' && {}, load: () => import('./pages/now.js'), view: 'Now' },
  { under: 'now', match: path => { const m = /^\/incident\/([^/]+)$/.exec(path); return m && { id: decode(m[1]) }; }, load: () => import('./pages/now.js'), view: 'Now' },
  { nav: 'graph', label: 'Graph', path: '/graph', key: 'g', match: path => path == '/graph' && {}, load: () => import('./pages/graph.js'), view: 'Graph' },
  { nav: 'traces', label: 'Traces', path: '/traces', key: 't', match: path => path == '/traces' && {}, load: () => import('./pages/traces.js'), view: 'Traces' },
  { under: 'traces', match: path => { const m = /^\/trace\/([^/]+)$/.exec(path); return m && { id: m[1] }; }, load: () => import('./pages/trace.js'), view: 'Trace' },
  { nav: 'services', label: 'Services', path: '/services', key: 's', match: path => path == '/services' && {}, load: () => import('./pages/service.js'), view: 'Services' },
  { under: 'services', match: path => { const m = /^\/service\/([^/]+)\/([^/]+)\/(.+)$/.exec(path); return m && { cluster: decode(m[1]), namespace: decode(m[2]), name: decode(m[3]) }; }, load: () => import('./pages/service.js'), view: 'Service' },
  { nav: 'network', label: 'Network', path: '/network', key: 'w', match: path => path == '/network' && {}, load: () => import('./pages/network.js'), view: 'Network' },
  ...document.querySelector('meta[name=sql]') ? [] : [{ nav: 'sql', label: 'SQL', path: '/sql', key: 'q', match: path => path == '/sql' && {}, load: () => import('./pages/sql.js'), view: 'Sql' }],
  { under: '', match: path => path == '/status' && {}, load: () => import('./pages/status.js'), view: 'Status' },
];
