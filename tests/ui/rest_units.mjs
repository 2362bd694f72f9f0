// rest_units.mjs: the pure parts of SQL and Service.
import assert from 'node:assert/strict';
import { asCsv, change } from '../../web/ui/draw/text.js';
import { nearest, tokens, wordAt } from '../../web/ui/sql/text.js';

const of = (sql, c) => tokens(sql).filter(t => t[0] == c).map(t => t[1].trim());
assert.equal(tokens("SELECT 'it''s' -- x\nFROM a").map(t => t[1]).join(''), "SELECT 'it''s' -- x\nFROM a");
assert.deepEqual(of("select count(*), 'a''b', 1.5e3, :from FROM span -- select\nWHERE x = '<b>", 'k'), ['select', 'FROM', 'WHERE']);
assert.deepEqual(of("select count(*), 'a''b', 1.5, :from, $b, ?2 -- select\n, '<b>", 'st'), ["'a''b'", '1.5', "'<b>"]);
assert.deepEqual(of('select count (*), sum(x) AS sum, :from, $b, ?2 FROM t', 'fn'), ['count', 'sum']);
assert.deepEqual(of('select :from, $b, ?2', 'pa'), [':from', '$b', '?2']);
assert.deepEqual(of('select 1 -- a\n/* b\nc', 'cm'), ['-- a', '/* b\nc']);
assert.equal(tokens('<img src=x>').map(t => t[1]).join(''), '<img src=x>');
assert.deepEqual(wordAt('SELECT tra', 10), [7, 'tra']);
assert.deepEqual(wordAt('SELECT trace', 10), [10, '']);
assert.deepEqual(wordAt('SELECT ', 7), [7, '']);
const names = ['service_count', 'span_count', 'trace_id', 'errors_origin'];
assert.equal(nearest('no such column: service_cuont', names), 'service_count');
assert.equal(nearest('line 2: no such column: t.origin', names), 'errors_origin');
assert.equal(nearest('no such table: nothing_like_it', names), '');
assert.equal(nearest('near "x": syntax error', names), '');
assert.equal(asCsv([['a', 'b,c'], [1, '=1+1'], [-5, 'x"y'], [null, '-7'], [2.5, '-x']]), 'a,"b,c"\r\n1,\'=1+1\r\n-5,"x""y"\r\n,-7\r\n2.5,\'-x\r\n');

assert.equal(change('+5.8\u00a0ms', '+10.0\u00a0ms', ' to '), '+5.8 to +10.0\u00a0ms');
assert.equal(change('−40\u00a0µs', '+1.2\u00a0ms', ' to '), '−40\u00a0µs to +1.2\u00a0ms');
assert.equal(change('+46', '+56', ' to '), '+46 to +56'); /* without a unit nothing is cut off */
