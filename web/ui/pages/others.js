// others.js: the network, the file, and the collector itself: one script.
import '../shared.js';
export { Network } from './network.js';
export { Sql } from './sql.js';
export { Status } from './status.js';
