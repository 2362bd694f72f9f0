// pictures.mjs: one picture a line below: name, path, theme, phone or not, what to do first. Started by pictures.py.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { smaller } from './png.mjs';

const f = JSON.parse(process.argv[2]);
const box = [f.now - 1040, f.now, 9, 30, 'failed'].join(','), traces = `/traces?q=${encodeURIComponent('service=cart entry="GET /cart"')}&sel=${box}`, trace = '/trace/' + f.failed;
const cart = '/service/eu-1/shop/cart';
const SETS = {
  traces: [
    ['traces-light', traces, 'light'], ['traces-dark', traces, 'dark'], ['traces-phone', traces, 'light', true],
    ['trace-light', trace, 'light'], ['trace-dark', trace, 'dark'], ['trace-hops-light', trace + '?hops=1', 'light'], ['trace-phone', trace, 'light', true], ['trace-phone-dark', trace, 'dark', true],
  ],
  graph: [
    ['now-light', '/', 'light'], ['now-dark', '/', 'dark'], ['now-phone', '/', 'light', true], ['now-phone-dark', '/', 'dark', true],
    ['graph-light', '/graph', 'light'], ['graph-dark', '/graph', 'dark'], ['graph-phone', '/graph', 'light', true], ['graph-latency-light', '/graph?overlay=slow', 'light'], ['graph-diff-light', '/graph?overlay=diff', 'light'], ['graph-table-light', '/graph?view=table', 'light'],
    ['services-light', '/services', 'light'], ['service-light', cart, 'light'], ['service-dark', cart, 'dark'], ['service-phone', cart, 'light', true],
  ],
  large: [['graph-300-light', '/graph', 'light']],
};
const READY = [[/^\/trace\//, '.kv, .wquiet'], [/^\/traces/, '.diffrow'], [/^\/graph\?view=table/, '.gside .chart svg'], [/^\/graph\?overlay=diff/, '.gside .chg'], [/^\/graph/, '.gside .chart svg'], [/^\/services/, '#main tbody tr'], [/^\/service\//, '.spark3 svg'], [/^\/$/, '#ex']];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
for (const [name, path, theme, phone] of SETS[f.set]) {
  const page = await browser.newPage({ viewport: phone ? { width: 390, height: 844 } : { width: 1440, height: 900 }, colorScheme: theme, deviceScaleFactor: phone ? 2 : 1 });
  await page.goto(f.base + path);
  await page.waitForSelector(READY.find(([p]) => p.test(path))[1]);
  await page.waitForSelector('html:not([data-busy])');
  await page.evaluate(() => new Promise(done => setTimeout(done, 300)));
  writeFileSync(join(f.out, name + '.png'), smaller(await page.screenshot()));
  await page.close();
}
await browser.close();
