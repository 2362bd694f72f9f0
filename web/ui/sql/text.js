// text.js: SQL as text: its tokens, the word under the caret, names that are near. Pure.
const KEYWORDS = new Set(('select from where group by order having limit offset as and or not in is null like glob between case when then else end join left inner '
  + 'cross outer on using with recursive union all except intersect distinct values asc desc over partition window filter exists cast collate explain query plan '
  + 'materialized escape nulls first last rows range').split(' '));
const TOKEN = /(?<cm>--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(?<st>'(?:[^']|'')*'?|\b\d[\w.]*\b)|(?<pa>[:@$]\w+|\?\d*)|(?<word>"(?:[^"]|"")*"?|[A-Za-z_]\w*)|\s+|[^\s]/g;

// [[class or '', text], …]: k keyword, st string or number, cm comment, pa parameter, fn function.
export function tokens(sql) {
  const list = [];
  for (const { 0: text, index, groups } of sql.matchAll(TOKEN)) {
    const kind = Object.keys(groups).find(k => groups[k]),
      isCall = /^\s*\(/.test(sql.slice(index + text.length, index + text.length + 4));
    const c = kind != 'word' ? kind || '' : KEYWORDS.has(text.toLowerCase()) ? 'k' : isCall ? 'fn' : '';
    if (list.at(-1)?.[0] === c) list.at(-1)[1] += text;
    else list.push([c, text]);
  }
  return list;
}

// The word that ends at the caret: [where it begins, the word].
export function wordAt(sql, caret) {
  const m = /[A-Za-z_]\w*$/.exec(sql.slice(0, caret));
  return m && !/\w/.test(sql[caret] || '') ? [m.index, m[0]] : [caret, ''];
}

// How many letters must change to make one text of the other.
function distance(a, b) {
  let row = [...Array(b.length + 1).keys()];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let k = 1; k <= b.length; k++) next[k] = Math.min(next[k - 1] + 1, row[k] + 1, row[k - 1] + (a[i - 1] != b[k - 1]));
    row = next;
  }
  return row[b.length];
}
// The name nearest to one that an error calls unknown; '' when none is near.
export function nearest(message, names) {
  const word = /no such (?:column|table|function): "?(?:\w+\.)?(\w+)/.exec(message)?.[1].toLowerCase();
  if (!word) return '';
  const far = n => n.startsWith(word + '_') || n.endsWith('_' + word) ? 1 : distance(word, n.toLowerCase()),
    [off, name] = [...names].sort().map(n => [far(n), n]).reduce((a, b) => b[0] < a[0] ? b : a, [99, '']);
  return off <= Math.max(2, word.length / 3) ? name : '';
}
