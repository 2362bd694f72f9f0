// calls.js: the pages of what calls whom: one script.
import '../shared.js';
export { Graph } from './graph.js';
export { Now } from './now.js';
export { Service, Services } from './service.js';
