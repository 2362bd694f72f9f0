// calls.js: the pages of what fails and who calls whom: one script.
import '../shared.js';
export { Graph } from './graph.js';
export { Now } from './now.js';
