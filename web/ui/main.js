// main.js: starts the page: the head once, and the view that the URL names.
import { html, render, useEffect, useState } from './html.js';
import { HatchDefs } from './draw/marks.js';
import { Head } from './frame/head.js';
import { Status } from './frame/menu.js';
import { go, href, useWhere } from './frame/url.js';
import { PAGES } from './pages.js';
import './ui.css';
import './more.css';
import './graph.css';

const shown = PAGES.filter(p => p.nav);

function find(path) {
  for (const page of PAGES) {
    const props = page.match(path);
    if (props) return { page, props };
  }
  return null;
}

// Scripts of pages that came; the others follow when the first has been shown.
const views = new Map();
function fetchView(page) {
  return page.load().then(module => views.set(page, module[page.view]));
}
setTimeout(() => { for (const page of PAGES) if (!views.has(page)) fetchView(page).catch(() => {}); }, 3000);

// The view of a page: null while its script is on its way, false when it cannot be had.
function useView(page) {
  const [, redraw] = useState(0), [lost, lose] = useState(null);
  useEffect(() => {
    if (page && !views.has(page)) fetchView(page).then(() => redraw(n => n + 1), () => lose(page));
  }, [page]);
  return page && (views.get(page) || (lost == page ? false : null));
}

const Missing = () => html`<main id="main" tabindex="-1"><p class="note bad" role="alert"><b>This page</b> could not be loaded: the collector does not answer, or is another one now. <button class="lnk" onClick=${() => location.reload()}>Load it again</button></p></main>`;

function NoPage({ path }) {
  return html`<main id="main" tabindex="-1"><h1 class="big">There is no page ${path}.</h1><p class="m2">Pages: ${shown.map(p => html`<a href=${href(p.path)}>${p.label}</a> `)}</p></main>`;
}

function App() {
  const { path, query } = useWhere(), [, redraw] = useState(0);
  useEffect(() => { const f = () => redraw(n => n + 1); addEventListener('zone', f); return () => removeEventListener('zone', f); }, []);
  const found = find(path), View = useView(found?.page);
  useEffect(() => { if (!found && path == '/') go(href(shown[0].path), { replace: true }); }, [path]);
  return html`<${Head} pages=${shown} current=${found && (found.page.nav || found.page.under)}/>
    ${found ? View == null ? html`<main id="main" tabindex="-1"></main>` : !View ? html`<${Missing}/>` : html`<${View} key=${found.page.path || path} query=${query} ...${found.props}/>` : html`<${NoPage} path=${path}/>`}<${Status}/><svg class="sr" aria-hidden="true"><${HatchDefs}/></svg>`;
}

const root = document.getElementById('app');
root.replaceChildren();
render(html`<${App}/>`, root);
