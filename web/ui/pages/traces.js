import { html } from '../html.js';
import { useApi } from '../frame/api.js';
import { Failed } from '../frame/states.js';
import { useTitle } from '../frame/title.js';
import { href } from '../frame/url.js';
import { ms } from '../draw/text.js';

export function Traces() {
  const traces = useApi('traces', { limit: 50 });
  useTitle('Traces');
  return html`<main id="main" tabindex="-1"><h1 class="sr">Traces</h1>${traces.error && html`<${Failed} what="The list of traces" error=${traces.error} again=${traces.again}/>`}
    <table><tbody>${traces.data?.items.map(t => html`<tr key=${t.trace_id}><td><a href=${href('/trace/' + t.trace_id)}>${t.entry_operation}</a></td><td class="r">${ms(t.duration_ns)}</td></tr>`)}</tbody></table></main>`;
}
