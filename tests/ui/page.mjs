// page.mjs: what Traces and Trace, and the frame of every page, must do, in a real browser (scenes.mjs).
import { assert, axe, digits, facts as f, one, say, settled, sideways, words } from './browser.mjs';

export const scenes = {};
const range = f.from ? `from=${f.from}&to=${f.to}` : '';
const at = (path, query = '') => path + (query || range ? '?' : '') + [query, range].filter(Boolean).join('&');
const TRACES = at('/traces'), TRACE = f.failed_id && at('/trace/' + f.failed_id);
const rowIds = page => page.locator('.tlist tbody tr').evaluateAll(rows => rows.map(r => r.dataset.id));

// Counts, rows and bars are what SQL says of the same window.
scenes.shows_what_sql_says = async open => {
  const page = await open(TRACES);
  assert.equal(digits(await one(page, '#sc')), f.count);
  const facet = async (label, value) => digits(await one(page, `.facets [aria-label="${label}"] label:has(span:text-is("${value}")) .c`));
  assert.equal(await facet('Status', 'failed'), f.failed);
  assert.equal(await facet('Status', 'good'), f.count - f.failed);
  for (const [entry, n] of f.entries) assert.equal(await facet('Entry', entry), n);
  for (const [service, n] of f.services) assert.equal(await facet('Passes through', service), n);
  assert.deepEqual(await rowIds(page), f.newest);
  await page.click('.below .lnk');
  await page.waitForFunction(n => document.querySelectorAll('.tlist tbody tr').length == n, Math.min(f.count, 100));
  assert.deepEqual(await rowIds(page), f.newest100);
  /* who sent no span counts among a trace's services, in number and names */
  const chips = await page.locator('.svc-chips').evaluateAll(all => all.map(c => [c.title.split(', ').length, Number(c.textContent)]));
  assert.ok(chips.every(([names, n]) => names == n) && await page.locator('.svc-chips[title*=redis]').count() > 0, JSON.stringify(chips));
  await page.selectOption('select', 'slow');
  await page.waitForFunction(id => document.querySelector('.tlist tbody tr').dataset.id == id, f.slowest[0]);
  assert.deepEqual((await rowIds(page)).slice(0, 20), f.slowest);
  /* "Copy as SQL" says the same search */
  await page.goto(f.base + at('/traces', 'q=' + encodeURIComponent('service=cart status=error')));
  await page.click('text=Copy as SQL');
  await page.waitForSelector('.said:has-text("SQL copied")');
  say('SQL ' + JSON.stringify(await page.evaluate(() => navigator.clipboard.readText())));
  /* one trace */
  await page.goto(f.base + TRACE);
  assert.equal(await page.locator('.wr').count(), f.spans.length - f.folded);
  assert.deepEqual((await one(page, '.wfacts span:nth-child(2)')).split(', '), [`${f.spans.length} spans`, `${f.places} services`]);
  assert.match(await one(page, 'h1'), /^GET \/cart failed after 27\.4 ms\. It began in cart v2 → redis: connection pool full\.$/);
  await page.click('.wtools .btn:has-text("sidecar")');
  await page.waitForFunction(n => document.querySelectorAll('.wr').length == n, f.spans.length);
  const shown = await page.locator('.wr').evaluateAll(rows => rows.map(r => r.textContent.replace(/[\u00a0\u202f\s]+/g, ' ')));
  for (const [operation, ms] of f.spans) assert.ok(shown.some(l => l.includes(operation) || l.includes('attempt')) && shown.some(l => l.includes(ms)), `${operation} ${ms} in ${shown}`);
  assert.equal(await page.locator('.wr .mk-b').count(), f.origins);
  for (const tab of ['Attributes', 'Events', 'Logs']) await page.click(`[role=tab]:has-text("${tab}")`);
  await page.click('[role=tab]:has-text("Attributes")');
  assert.deepEqual(Object.fromEntries(await page.locator('.attrs').first().evaluate(dl => [...dl.querySelectorAll('dt')].map(dt => [dt.textContent, dt.nextElementSibling.firstChild.textContent.trim()]))), f.attributes);
};

// A box in the picture: the list shows what is in it, and the panel what is different.
scenes.selecting_says_what_is_different = async open => {
  const page = await open(at('/traces', 'q=' + encodeURIComponent('service=cart')));
  const box = await page.locator('.scatter').boundingBox();
  await page.mouse.move(box.x + 60, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + 300, box.y + 150, { steps: 5 });
  await page.mouse.move(box.x + box.width - 115, box.y + 250, { steps: 5 });
  await page.mouse.up();
  await page.waitForSelector('.selbox text');
  await settled(page);
  await page.click('text=Only failed');
  await page.waitForFunction(() => /^Selected: \d+ failed,/.test(document.querySelector('#tl').textContent));
  await settled(page);
  assert.match(page.url(), /sel=[\d.]+%2C[\d.]+%2C[\d.]+%2C[\d.]+%2Cfailed/);
  const found = await words(page, '.diffrow .el');
  assert.ok(found.includes('cart version = v2') && found.includes('response flag = UO'), found);
  assert.ok((await page.locator('.tlist tbody tr').count()) > 0);
  await page.locator('.diffrow:has-text("cart version") .lnk').first().click();
  await page.waitForSelector('.chip:has-text("cart version = v2")');
  await page.keyboard.press('Escape');
  /* nothing found says which condition keeps most out, and takes it away */
  await page.goto(f.base + at('/traces', 'q=' + encodeURIComponent('service=cart cart:version=v9')));
  assert.match(await one(page, '.note'), /^0 with cart version = v9\. [\d ]+ without it\./);
  await page.click('.note .lnk');
  await page.waitForSelector('.tlist tbody tr');
  assert.equal(await page.locator('.chip').count(), 1);
  /* nor where none of several is alone in that */
  await page.goto(f.base + at('/traces', 'q=nonsense+nowhere'));
  assert.match(await one(page, '.note'), /^0 with nonsense, nowhere, nor without one of them\. Without all of them$/);
  await page.click('.note .lnk');
  await page.waitForSelector('.tlist tbody tr');
  /* where nothing is, no condition is to blame */
  await page.goto(f.base + '/traces?q=service%3Dcart&from=2020-01-01T00:00:00Z&to=2020-01-01T00:00:05Z');
  assert.match(await one(page, '.note'), /^No traces in this time range\./);
};

// No pointer: search, list, trace, folding, flame, tabs, compare, back.
scenes.keyboard_only = async open => {
  const page = await open(TRACES), press = async (...keys) => { for (const k of keys) await page.keyboard.press(k); };
  await press('/');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'find');
  await page.keyboard.type(`traceparent: 00-${f.failed_id}-00f067aa0ba902b7-01`);
  await press('Enter');
  await page.waitForURL('**/trace/' + f.failed_id + '**');
  await settled(page);
  const selected = () => page.locator('.wr[aria-selected=true]').textContent();
  assert.match(await selected(), /began here/);
  await press('n');
  const second = await selected();
  assert.match(second, /began here/);
  await press('k', 'k', 'ArrowUp', 'j');
  assert.notEqual(await selected(), second);
  const rows = await page.locator('.wr').count();
  await press('Home', 'ArrowLeft');
  assert.equal(await page.locator('.wr').count(), 1);
  await press('ArrowRight');
  assert.equal(await page.locator('.wr').count(), rows);
  await press('f');
  await page.waitForSelector('.flame canvas');
  await press('f', '2');
  await page.waitForSelector('[role=tab][aria-selected=true]:has-text("Attributes")');
  await press('?');
  await page.waitForSelector('dialog[open] .keys');
  await press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  await press('g', 't');
  await page.waitForURL('**/traces**');
  await settled(page);
  await press('j', 'Enter');
  await page.waitForURL('**/trace/**');
  await settled(page);
  assert.ok(page.url().includes(f.newest[1]), page.url());
  await page.goBack();
  await settled(page);
  await press('Space', 'j', 'Space', 'c');
  await page.waitForURL('**/trace/**with=**');
  await page.waitForSelector('.wtwo');
  assert.equal(await page.textContent('.said'), ''); /* what was said of keys that do nothing here is gone */
  assert.match(await one(page, 'h1'), /two traces: .*difference/);
  /* everything that can be used can be reached, and shows where the focus is */
  await page.goto(f.base + TRACES);
  const reached = new Set();
  for (let i = 0; i < 60; i++) {
    await press('Tab');
    const [what, ring] = await page.evaluate(() => { const e = document.activeElement, s = getComputedStyle(e); return [`${e.tagName} ${e.getAttribute('aria-label') || e.textContent.trim().slice(0, 20)}`, s.outlineStyle != 'none' || !!e.closest('.tok')]; });
    reached.add(what);
    assert.ok(ring, `no ring on ${what}`);
  }
  for (const wanted of ['INPUT Add a condition', 'BUTTON Copy as SQL', 'SELECT Order', 'BUTTON Light or dark', 'BUTTON Earlier']) assert.ok(reached.has(wanted), `${wanted} not among ${[...reached]}`);
  /* single keys can be switched off */
  await page.click('.help');
  await page.uncheck('dialog input[type=checkbox]');
  await press('Escape', 'g', 't', '/');
  assert.notEqual(await page.evaluate(() => document.activeElement.id), 'find');
};

scenes.on_a_phone = async open => {
  for (const path of [TRACES, TRACE, at('/traces', 'q=' + encodeURIComponent('service=cart entry="GET /cart" http.route=/cart status=error')),
    '/traces?from=2023-11-14T23:46:00Z&to=2023-11-15T00:16:00Z'/* the longest words of a time: two days */]) {
    for (const size of [[375, 812], [320, 640]]) {
      const page = await open(path, { size });
      assert.ok(await sideways(page) <= 0, `${path} scrolls sideways by ${await sideways(page)} at ${size}`);
      const nav = await page.locator('.nav').boundingBox();
      assert.ok(nav.y + nav.height >= size[1] - 1 && nav.height >= 56, JSON.stringify(nav));
      for (const link of await page.locator('.nav a').all()) { const b = await link.boundingBox(); assert.ok(b.width >= 44 && b.height >= 44); }
      await page.context().close();
    }
  }
  const narrow = await open(TRACES, { size: [320, 640] });
  assert.ok((await narrow.locator('.req').first().boundingBox()).width > 100);
  const page = await open(TRACES, { size: [375, 812] });
  assert.equal(await page.locator('.tlist thead th:visible').count(), 3);
  await page.click('.flt');
  await page.click('dialog .facet label:has-text("failed")');
  await page.waitForSelector('.chip:has-text("status = failed")');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog[open]', { state: 'detached' });
  await settled(page);
  await page.locator('.tlist tbody tr').first().click();
  await page.waitForURL('**/trace/**');
  await settled(page);
  assert.ok((await words(page, '.wquiet'))[0].includes('spans without failures'));
  await page.locator('.wr[aria-selected=true]').click();
  await page.waitForSelector('dialog[open] h1');
  assert.match(await one(page, 'dialog h1'), /HGETALL/);
};

scenes.axe_finds_nothing = async open => {
  for (const theme of ['light', 'dark']) for (const [path, size] of [[TRACES], [at('/traces', 'q=' + encodeURIComponent('service=cart status=error')), [375, 812]], [TRACE], [TRACE + '&hops=1&view=flame'], [TRACE + '&view=table'], [TRACE, [375, 812]], [TRACE + '&with=' + f.good_id], [at('/traces', 'q=nothing')], [at('/trace/ffffffffffffffff')]].slice(0, theme == 'light' ? 9 : 5)) {
    const page = await open(path, { theme, size });
    await axe(page, `${path} ${theme} ${size || ''}`);
    if (path == TRACES) {
      await page.click('.rng');
      await axe(page, 'time range ' + theme, '.time');
      await page.keyboard.press('Escape');
      await page.click('.help');
      await axe(page, 'keys ' + theme, 'dialog[open]');
      await page.keyboard.press('Escape');
      await page.fill('#find', 'cart');
      await page.waitForSelector('#found li');
      await axe(page, 'found ' + theme, '.find');
    }
    await page.context().close();
  }
};

// What a URL shows in another window is what was on screen; Back undoes.
scenes.urls_round_trip = async open => {
  const page = await open(TRACES), seen = async p => (await words(p, 'main')).join('\n');
  await page.click('.facets label:has-text("failed")');
  await page.waitForSelector('.chip:has-text("status = failed")');
  await page.fill('.tok input', 'took>1ms');
  await page.keyboard.press('Enter');
  await page.selectOption('select', 'slow');
  await settled(page);
  const other = await open(new URL(page.url()).pathname + new URL(page.url()).search);
  assert.equal(await seen(other), await seen(page));
  await page.goBack();
  await page.goBack();
  await settled(page);
  assert.equal(await page.locator('.chip').count(), 1);
  const trace = await open(TRACE);
  await trace.click('.wtools .btn:has-text("sidecar")');
  await trace.locator('.wr').nth(3).click();
  await trace.fill('.wfind input', 'redis');
  await settled(trace);
  const again = await open(new URL(trace.url()).pathname + new URL(trace.url()).search);
  assert.equal(await seen(again), await seen(trace));
  assert.equal(await again.locator('.wr[aria-selected=true]').textContent(), await trace.locator('.wr[aria-selected=true]').textContent());
  /* a Jaeger link's uiFind, times as people write them, a pause that keeps the window */
  const find = await open(`/trace/${f.failed_id}?uiFind=postgres`);
  assert.equal(await find.inputValue('.wfind input'), 'postgres');
  const live = await open('/traces?from=-3h');
  assert.match(await one(live, '.rng'), /^Last 3 h/);
  await live.click('.time .live');
  assert.match(live.url(), /from=\d{4}-.*to=\d{4}-/);
  assert.equal(await one(live, '.time .live'), 'Paused');
  await live.click('.time .live');
  assert.match(live.url(), /\?from=-3h$/);
};

const post = bodies => Promise.all(bodies.map(body => fetch(f.otlp, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body }))).then(() => fetch(f.base + '/-/flush', { method: 'POST' }));

// New traces come while one reads: nothing moves, a line offers them; the trace on show stays as it is.
scenes.live_does_not_move_what_one_reads = async open => {
  const page = await open('/traces');
  const before = await rowIds(page);
  await page.locator('.tlist tbody tr').nth(2).hover();
  const y = await page.evaluate(() => document.querySelector('.tlist tbody tr').getBoundingClientRect().top);
  await post(f.bodies);
  await page.waitForSelector('.new12', { timeout: 12000 });
  assert.deepEqual((await rowIds(page)).slice(0, before.length), before);
  assert.equal(await one(page, '.new12'), `${f.fresh} new`);
  assert.ok(Math.abs(await page.evaluate(() => document.querySelector('.tlist tbody tr').getBoundingClientRect().top) - y) <= 29, 'rows moved more than the line that says so');
  await page.click('.new12');
  await page.waitForFunction(id => document.querySelector('.tlist tbody tr').dataset.id != id, before[0]);
  /* an answer that is the same is not sent again */
  const statuses = [];
  page.on('response', r => { if (r.url().includes('/status')) statuses.push(r.status()); });
  const tag = await page.evaluate(async () => { const a = await fetch('/api/v1/services'); const b = await fetch('/api/v1/services', { headers: { 'If-None-Match': a.headers.get('ETag') }, cache: 'no-store' }); return [a.status, b.status, (await b.text()).length]; });
  assert.deepEqual(tag, [200, 304, 0]);
};

// The collector goes and comes back: what was on screen stays, the head says so.
scenes.lost_contact_is_said = async open => {
  const page = await open('/traces', { allow: ['ERR_CONNECTION_REFUSED', 'ERR_FAILED', 'ERR_INTERNET_DISCONNECTED'] });
  const rows = await rowIds(page);
  await page.context().setOffline(true);
  await page.waitForSelector('.lostbar', { timeout: 12000 });
  assert.match(await one(page, '.lostbar'), /^no answer for \d+ s, showing \d\d:\d\d:\d\d$/);
  assert.equal(await page.getAttribute('.time .live', 'aria-pressed'), 'false');
  assert.deepEqual(await rowIds(page), rows);
  await page.context().setOffline(false);
  await page.waitForSelector('.lostbar', { state: 'detached', timeout: 15000 });
  assert.equal(await page.getAttribute('.time .live', 'aria-pressed'), 'true');
};

// One part fails: it says what, where, what to do; the rest of the page stays.
scenes.a_failure_is_one_line = async open => {
  const page = await open(null, { allow: ['503'] });
  let broken = true;
  await page.route('**/api/v1/search/different**', r => broken ? r.fulfill({ status: 503, contentType: 'application/json', body: '{"error":{"code":"busy","message":"the question took too long"}}' }) : r.continue());
  await page.goto(f.base + TRACES);
  assert.match(await one(page, 'aside .note'), /^What is different could not be read: the question took too long\. Try again, or copy the request as curl$/);
  assert.equal((await rowIds(page)).length, f.newest.length);
  broken = false;
  await page.click('aside .lnk:text("Try again")');
  await page.waitForSelector('.diffrow');
  /* what is left out of a list is said */
  await page.unroute('**/api/v1/search/different**');
  await page.route('**/api/v1/search/different**', async r => { const answer = await r.fetch(), json = await answer.json(); json.differing = json.compared = 99; return r.fulfill({ response: answer, json }); });
  await page.goto(f.base + TRACES);
  assert.match(await one(page, 'aside p.s'), /99 differ .* The \d+ that differ most are listed\.$/);
  const wrong = await open(at('/traces', 'q=' + encodeURIComponent('took>200')), { allow: ['400'] });
  assert.match(await one(wrong, '.note.bad'), /took: a duration is/);
};

// The head: an id pasted anywhere opens its trace; theme, zone and range are remembered or stand in the URL; clocks that differ are said.
scenes.head_and_clocks = async open => {
  const page = await open(TRACES);
  const paste = (to, text) => page.evaluate(([to, text]) => { const data = new DataTransfer(); data.setData('text', text); document.querySelector(to).dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true })); }, [to, text]);
  await paste('.tok input', f.failed_id);
  assert.ok(page.url().includes('/traces'), 'a paste into an input stays there');
  await paste('#tl', `level=error trace_id=${f.failed_id} msg=x`);
  await page.waitForURL('**/trace/' + f.failed_id + '**');
  await settled(page);
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor), light = await ground();
  await page.click('.theme');
  assert.notEqual(await ground(), light);
  await page.reload();
  await settled(page);
  assert.notEqual(await ground(), light);
  assert.match(await page.getAttribute('.rng', 'title'), / UTC; .* local$/);
  await page.click('.rng');
  await page.check('.pop.range input[type=checkbox]');
  assert.match(await one(page, '.wfacts'), /local/);
  await page.fill('.pop.range input[type=text]', '2h');
  await page.keyboard.press('Enter');
  await page.waitForURL(/from=-2h/);
  await page.click('.rng');
  await page.fill('.pop.range input[type=text]', 'soon');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.pop.range .fault:has-text("A time is 2h, 10:24")');
  await page.keyboard.press('Escape');
  await page.keyboard.press('[');
  await page.waitForURL(/to=\d{4}/);
  await page.waitForSelector('.time .live:text("Paused")');
  const skewed = await open('/trace/' + f.skewed), bar = row => skewed.locator('.wr').nth(row).locator('.sp').boundingBox();
  assert.match(await one(skewed, '.note.part'), /^The clock of stock is 4\.9 s ahead; times as sent\./);
  assert.ok((await bar(2)).x > (await bar(0)).x + (await bar(0)).width);
  await skewed.click('.note.part .lnk');
  await skewed.waitForURL(/clock=fit/);
  const [outer, inner] = [await bar(0), await bar(2)];
  assert.ok(inner.x > outer.x && inner.x + inner.width < outer.x + outer.width, JSON.stringify([outer, inner]));
  const orphan = await open('/trace/' + f.orphan);
  assert.match(await one(orphan, '.note.part'), /^1 span names a parent that never came: something is missing above lost\.$/);
  assert.match(await one(orphan, '.wfacts'), /incomplete/);
};

scenes.links_to_logs = async open => {
  const page = await open(TRACE);
  await page.keyboard.press('4');
  assert.equal(await page.getAttribute('.tp a[target=_blank]', 'href'), `https://logs.example/find?a="b"&q=${f.failed_id}`);
};

scenes.first_start = async open => {
  const page = await open('/');
  assert.match(await one(page, 'h1'), /^No spans yet\.$/);
  assert.equal(await page.locator('.first dt').count(), 3);
  await axe(page, 'first start');
  const lost = await open('/no/such/page', { allow: ['404'] });
  assert.match(await one(lost, 'h1'), /^There is no page \/no\/such\/page\.$/);
  await axe(lost, 'a path of none');
  await lost.click('#main a[href^="/graph"]');
  await lost.waitForURL('**/graph');
};

// Names that would be markup, break lines, turn text around or fill the page: nothing runs, nothing leaves its place.
scenes.hostile_names_stay_text = async open => {
  for (const size of [[1440, 900], [375, 812]]) {
    const page = await open(null, { size });
    for (const path of ['/traces', ...f.ids.slice(0, size[0] < 720 ? 3 : 9).map(id => '/trace/' + id)]) {
      await page.goto(f.base + path);
      assert.deepEqual(await page.evaluate(() => [window.ran, document.querySelectorAll('img,iframe,object,embed,script:not([src^="/assets/"]),a[href^="javascript:"],b b').length]), [undefined, 0]);
      assert.ok(await sideways(page) <= 0, `${path} scrolls sideways by ${await sideways(page)} at ${size}`);
      if (path != '/traces') assert.deepEqual(await page.locator('.wn').evaluateAll(all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent.slice(0, 60))), [], path);
      if (path == '/traces') for (const c of await page.locator('.facets label').all()) if (await c.isVisible()) assert.ok((await c.boundingBox()).height <= 48);
      if (path != '/traces' && size[0] > 720) for (const tab of [1, 2, 3, 4]) {
        await page.keyboard.press(String(tab));
        await settled(page);
        assert.equal(await page.evaluate(() => window.ran), undefined);
      }
      if (path != '/traces' && size[0] > 720) for (const view of ['flame', 'table']) { await page.goto(f.base + path + '?view=' + view); assert.ok(await sideways(page) <= 0, `${path} ${view}`); }
    }
    await page.context().close();
  }
  const page = await open('/traces', { allow: ['400'] });
  await page.fill('#find', '<img src=x onerror=ran=1>');
  await page.waitForSelector('#found li');
  assert.equal(await page.evaluate(() => window.ran), undefined);
  await page.goto(f.base + '/traces?q=' + encodeURIComponent('"<img src=x onerror=ran=1>"="<script>ran=1</script>"') + '&sel=x&order=%22&from=<b>');
  assert.equal(await page.evaluate(() => window.ran), undefined);
};

// Ten thousand spans: only rows in sight exist, the end can be reached, the origin is on screen first.
scenes.ten_thousand_spans = async open => {
  const page = await open('/trace/' + f.id);
  assert.match(await page.locator('.wr[aria-selected=true]').textContent(), /began here/);
  assert.ok(await page.locator('.wr').count() < 120);
  assert.equal(digits(await one(page, '.wfacts span:nth-child(2)').then(t => t.split(',')[0])), f.n);
  await page.keyboard.press('Home');
  await page.waitForSelector('.wr[data-row="0"]');
  await page.keyboard.press('End');
  await page.waitForSelector(`.wr[data-row="${f.n - 1}"]`);
  await page.fill('.wfind input', 'ledger');
  await page.waitForSelector('.wcol:has-text("1 span found")');
  await page.click('.seg button:text("Flame")');
  await page.waitForSelector('.flame canvas');
  await page.click('.seg button:text("Table")');
  await page.waitForSelector('.tsum tr');
};

// What senders really sent: every trace opens, with as many spans as SQL counts.
scenes.captured_data_opens = async open => {
  const list = await open(at('/traces'));
  assert.equal(digits(await one(list, '#sc')), f.count);
  for (const [id, spans, failed] of f.traces) {
    const page = await open(`/trace/${id}`);
    assert.equal(digits((await one(page, '.wfacts span:nth-child(2)')).split(',')[0]), spans, id);
    assert.equal(/ failed/.test(await one(page, 'h1')), failed, id);
    const more = page.locator('.wtools .btn:has-text("sidecar")');
    if (await more.count()) await more.click();
    await page.waitForFunction(n => document.querySelectorAll('.wr').length == n, spans);
    await page.context().close();
  }
};

scenes.without_scripts = async open => {
  const page = await open('/', { js: false });
  assert.equal(await page.locator('table tbody tr').count(), f.rows);
  await page.locator('table tbody a').first().click();
  await page.waitForSelector('h1:has-text("Trace")');
  assert.ok(await page.locator('table tbody tr').count() > 3);
};
