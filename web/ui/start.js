// start.js: the page: the head once, and the view that the URL names.
import { html, render, useEffect, useState } from './html.js';
import { HatchDefs } from './draw/marks.js';
import { Word } from './draw/parts.js';
import { Head } from './frame/head.js';
import { Status } from './frame/menu.js';
import { NoPage } from './frame/states.js';
import { looks } from './frame/store.js';
import { href, useWhere } from './frame/url.js';
import { PAGES, pageOf } from './pages.js';

const shown = PAGES.filter(p => p.label), scripts = new Map(); /* by how they are loaded: what came, false for what cannot be had */

// The view of a page: null while its script is on its way, false when it cannot be had.
function useView({ load, view } = {}) {
  const [, redraw] = useState(0), came = scripts.get(load);
  useEffect(() => {
    if (load && !scripts.has(load))
      load().then(all => scripts.set(load, all), () => scripts.set(load, false)).then(() => redraw(n => n + 1));
  }, [load]);
  return came && came[view];
}

function App() {
  const { path, query } = useWhere(), [page, props] = pageOf(path), View = useView(page);
  looks.use();
  return html`<${Head} pages=${shown} current=${page?.nav}/>
    ${!page ? html`<${NoPage} title=${`There is no page ${path}.`}>Pages: ${shown.map(p => html`<a href=${href(p.path)}>${p.label}</a> `)}
    </${NoPage}>`
    : View ? html`<${View} key=${path} query=${query} ...${props}/>` : View == null ? html`<main id="main" tabindex="-1"></main>`
    : html`<${NoPage}
      title="This page could not be loaded.">The collector does not answer, or is another one now. <${Word}
      act=${() => location.reload()}>Load it again</${Word}></${NoPage}>`}
    <${Status}/><svg class="sr" aria-hidden="true"><${HatchDefs}/></svg>`;
}

const root = document.getElementById('app');
root.replaceChildren();
render(html`<${App}/>`, root);
