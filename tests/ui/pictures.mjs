// pictures.mjs: pictures of every page, light, dark and on a phone. Started by pictures.py.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { LAUNCH } from './launch.mjs';
import { smaller } from './png.mjs';

const f = JSON.parse(process.argv[2]), time = 'from=-10m', trace = `/trace/${f.failed}`, cart = `/service/eu-1/shop/cart?${time}`;
// name, path, what is there when it is drawn; each in light, dark and on a phone. `light` only in light.
const SETS = {
  shop: [['now', `/?${time}`, '[aria-labelledby=ex] tbody'], ['graph', `/graph?${time}`, '.gside .chart svg, .gwide tbody tr'], ['graph-latency', `/graph?overlay=slow&${time}`, '.gside .chart svg', 'light'], ['graph-security', `/graph?overlay=sec&${time}`, '.gside .chart svg', 'light'],
    ['graph-crossings', `/graph?overlay=cross&${time}`, '.gside .chart svg', 'light'], ['graph-table', `/graph?view=table&${time}`, '.gside .chart svg', 'light'], ['traces', `/traces?q=service%3Dcart&${time}`, '.diffrow'], ['trace', trace, '.kv, .wquiet'], ['trace-hops', trace + '?hops=1', '.kv', 'light'],
    ['services', `/services?${time}`, '#main tbody tr'], ['service', cart, '.spark3 svg'], ['network', `/network?${time}`, '.matrix'], ['sql', `/sql?${time}`, '.tdata'], ['status', `/status?${time}`, '#ta']],
  large: [['graph-300', '/graph', '.gside .chart svg', 'light']],
};
const browser = await chromium.launch(LAUNCH);
for (const [name, path, ready, only] of SETS[f.set]) for (const theme of only ? [only] : ['light', 'dark', 'phone']) {
  const phone = theme == 'phone', page = await browser.newPage({ viewport: phone ? { width: 390, height: 844 } : { width: 1440, height: 900 }, colorScheme: phone ? 'light' : theme, deviceScaleFactor: phone ? 2 : 1 });
  await page.goto(f.base + path);
  await page.waitForSelector(ready);
  await page.waitForSelector('html:not([data-busy])');
  await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 300)))));
  writeFileSync(join(f.out, `${name}-${theme}.png`), smaller(await page.screenshot()));
  await page.close();
}
await browser.close();
