// text.js: SQL as text: its tokens, the word under the caret, names that are near, results as CSV. Pure.
const KEYWORDS = new Set('select from where group by order having limit offset as and or not in is null like glob between case when then else end join left inner cross outer on using with recursive union all except intersect distinct values asc desc over partition window filter exists cast collate explain query plan materialized escape nulls first last rows range'.split(' '));
const TOKEN = /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^']|'')*'?|\b\d[\w.]*\b)|([:@$]\w+|\?\d*)|("(?:[^"]|"")*"?|[A-Za-z_]\w*)|\s+|[^\s]/g;

// [[class or '', text], …]: k keyword, st string or number, cm comment, pa parameter, fn function.
export function tokens(sql) {
  const list = [];
  for (const m of sql.matchAll(TOKEN)) {
    const c = m[1] ? 'cm' : m[2] ? 'st' : m[3] ? 'pa' : m[4] ? KEYWORDS.has(m[4].toLowerCase()) ? 'k' : /^\s*\(/.test(sql.slice(m.index + m[0].length, m.index + m[0].length + 4)) ? 'fn' : '' : '';
    if (list.length && list.at(-1)[0] == c) list.at(-1)[1] += m[0];
    else list.push([c, m[0]]);
  }
  return list;
}

// The word that ends at the caret: [where it begins, the word].
export function wordAt(sql, caret) {
  const m = /[A-Za-z_]\w*$/.exec(sql.slice(0, caret));
  return m && !/\w/.test(sql[caret] || '') ? [m.index, m[0]] : [caret, ''];
}

function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let k = 1; k <= b.length; k++) next[k] = Math.min(next[k - 1] + 1, row[k] + 1, row[k - 1] + (a[i - 1] != b[k - 1]));
    row = next;
  }
  return row[b.length];
}
// The name nearest to one that an error calls unknown; '' when none is near.
export function nearest(message, names) {
  const m = /no such (?:column|table|function): "?(?:\w+\.)?(\w+)/.exec(message), word = m?.[1].toLowerCase();
  if (!word) return '';
  const near = [...new Set(names)].map(n => [n.startsWith(word + '_') || n.endsWith('_' + word) ? 1 : distance(word, n.toLowerCase()), n]).sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1))[0];
  return near && near[0] <= Math.max(2, word.length / 3) ? near[1] : '';
}

// Cells of text that a spreadsheet would run get an apostrophe.
export function asCsv({ columns, rows }) {
  const one = v => { let t = v == null ? '' : String(v); if (typeof v == 'string' && /^[=+\-@\t\r]/.test(t) && !/^-?\d+$/.test(t)) t = "'" + t; return /[",\n\r]/.test(t) ? `"${t.replace(/"/g, '""')}"` : t; };
  return [columns.map(c => c.name), ...rows].map(r => r.map(one).join(',')).join('\r\n') + '\r\n';
}
