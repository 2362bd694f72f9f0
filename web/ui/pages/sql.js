// sql.js: the page that asks the file anything: examples and views, an editor, the result. What was run stands in the URL.
import { html, useEffect, useMemo, useState } from '../html.js';
import { sqlBody, useSql } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { useRange } from '../frame/range.js';
import { useTitle } from '../frame/title.js';
import { setQuery } from '../frame/url.js';
import { Icon } from '../draw/marks.js';
import { clock, plural, when } from '../draw/text.js';
import { Editor } from '../sql/editor.js';
import { EXAMPLES } from '../sql/examples.js';
import { Plan, Result } from '../sql/result.js';
import { nearest } from '../sql/text.js';

const HELP = 'SELECT view_name, column_name, text FROM help';
const FUNCTIONS = ['histogram_quantile', 'histogram_merge', 'percentile', 'ns', 'now_ns', 'count', 'sum', 'avg', 'min', 'max', 'round', 'coalesce', 'nullif', 'json_extract', 'group_concat'];

// Views with their columns, as the table help has them.
function useViews() {
  const { data } = useSql(HELP, 0, 1);
  return useMemo(() => {
    const views = new Map();
    for (const [view, column, text] of data?.rows || []) {
      if (!views.has(view)) views.set(view, { name: view, text: '', columns: [] });
      if (column) views.get(view).columns.push([column, text]);
      else views.get(view).text = text;
    }
    return [...views.values()];
  }, [data]);
}

function Views({ views, open, toggle, insert }) {
  return html`<section class="vlist blk" aria-labelledby="vw"><h2 id="vw">Views</h2>${views.map(v => html`<div key=${v.name}><button aria-expanded=${open == v.name ? 'true' : 'false'} title=${v.text} onClick=${() => toggle(open == v.name ? null : v.name)}><span class="m3"><${Icon} n=${open == v.name ? 'down' : 'right'}/></span>${open == v.name ? html`<b>${v.name}</b>` : v.name}</button>
    ${open == v.name && html`<div class="cols"><p class="m2">${v.text} <button class="lnk" onClick=${() => insert(v.name)}>insert</button></p>${v.columns.map(([c, text]) => html`<button key=${c} class="col" title=${text} onClick=${() => insert(c)}>${c}</button>`)}</div>`}</div>`)}</section>`;
}

// What went wrong, where, and what may have been meant.
function Wrong({ error, names, again, q }) {
  const near = nearest(error.message, names);
  return html`<p class="note bad" role="alert"><b>${error.status == 404 ? 'SQL on the web is off' : error.status == 408 ? 'It took too long' : error.status == 403 ? 'Refused' : error.status == 413 ? 'Too much' : 'Not understood'}</b> ${error.message}.${near && html` Is it <code>${near}</code>?`} ${error.status == 404 ? html`<code>faultline sql</code> asks the file itself.` : html`<button class="lnk" onClick=${again}>Try again</button>, or <${Menu} label="copy it" icon="" c="bare low" items=${[['SQL', () => q], ['curl', () => curlSql(q)]]}/>`}</p>`;
}
const curlSql = (q, r) => `curl -s '${location.origin}/api/v1/sql' -H 'Content-Type: application/json' -d '${JSON.stringify(r ? sqlBody(q, r.fromMs, r.toMs) : { sql: q }).replace(/'/g, "'\\''")}'`;

export function Sql({ query }) {
  const r = useRange(), q = query.q || EXAMPLES[0][1], [draft, setDraft] = useState(q), [insert, setInsert] = useState({ text: '', n: 0 }), views = useViews(), [fixed, fix] = useState(r), plan = query.plan == '1';
  // The window moves with the clock while live; a question is asked again when the reader moves it, or runs it.
  useEffect(() => fix(r), [query.from, query.to]);
  useEffect(() => setDraft(q), [q]);
  const { data: d, error, again, loading } = useSql((plan ? 'EXPLAIN QUERY PLAN ' : '') + q, fixed.fromMs, fixed.toMs);
  const run = (extra = {}) => { fix(r); setQuery({ q: draft == EXAMPLES[0][1] ? null : draft, plan: null, draw: null, by: null, rows: null, ...extra }); if (draft == q && !extra.plan == !plan) again(); };
  const names = useMemo(() => [...new Set([...views.flatMap(v => [v.name, ...v.columns.map(c => c[0])]), ...FUNCTIONS])].sort(), [views]), line = error && /^line (\d+):/.exec(error.message), example = EXAMPLES.find(([, text]) => text == draft);
  const choose = text => { setDraft(text); fix(r); setQuery({ q: text == EXAMPLES[0][1] ? null : text, plan: null, draw: null, by: null, view: null, rows: null }); };
  useTitle(!error && d && !loading && (plan ? 'Plan' : plural(d.rows.length, 'row')), 'SQL');
  return html`<main id="main" class="qpage" tabindex="-1"><h1 class="sr">SQL</h1>
    <div class="only-l"><nav class="vlist" aria-label="Examples"><h2>Examples</h2>${EXAMPLES.map(([words, text]) => html`<button key=${words} aria-current=${example?.[0] == words ? 'true' : null} onClick=${() => choose(text)}>${words}</button>`)}</nav>
      <${Views} views=${views} open=${query.open} toggle=${v => setQuery({ open: v }, { replace: true })} insert=${text => setInsert({ text, n: insert.n + 1 })}/></div>
    <div><label class="row s m2 only-s">Example <select value=${example?.[0] || ''} onChange=${e => choose(EXAMPLES.find(([words]) => words == e.target.value)[1])}>${!example && html`<option value="">own</option>`}${EXAMPLES.map(([words]) => html`<option key=${words} value=${words}>${words}</option>`)}</select></label>
      <${Editor} value=${draft} onChange=${setDraft} run=${run} names=${names} wrong=${line && !plan ? Number(line[1]) : 0} insert=${insert}/>
      <div class="row w edrun"><button class="btn pri" onClick=${() => run()}>Run <kbd>Ctrl ↵</kbd></button><button class="btn" onClick=${() => run({ plan: '1' })}>Plan</button><${Menu} label="Copy as" c="bare" items=${[['Link', () => location.href], ['SQL', () => draft], ['curl', () => curlSql(draft, r)], ['Command', () => `faultline sql '${draft.replace(/'/g, "'\\''")}'`]]}/>
        <span class="s m2"><span class="pa mono">:from</span> ${when(fixed.fromMs)}, <span class="pa mono">:to</span> ${clock(fixed.toMs)} <span class="m3">follow the time range</span></span><span class="grow"></span><span class="s m3 only-l">read-only</span></div>
      ${error ? html`<${Wrong} error=${error} names=${names} again=${again} q=${q}/>` : d && (plan && d.columns[3]?.name == 'detail' ? html`<${Plan} d=${d}/>` : !plan && html`<${Result} d=${d} query=${query}/>`)}</div></main>`;
}
