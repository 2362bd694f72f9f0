// main.js: starts the page: the head once, and the view that the URL names.
import { html, render, useEffect } from './html.js';
import { HatchDefs } from './draw/marks.js';
import { Head } from './frame/head.js';
import { Status } from './frame/menu.js';
import { go, href, useWhere } from './frame/url.js';
import { PAGES } from './pages.js';
import './ui.css';
import './more.css';

const shown = PAGES.filter(p => p.nav);

function find(path) {
  for (const page of PAGES) {
    const props = page.match(path);
    if (props) return { page, props };
  }
  return null;
}

function NoPage({ path }) {
  return html`<main id="main" tabindex="-1"><h1 class="big">There is no page ${path}.</h1><p class="m2">Pages: ${shown.map(p => html`<a href=${href(p.path)}>${p.label}</a> `)}</p></main>`;
}

function App() {
  const { path, query } = useWhere();
  const found = find(path);
  useEffect(() => { if (!found && path == '/') go(href(shown[0].path), { replace: true }); }, [path]);
  return html`<${Head} pages=${shown} current=${found && (found.page.nav || found.page.under)}/>
    ${found ? html`<${found.page.view} key=${found.page.path || path} query=${query} ...${found.props}/>` : html`<${NoPage} path=${path}/>`}<${Status}/><svg class="sr" aria-hidden="true"><${HatchDefs}/></svg>`;
}

const root = document.getElementById('app');
root.replaceChildren();
render(html`<${App}/>`, root);
