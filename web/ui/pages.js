// pages.js: the table of pages. A page stands here once; head, keys and router take it from here.
import { Graph } from './pages/graph.js';
import { Now } from './pages/now.js';
import { Service, Services } from './pages/service.js';
import { Traces } from './pages/traces.js';
import { Trace } from './pages/trace.js';

const decode = text => { try { return decodeURIComponent(text); } catch { return text; } };

// nav: place in the head ('' none), key: after g, match: path -> props of the view or null.
export const PAGES = [
  { nav: 'now', label: 'Now', path: '/', key: 'n', match: path => path == '/' && {}, view: Now },
  { nav: 'graph', label: 'Graph', path: '/graph', key: 'g', match: path => path == '/graph' && {}, view: Graph },
  { nav: 'traces', label: 'Traces', path: '/traces', key: 't', match: path => path == '/traces' && {}, view: Traces },
  { under: 'traces', match: path => { const m = /^\/trace\/([^/]+)$/.exec(path); return m && { id: m[1] }; }, view: Trace },
  { nav: 'services', label: 'Services', path: '/services', key: 's', match: path => path == '/services' && {}, view: Services },
  { under: 'services', match: path => { const m = /^\/service\/([^/]+)\/([^/]+)\/(.+)$/.exec(path); return m && { cluster: decode(m[1]), namespace: decode(m[2]), name: decode(m[3]) }; }, view: Service },
];
