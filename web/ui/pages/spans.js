// spans.js: the pages of traces: one script.
import '../shared.js';
export { Trace } from './trace.js';
export { Traces } from './traces.js';
