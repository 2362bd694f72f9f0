import { html } from '../html.js';
import { useApi } from '../frame/api.js';
import { useTitle } from '../frame/title.js';

export function Trace({ id }) {
  const trace = useApi('traces/' + id, {}, { timeless: true });
  useTitle('Trace ' + id.slice(0, 8));
  return html`<main id="main" tabindex="-1"><h1>Trace ${id}</h1><p>${trace.data?.spans.length} spans</p></main>`;
}
