// zipkin.mjs: Zipkin's own page, its questions answered by the collector.
import { assert, facts as f } from './browser.mjs';

export const scenes = {};
const text = async page => (await page.locator('body').innerText()).replace(/\s+/g, ' ');
const run = page => page.click('button:has-text("Run Query")');

scenes.shows_what_is_here = async open => {
  const page = await open(`/zipkin/?serviceName=${f.service}&lookback=1h&limit=100`, { wait: false });
  const [found] = await Promise.all([page.waitForResponse(r => r.url().includes('/api/v2/traces?')), run(page)]);
  const traces = await found.json(); // of its own last quarter of an hour
  assert.ok(traces.length > 5 && traces.every(t => f.traces.includes(t[0].traceId)));
  await page.waitForFunction(n => document.querySelectorAll('table a[href*="traces/"]').length == n, traces.length);
  await page.goto(f.base + '/zipkin/traces/' + f.id);
  await page.waitForSelector(`text=${f.id}`);
  const shown = await text(page);
  assert.ok(shown.includes(`Total Spans ${f.spans.length} `), shown);
  for (const span of f.spans) assert.ok(shown.includes(span), `${span} in ${shown}`);
  await page.goto(f.base + '/zipkin/dependency');
  const [answer] = await Promise.all([page.waitForResponse(r => r.url().includes('/dependencies')), run(page)]);
  assert.equal((await answer.json()).length, f.edges);
  await page.waitForSelector('canvas'); // the picture of them
  assert.ok(!(await text(page)).match(/no dependencies|error/i));
};
