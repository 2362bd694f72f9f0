// sql.js: the page that asks the file anything: examples and views, an editor, the result. What was run stands in the URL.
import { html, useEffect, useMemo, useRef, useState } from '../html.js';
import { sqlBody, useApi, useSql } from '../frame/api.js';
import { Menu } from '../frame/menu.js';
import { useRange } from '../frame/range.js';
import { useTitle } from '../frame/states.js';
import { setQuery, showQuery } from '../frame/url.js';
import { Icon } from '../draw/marks.js';
import { Select, Word, flag } from '../draw/parts.js';
import { count, NB, plural, span } from '../draw/text.js';
import { Editor } from '../sql/editor.js';
import { Plan, Result } from '../sql/result.js';
import { nearest } from '../sql/text.js';

// As a shell writes it.
const shellText = text => `'${text.replace(/'/g, "'\\''")}'`;
const FUNCTIONS = 'histogram_quantile histogram_merge percentile ns now_ns count sum avg min max round coalesce nullif json_extract group_concat'
  .split(' ');
const FEW = 9; /* views, or columns of one */
const FIRST = 'evidence suspect incident edge_event operation_minute hop_minute edge_minute trace span'.split(' '); /* of the views, from the last */
const FRESH = { plan: null, draw: null, by: null, rows: null, sort: null }; /* what a new question forgets of the last */

// Views with their columns, as the table help has them: [{name, text, columns: [[name, text]]}]
function useViews() {
  const { data } = useSql('SELECT view_name, column_name, text FROM help', 0, 1);
  return useMemo(() => {
    const views = {};
    for (const [name, column, text] of data?.rows || []) {
      const view = views[name] ||= { name, text: '', columns: [] };
      if (column) view.columns.push([column, text]); else view.text = text;
    }
    return Object.values(views).sort((a, b) => FIRST.indexOf(b.name) - FIRST.indexOf(a.name));
  }, [data]);
}

// The first of a long list, those that must be there, and the others when asked for.
function Few({ all, must, c, draw }) {
  const [more, show] = useState(false), shown = all.filter((x, i) => more || i < FEW || must?.(x)), n = all.length - shown.length;
  return [shown.map(draw), n > 0
    && html`<button class=${c} aria-expanded="false" onClick=${() => show(true)}>${!c
    && html`<span class="m3"><${Icon} n="right"/></span>`}${n} more</button>`];
}

// The columns of a view with the types that they have in its first row; a click puts a name into the text.
function Columns({ view: { name, columns }, insert }) {
  const { data } = useSql(`SELECT * FROM ${name} LIMIT 1`, 0, 1), types = Object.fromEntries(data?.columns.map(c => [c.name, c.type]) || []);
  return html`<div class="cols"><${Few} all=${columns} c="col" draw=${([c, words]) =>
    html`<button key=${c} class="col" title=${words} onClick=${() => insert(c)}>${c}<em>${types[c]?.toLowerCase()}</em></button>`}/></div>`;
}

const Views = ({ views, open, insert }) =>
  html`<section class="vlist blk" aria-labelledby="vw"><h2 id="vw">Views</h2><${Few} all=${views} must=${v => v.name == open} draw=${view => {
  const { name, text } = view, is = open == name;
  return html`<div key=${name}>
    <button aria-expanded=${flag(is)} title=${`${text}. A double click inserts the name.`} onClick=${() => showQuery({ open: is ? '-' : name })}
      onDblClick=${() => insert(name)}>
    <span class="m3"><${Icon} n=${is ? 'down' : 'right'}/></span>${is ? html`<b>${name}</b>` : name}</button>
    ${is && html`<${Columns} view=${view} insert=${insert}/>`}</div>`;
}}/></section>`;

const curlSql = (q, r) =>
  `curl -s '${location.origin}/api/v1/sql' -H 'Content-Type: application/json' -d ${shellText(JSON.stringify(r
  ? sqlBody(q, r.fromMs, r.toMs) : { sql: q }))}`;
const WRONG = { 404: 'SQL on the web is off', 408: 'It took too long', 403: 'Refused', 413: 'Too much' };

// What went wrong, where, and what may have been meant.
function Wrong({ answer: { error, again }, names, q }) {
  const near = nearest(error.message, names), off = error.status == 404;
  return html`<p class="note bad" role="alert"><b>${WRONG[error.status] || 'Not understood'}
    </b> ${error.message}.${near && html` Is it <code>${near}</code>?`} ${off ? html`<code>faultline sql</code> asks the file itself.`
    : [html`<${Word} act=${again}>Try again</${Word}>`, ', or ',
      html`<${Menu} label="copy it" icon="" c="bare low" items=${[['SQL', q], ['curl', curlSql(q)]]}/>`]}</p>`;
}

export function Sql({ query }) {
  const offer = useApi('sql/examples', {}, { timeless: true }).data, examples = offer?.items || [], first = examples[1]?.sql /* where failures began */, r = useRange(),
    q = query.q || first, views = useViews(), [draft, setDraft] = useState(q || ''), [insert, setInsert] = useState({ text: '', n: 0 }),
    [fixed, fix] = useState(r), plan = query.plan == '1';
  // The window moves with the clock while live; a question is asked again when the reader moves it, or runs it.
  useEffect(() => fix(r), [query.from, query.to]);
  // Back shows the question of before; what was run here is being edited on already.
  const ran = useRef(null);
  useEffect(() => { if (q != ran.current) setDraft(q || ''); ran.current = null; }, [q]);
  const answer = useSql(q && (plan ? 'EXPLAIN QUERY PLAN ' : '') + q, fixed.fromMs, fixed.toMs), { data: d, error } = answer,
    line = error && !plan && /^line (\d+):/.exec(error.message);
  const ask = (text, more) => { fix(r); ran.current = text; setQuery({ ...FRESH, q: text == first ? null : text, ...more }); },
    run = more => { ask(draft, more); if (draft == q && !more == !plan) answer.again(); };
  const choose = name => { const { sql } = examples.find(e => e.name == name); setDraft(sql); ask(sql, { view: null }); },
    example = examples.find(e => e.sql == draft)?.name;
  const [from, to] = span(fixed.fromMs, fixed.toMs).split(/ ?– ?/),
    names = useMemo(() => [...new Set([...views.flatMap(v => [v.name, ...v.columns.map(c => c[0])]), ...FUNCTIONS])].sort(), [views]),
    put = text => setInsert({ text, n: insert.n + 1 });
  useTitle(!error && d && !answer.loading && (plan ? 'Plan' : plural(d.rows.length, 'row')), 'SQL');
  return html`<main id="main" class="qpage" tabindex="-1"><h1 class="sr">SQL</h1>
    <div class="only-l">
      <nav class="vlist" aria-label="Examples"><h2>Examples</h2>
      ${examples.map(({ name }) =>
      html`<button key=${name} aria-current=${name == example ? 'true' : null} onClick=${() => choose(name)}>${name}</button>`)}</nav>
      <${Views} views=${views} open=${query.open || /\bFROM (\w+)/i.exec(q)?.[1]} insert=${put}/></div>
    <div><label class="row s m2 only-s">Example <${Select} label="Example" value=${example || ''} set=${choose}
      options=${[...example ? [] : [['', 'own']], ...examples.map(e => [e.name, e.name])]}/></label>
      <${Editor} value=${draft} onChange=${setDraft} run=${() => run()} names=${names} wrong=${line && Number(line[1])} insert=${insert}/>
      <div class="row w edrun"><button class="btn pri" onClick=${() => run()}>Run <kbd>Ctrl ↵</kbd></button>
        <button class="btn" onClick=${() => run({ plan: 1 })}>Plan</button>
        <span class="s m2">
          <span class="pa mono">:from</span> ${from}, <span class="pa mono">:to</span> ${to} <span
          class="m3">follow the time range</span></span><span class="grow"></span><span class="s m3 only-l">read-only${offer
          && `, ${offer.timeout_ns / 1e9}${NB}s and ${count(offer.rows)} rows at most`}</span></div>
      ${error ? html`<${Wrong} answer=${answer} names=${names} q=${q}/>`
        : d && (plan ? d.columns[3]?.name == 'detail' && html`<${Plan} d=${d}/>` : html`<${Result} d=${d} query=${query}
          copies=${[['SQL', q], ['curl', () => curlSql(q, r)], ['Command', `faultline sql ${shellText(q)}`]]}/>`)}</div>
        </main>`;
}
