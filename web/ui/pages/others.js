// others.js: services, the network, the file, and the collector itself: one script.
import '../shared.js';
export { Network } from './network.js';
export { Service, Services } from './service.js';
export { Sql } from './sql.js';
export { Status } from './status.js';
