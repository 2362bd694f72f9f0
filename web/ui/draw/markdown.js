// markdown.js: rows of cells as a table of Markdown; the first is the head.

export const asMarkdown = rows =>
  rows.map((r, i) => `| ${r.map(c => String(c).replace(/[|\\]/g, '\\$&').replace(/\s+/g, ' ')).join(' | ')} |${
  i ? '' : '\n|' + '---|'.repeat(r.length)}\n`).join('');
