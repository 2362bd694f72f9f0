// file.js: the pages of the file and of the collector itself: one script.
import '../shared.js';
export { Sql } from './sql.js';
export { Status } from './status.js';
