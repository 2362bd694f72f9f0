// measure.mjs: how fast the page is, in the system's Chromium. node measure.mjs BASE TRACE_ID RUNS; prints JSON: ms of each run, a new browser
// for each, so that nothing is cached.
import { chromium } from 'playwright-core';
import { LAUNCH } from './launch.mjs';

const [base, id, runs] = process.argv.slice(2);
const out = { first_paint_ms: [], content_ms: [], open_trace_ms: [], frames_per_s: [], slowest_frame_ms: [], bytes: 0 };
for (let i = 0; i < runs; i++) {
  const browser = await chromium.launch(LAUNCH);
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const sizes = new Map(); /* by name: what a second page takes from the cache counts once */
  page.on('response', async r => { if (r.url().includes('/assets/')) sizes.set(r.url(), Number((await r.allHeaders())['content-length'] || 0)); });
  await page.goto(base + '/traces');
  await page.waitForSelector('.tlist tbody tr');
  out.content_ms.push(await page.evaluate(() => performance.now()));
  out.first_paint_ms.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime));
  const begin = Date.now();
  await page.goto(`${base}/trace/${id}`);
  await page.waitForSelector('.wr[aria-selected=true]');
  out.open_trace_ms.push(Date.now() - begin);
  const [fps, slowest] = await page.evaluate(async () => {
    const wf = document.querySelector('.wf'), frame = () => new Promise(requestAnimationFrame);
    let worst = 0, last = performance.now();
    const first = last, n = 120;
    for (let k = 0; k < n; k++) { wf.scrollTop = (k % 2 ? 1 : -1) * 90 + k * 700; await frame(); const t = performance.now(); worst = Math.max(worst, t - last); last = t; }
    return [n / (last - first) * 1000, worst];
  });
  out.frames_per_s.push(fps);
  out.slowest_frame_ms.push(slowest);
  out.bytes = [...sizes.values()].reduce((a, b) => a + b, 0);
  await browser.close();
}
console.log(JSON.stringify(out));
