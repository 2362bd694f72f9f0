// pages.js: the table of pages. A page stands here once; head, keys and router take it from here.
import { Graph } from './pages/graph.js';
import { Traces } from './pages/traces.js';
import { Trace } from './pages/trace.js';

// nav: place in the head ('' none), key: after g, match: path -> props of the view or null.
export const PAGES = [
  { nav: 'graph', label: 'Graph', path: '/graph', key: 'g', match: path => path == '/graph' && {}, view: Graph },
  { nav: 'traces', label: 'Traces', path: '/traces', key: 't', match: path => path == '/traces' && {}, view: Traces },
  { under: 'traces', match: path => { const m = /^\/trace\/([^/]+)$/.exec(path); return m && { id: m[1] }; }, view: Trace },
];
