// browser.mjs: the system's Chromium for the scenes of the page. Every page it opens is watched: errors, violations of the page's
// policy, dialogs and requests to anywhere else than the collector fail the scene at its end.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export { assert };
const require = createRequire(import.meta.url);

// What the scene that runs knows, mostly from SQL, and what it has to say.
export let facts, said;
export const say = text => said.push(text);

// Runs a scene of a script: what its `scenes` has under that name, given `open`.
export async function play(browser, script, name, known) {
  const base = known.base, trouble = [];
  facts = known;
  said = [];
  const open = async (path, { size = [1440, 900], theme = 'light', js = true, wait = true, allow = [] } = {}) => {
    const context = await browser.newContext({ viewport: { width: size[0], height: size[1] }, colorScheme: theme, javaScriptEnabled: js, reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write'] });
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    const seen = what => { if (!allow.some(a => what.includes(a))) trouble.push(`${path}: ${what}`); };
    page.on('console', m => { if (m.type() == 'error' && !m.text().includes('404')) seen('console: ' + m.text()); });
    page.on('pageerror', e => seen('error: ' + e.stack));
    page.on('dialog', d => { seen('dialog: ' + d.message()); d.dismiss(); });
    page.on('request', r => { const u = new URL(r.url()); if (!['data:', 'blob:'].includes(u.protocol) && u.origin != base) seen('request to ' + u); });
    await page.addInitScript(() => addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI)));
    const go = page.goto.bind(page);
    page.goto = async (...to) => { const answer = await go(...to); if (js && wait) await settled(page); return answer; }; /* also the second page that a scene opens */
    if (path) await page.goto(base + path);
    return page;
  };
  try {
    const { scenes } = await import(`./${script}?${played++}`); /* read anew for each: what it makes of the facts is of this scene */
    if (!scenes[name]) throw new Error(`no scene ${name} in ${script}`);
    await scenes[name](open);
    assert.deepEqual(trouble, []);
  } finally {
    await Promise.all(browser.contexts().map(c => c.close()));
  }
}
let played = 0;

// Answers are in and drawn: what the page asks begins two frames behind a change, and it says while it waits.
export async function settled(page) {
  await page.waitForSelector('#main:not(:empty)'); /* a view's script may still be on its way */
  for (let i = 0; i < 2; i++) { /* an answer may lead to a further question */
    await page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 20)))));
    await page.waitForSelector('html:not([data-busy])');
  }
}

// No finding of axe-core, in words that name the element; of what opened over a page that was looked at, within it alone.
export async function axe(page, what, within = 'html') {
  if (!await page.evaluate(() => window.axe)) await page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8') + ';0');
  const found = await page.evaluate(within => window.axe.run(within, { resultTypes: ['violations'] }), within);
  assert.deepEqual(found.violations.map(v => `${what}: ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(' | ')}`), []);
}

export async function axeInThemes(page, what) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await axe(page, `${what} ${colorScheme}`);
  }
}

export const words = async (page, selector) => (await page.locator(selector).allInnerTexts()).map(t => t.replace(/[\u00a0\u202f\s]+/g, ' ').trim());
export const one = async (page, selector) => (await words(page, selector))[0];
export const digits = t => Number(t.replace(/\D/g, ''));
// Loads a path in the narrowest of these windows and the first wide one, and grows it to the others; what is there is looked at in each.
export async function inWindows(page, path, sizes, look) {
  let loaded;
  for (const [width, height] of sizes) {
    await page.setViewportSize({ width, height });
    if (loaded !== width > 1180) await page.goto(path);
    loaded = width > 1180;
    await settled(page);
    await look([width, height]);
  }
}

export const sideways = page => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
