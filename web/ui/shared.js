// shared.js: what more than one group of pages uses, and the start of the page, as one script.
import './draw/chart.js';
import './draw/marks.js';
import './draw/parts.js';
import './draw/table.js';
import './draw/text.js';
import './frame/api.js';
import './frame/find.js';
import './frame/keys.js';
import './frame/menu.js';
import './frame/range.js';
import './frame/states.js';
import './frame/store.js';
import './graph/columns.js';
import './graph/names.js';
import './start.js';
