// graph.mjs: what the pages Graph, Now, Services and Service must do, in a real browser (scenes.mjs).
import { assert, axe, axeInThemes, digits, facts as f, inWindows, one, say, settled, sideways, words } from './browser.mjs';

export const scenes = {};
const range = f.from ? `from=${f.from}&to=${f.to}` : '';
const at = (path, query = '') => path + (query || range ? '?' : '') + [query, range].filter(Boolean).join('&');
const plain = t => t.replace(/[\u00a0\u202f\s]+/g, ' ').trim();
const rate = x => x == 0 ? '0/s' : (x < 0.0095 ? x.toFixed(3) : x < 0.195 ? x.toFixed(2) : x < 99.5 ? x.toFixed(1) : Math.round(x)) + '/s';
const share = x => { const p = x * 100; return p == 0 || p == 100 ? `${p} %` : p >= 99.95 ? '> 99.9 %' : p < .005 ? '< 0.01 %' : `${p.toFixed(p < .1 ? 2 : p < 9.95 || p > 99 ? 1 : 0)} %`; };
const places = page => page.locator('.node').evaluateAll(all => Object.fromEntries(all.map(n => [n.dataset.id, ['x', 'y', 'width'].map(k => Math.round(n.getBBox()[k])).join()])));
const cells = async (page, selector) => (await page.locator(selector).evaluateAll(rows => rows.map(r => [...r.cells].map(c => c.textContent)))).map(r => r.map(plain));
const drawn = page => page.waitForSelector('.gcanvas .node');
const label = (page, id) => page.locator(`.node[data-id="${id}"] [role=button]`).getAttribute('aria-label').then(plain);

// Every edge and its numbers, in the table and in the picture, are SQL's.
scenes.graph_shows_what_sql_says = async open => {
  const page = await open(at('/graph', 'view=table'));
  const rows = await cells(page, '.gwide tbody tr.go'), told = Object.fromEntries(rows.map(r => [r[0].replace(/^[◆◇] /, ''), r.slice(1, 4)]));
  const wanted = Object.fromEntries(f.edges.map(([a, b, calls, began, passed]) => [`${a == 'user' ? 'users' : a} → ${b}`, [rate(calls / f.seconds).replace('/s', ''), began ? rate(began / f.seconds) : '0', passed ? rate(passed / f.seconds) : '0']]));
  assert.deepEqual(told, wanted);
  assert.equal(rows[0][0], 'cart → redis');
  await page.click('[aria-label=View] button:text("Graph")');
  await drawn(page);
  assert.equal(await page.locator('.edge:has(.hit)').count(), f.edges.length);
  assert.equal(await page.locator('.node').count(), f.nodes);
  assert.match(await label(page, 'eu-1/shop/cart'), /failures began here/);
  assert.match(await label(page, 'eu-1/shop/frontend'), /failures passed on/);
  assert.ok(await page.locator('.edge:has(path[stroke-dasharray="1.6 3.4"])').count() >= 4, 'edges that pass failures on are ladders');
  /* the edge that failures began at is the one in the panel */
  const [calls, began] = f.edges.find(e => e[0] == 'cart' && e[1] == 'redis').slice(2);
  const panel = await one(page, '.gside');
  assert.ok(panel.includes(`${rate(began / f.seconds).replace('/s', '')} failures per second began here, ${share(began / calls)} of ${rate(calls / f.seconds).replace('/s', '')} calls per second.`), panel);
  const versions = await cells(page, '.gside .blk:first-of-type tbody tr');
  assert.deepEqual(versions.map(v => [v[0].split(' ')[0], v[1], v[2]]), f.versions.map(([v, n, bad]) => [v, rate(n / f.seconds).replace('/s', ''), share(bad / n)]));
};

scenes.now_shows_what_sql_says = async open => {
  const page = await open(at('/'));
  const [calls, failed] = f.requests, title = await one(page, 'h1');
  assert.ok(title.startsWith(`${share(failed / calls)} of user requests fail. It began in cart v2: `), title);
  const sub = await one(page, '.answer .sub');
  assert.ok(sub.includes(`${rate(failed / f.seconds).replace('/s', '')} of ${rate(calls / f.seconds).replace('/s', '')} requests per second fail`) && digits(/, ([\d ]+) in this window/.exec(sub)[1]) == failed, sub);
  assert.equal(plain(await page.title()), `${title.split('. It ')[0]} · Now · faultline`);
  assert.deepEqual(await words(page, '.fp-n .box'), ['users', 'frontend', 'cart v2', 'redis']);
  const entries = (await cells(page, 'section:has(#en) tbody tr')).map(r => r.slice(0, 3));
  assert.deepEqual(Object.fromEntries(entries.map(([op, ...rest]) => [op, rest])), Object.fromEntries(f.entries.map(([op, n, bad]) => [op, [rate(n / f.seconds).replace('/s', ''), share(bad / n)]])));
  assert.equal(await one(page, '.sus .who'), 'cart v2');
  assert.equal(await page.locator('.acts a:text("Export")').getAttribute('href'), `/api/v1/export?from=${f.from}.000&to=${f.to}.000`);
  assert.match((await words(page, '.chg li'))[0], /Failures begin at cart → redis/);
  assert.match((await words(page, '.chg li')).join(' '), /cart v2 first seen/);
  assert.equal(await page.locator('section:has(#ex) tbody tr').count(), 4);
  await page.click('.acts .pri');
  await page.waitForURL('**/trace/**');
  await page.goBack();
  await page.click('.fp-e.solid .wire');
  await page.waitForURL('**/graph?**');
  await drawn(page);
  await page.waitForSelector('.gside h1');
  assert.equal(await one(page, '.gside h1'), 'cart → redis');
  /* as many that fail as ever are no news, and not all that could be */
  await page.route('**/api/v1/now*', async r => { const answer = await r.fetch(), json = await answer.json(); json.requests.was = { ...json.requests, was: null }; json.base.seconds = 1e6; return r.fulfill({ response: answer, json }); });
  await page.goto(f.base + at('/'));
  assert.equal(await one(page, 'h1'), 'Nothing stands out.');
  assert.equal(await page.locator('.kick .tag').count(), 0);
  assert.equal(await page.title(), 'Nothing stands out · Now · faultline');
};

scenes.services_show_what_sql_says = async open => {
  const page = await open(at('/services'));
  assert.equal(await one(page, 'h1'), 'Failures began in cart.');
  const list = Object.fromEntries((await cells(page, '#main tbody tr')).map(r => [r[0].replace(/ gateway$/, ''), r]));
  for (const [service, calls] of f.services) assert.equal(list[service][2], rate(calls / f.seconds).replace('/s', ''), service);
  await page.click('#main tbody tr a');
  await page.waitForSelector('.spark3');
  assert.ok(page.url().includes('/service/eu-1/shop/cart'), page.url());
  const [calls, failed] = f.cart;
  /* the share is that of the time since it began */
  const said = await one(page, '.answer .sub'), [, percent, hour, minute] = /^([\d.]+) % of calls fail since (\d\d):(\d\d)\./.exec(said) || [],
    onset = new Date(f.to * 1000).setUTCHours(hour, minute, 0, 0) / 1000, since = onset > f.to ? onset - 86400 : onset;
  const { service } = await (await fetch(`${f.base}/api/v1/service/eu-1/shop/cart?from=${since}&to=${f.to}`)).json();
  assert.ok(plain(await page.title()).startsWith(`${percent} % of calls to cart fail · `), await page.title());
  assert.ok(Math.abs(percent - 100 * service.errors / service.calls) < 1, `${said} ${service.errors} of ${service.calls}`);
  assert.match(await one(page, '.answer .sub'), /They begin here, in v2, at its call to redis\.$/);
  assert.deepEqual((await words(page, '.kpi .big')).slice(0, 2), [rate(calls / f.seconds).replace('/s', ''), rate(failed / f.seconds).replace('/s', '')]);
  assert.equal(await one(page, '.verdict'), 'Worse');
  const table = async title => Object.fromEntries((await cells(page, `section:has(> header h2:text-is("${title}")) tbody tr`)).map(r => [r[0], r.slice(1)]));
  const callers = await table('Callers'), callees = await table('Callees'), operations = await table('Operations');
  for (const [a, b, n, began, passed] of f.edges) {
    const row = b == 'cart' ? callers[a] : a == 'cart' ? callees[b] : null;
    if (row) assert.deepEqual(row.slice(0, 3), [rate(n / f.seconds).replace('/s', ''), began ? rate(began / f.seconds) : '0', passed ? rate(passed / f.seconds) : '0'], a + b);
  }
  await page.click(':text("Other versions")');
  await page.click('[role=menuitem]:text-is("v1 against v2")');
  await page.waitForSelector('h2:text-is("v1 against v2")');
  assert.ok(page.url().includes('compare=v2..v1'), page.url());
  for (const [op, n, bad] of f.operations) assert.deepEqual(operations[op].slice(0, 2), [rate(n / f.seconds).replace('/s', ''), share(bad / n)], op);
  assert.ok(Object.keys(await table('Instances')).every(i => /^cart-v|^\d+ more, .*normal$/.test(i)));
  /* every edge that Network names has its place in the graph, also those of a gateway */
  const network = await open(at('/network', 'by=cluster')), cells_ = network.locator('.matrix td button'), named = new Set();
  const { edges } = await (await fetch(f.base + at('/api/v1/graph', 'crossings=joined'))).json(), ids = edges.map(e => `${e.caller}>${e.callee}`);
  for (let i = 0, n = await cells_.count(); i < n; i++) {
    await cells_.nth(i).click();
    for (const to of await network.locator('[aria-labelledby=cr] tbody a.q').evaluateAll(all => all.map(a => new URL(a.href).searchParams.get('sel')))) named.add(to);
    await cells_.nth(i).click();
  }
  assert.ok([...named].every(sel => ids.includes(sel)) && [...named].some(sel => sel.includes('#gateway')), [...named].join(' '));
};

// No pointer: pages, nodes along edges, selection, focus, overlays, table, find.
scenes.keyboard_only = async open => {
  const page = await open(at('/traces')), press = async (...keys) => { for (const k of keys) await page.keyboard.press(k); };
  const focused = () => page.evaluate(() => document.activeElement.closest('.node')?.dataset.id || document.activeElement.tagName);
  const chosen = await open(at('/graph', 'sel=shop%2Fcheckout'));
  await drawn(chosen);
  assert.deepEqual(await chosen.locator('.node [tabindex="0"]').evaluateAll(all => all.map(n => n.parentNode.dataset.id)), ['eu-1/shop/checkout'], 'Tab stops at what is selected');
  await press('g', 'g');
  await page.waitForURL('**/graph**');
  await drawn(page);
  for (let i = 0; i < 60 && !(await focused()).includes('/'); i++) await press('Tab');
  const start = await focused();
  assert.equal(await page.locator('.node [tabindex="0"]').count(), 1, 'one stop for Tab');
  await press('ArrowLeft', 'ArrowLeft', 'ArrowLeft', 'ArrowLeft');
  assert.equal(await focused(), '//user#user', start);
  await press('ArrowRight', 'ArrowRight');
  assert.equal(await focused(), 'eu-1/shop/frontend');
  await press('ArrowRight');
  const next = await focused();
  assert.match(next, /cart|checkout/, 'arrows follow the failures first');
  await press('Enter');
  await page.waitForURL(/sel=shop/);
  assert.equal(await page.locator('.node.sel').getAttribute('data-id'), next);
  await press('Shift+Enter');
  await page.waitForURL(/focus=shop/);
  await page.waitForFunction(n => document.querySelectorAll('.node').length < n, f.nodes);
  await press('Escape');
  await press('Escape');
  await page.waitForFunction(n => document.querySelectorAll('.node').length == n, f.nodes);
  await press('2');
  await page.waitForURL(/overlay=slow/);
  await press('1');
  await press('n');
  await page.waitForURL(/sel=shop%2Fcart%3Eredis/);
  assert.equal(await focused(), 'eu-1/shop/cart');
  for (let i = 0; i < 20 && !(await page.evaluate(() => document.activeElement.textContent == 'Table')); i++) await press('Tab');
  await page.evaluate(() => [...document.querySelectorAll('.gbar button')].find(b => b.textContent == 'Table').focus());
  await press('Enter');
  await page.waitForSelector('.gwide tbody tr');
  await press('j', 'j');
  await page.waitForFunction(() => document.querySelector('.gwide tr[aria-selected=true]')?.rowIndex == 3);
  await press('g', 's');
  await page.waitForURL('**/services**');
  await page.waitForSelector('#main tbody a');
  await page.locator('#main tbody a').first().focus();
  await press('Enter');
  await page.waitForURL('**/service/**');
  await press('g', 'n');
  await page.waitForSelector('.fpath');
  await page.locator('.sus summary').first().focus();
  await press('Enter');
  await page.waitForFunction(() => !document.querySelector('.sus').open);
};

// Phones: the table first, the picture on request; nothing scrolls sideways from 320 px to 2560.
scenes.on_a_phone = async open => {
  const page = await open(at('/graph'), { size: [390, 844] });
  await page.waitForSelector('.gwide tbody tr');
  assert.equal(await page.locator('.gcanvas').count(), 0);
  assert.match(await one(page, '.gwide tbody tr:first-child'), /cart → redis/);
  const shown = () => page.locator('.gwide tbody tr:visible').count();
  const before = await shown();
  await page.click('.gwide button:has-text("without failures")');
  assert.ok(await shown() > before);
  /* a window without failures has its edges too */
  await page.route('**/api/v1/graph?*', async r => { const answer = await r.fetch(), json = await answer.json(); for (const e of json.edges) e.mark = ''; return r.fulfill({ response: answer, json }); });
  await page.reload();
  await page.click('.gwide button:has-text("without failures")');
  assert.ok(await shown() > before);
  await page.unroute('**/api/v1/graph?*');
  await page.click('.gbar button:text("Graph")');
  await drawn(page);
  for (const path of ['/', '/graph', '/graph?view=graph', '/graph?overlay=diff', '/services', '/service/eu-1/shop/cart']) {
    await inWindows(page, f.base + at(...path.split('?')), [[320, 700], [390, 844], [768, 1024], [1181, 800], [1440, 900], [2560, 1440]], async size => {
      assert.ok(await sideways(page) <= 0, `${path} scrolls ${await sideways(page)} px sideways at ${size[0]}`);
      if (!path.startsWith('/graph')) return;
      const out = await page.locator('.gbar > *:visible').evaluateAll(all => all.filter(e => e.getBoundingClientRect().right > Math.max(innerWidth, 380)).map(e => e.textContent));
      assert.deepEqual(out, [], `the bar of ${path} leaves the screen at ${size[0]}`);
      if (path.includes('diff')) assert.ok(await page.locator('.gbar select').first().isVisible(), 'what it is held against can be chosen');
    });
  }
  /* a long name keeps to its place */
  const long = await page.context().newPage(), name = 'a-very-long-name-'.repeat(8);
  await long.route('**/api/v1/**', async r => { const answer = await r.fetch(); return r.fulfill({ response: answer, body: (await answer.text()).replaceAll('"cart"', `"${name}"`).replaceAll('"shop"', `"${name.replaceAll('-', '')}"`) }); });
  for (const width of [390, 1440]) {
    await long.setViewportSize({ width, height: 844 });
    await long.goto(f.base + at('/'));
    await long.waitForSelector('.fp-n .box');
    assert.ok(await long.locator('.fp-n .box').evaluateAll(all => all.every(b => b.scrollWidth <= b.clientWidth && b.getBoundingClientRect().right <= b.closest('.fpath').getBoundingClientRect().right + 1)), `the path at ${width}`);
    assert.ok(await sideways(long) <= 0, `a long name scrolls ${width} px sideways`);
    await long.goto(f.base + at('/graph'));
    await long.waitForSelector('.gside h1');
    assert.ok(await long.locator('.gside').evaluate(e => e.scrollWidth <= e.clientWidth), `the panel at ${width}`);
  }
  await long.close();
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of ['/', '/services', '/service/eu-1/shop/cart']) {
    await page.goto(f.base + at(path));
    const small = await page.locator('#main .btn:visible, .nav a').evaluateAll(all => all.filter(b => b.getBoundingClientRect().height < 34).map(b => b.textContent));
    assert.deepEqual(small, [], path);
  }
};

scenes.axe_finds_nothing = async open => {
  const page = await open(null);
  for (const path of ['/', '/graph', '/graph?view=table', '/graph?sel=shop/cart', '/graph?overlay=slow', '/graph?overlay=sec', '/graph?overlay=cross', '/graph?overlay=diff', '/services', '/service/eu-1/shop/cart', '/service/eu-1/shop/currency']) {
    await page.goto(f.base + at(...path.split('?')));
    await settled(page);
    await axeInThemes(page, path);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(f.base + at('/graph'));
  await axe(page, 'graph on a phone');
};

// What a view shows stands in its URL: a copy of the URL shows the same, Back and Forward work, defaults are left out.
scenes.urls_round_trip = async open => {
  const page = await open('/graph');
  await drawn(page);
  assert.equal(new URL(page.url()).search, '');
  const state = async p => ({ overlay: await one(p, '[aria-label=Overlay] [aria-pressed=true]'), view: await one(p, '[aria-label=View] [aria-pressed=true]'), head: await one(p, '.gside h1'), fold: await p.inputValue('[aria-label=Fold]'), versions: await p.inputValue('[aria-label=Versions]'),
    find: await p.inputValue('.gfind'), chips: await words(p, '.gbar .chip b'), nodes: await p.locator('.node').count(), dim: await p.locator('.node.dim').count() });
  const same = async () => {
    await settled(page);
    const copy = await open(new URL(page.url()).pathname + new URL(page.url()).search);
    assert.deepEqual(await state(copy), await state(page), page.url());
    await copy.context().close();
  };
  await page.locator('.node[data-id="eu-1/shop/payment"]').click();
  await page.waitForURL(/sel=shop%2Fpayment/);
  await same();
  await page.click('[aria-label=Overlay] :text("Latency")');
  await page.selectOption('[aria-label=Versions]', 'never');
  await same();
  await page.fill('.gfind', 'cart redis');
  await page.waitForURL(/find=cart/);
  await same();
  await page.fill('.gfind', '');
  await page.locator('.node[data-id="eu-1/shop/payment"]').dblclick();
  await page.waitForURL(/focus=shop%2Fpayment/);
  await page.selectOption('[aria-label=Steps]', '2');
  await page.waitForURL(/hops=2/);
  await same();
  await page.click('[aria-label="Show all again"]');
  await page.click('[aria-label=View] :text("Table")');
  await page.waitForURL(/view=table/);
  await same();
  const last = page.url();
  await page.goBack();
  await page.goBack();
  await page.waitForURL(/focus=/);
  await page.goForward();
  await page.goForward();
  await page.waitForURL(last);
  await page.goto(f.base + '/services?order=calls');
  await page.waitForSelector('.th[aria-pressed=true]:text("Calls/s")');
  /* dragging over three hours below the graph chooses a window */
  await page.goto(f.base + '/graph');
  await drawn(page);
  await page.waitForSelector('.gtime svg');
  const strip = await page.locator('.gtime .plot').boundingBox();
  await page.mouse.move(strip.x + strip.width * .75, strip.y + 30);
  await page.mouse.down();
  await page.mouse.move(strip.x + strip.width * .9, strip.y + 30, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/from=.*to=/);
  await drawn(page);
  await page.waitForSelector('.live:text("Paused")');
};

// New numbers come; nodes, selection, scroll and the row under the pointer stay.
scenes.live_does_not_move_what_one_reads = async open => {
  const page = await open('/graph?sel=shop/payment');
  await drawn(page);
  const before = await places(page), old = await label(page, 'eu-2/shop/search');
  const list = await open('/services');
  await list.waitForSelector('#main tbody tr');
  const names = () => list.locator('#main tbody tr td:first-child').allInnerTexts();
  await list.locator('#main tbody tr').nth(4).hover();
  const order = await names();
  for (const body of f.bodies) await fetch(f.otlp, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
  await fetch(f.base + '/-/flush', { method: 'POST' });
  await page.waitForFunction(old => document.querySelector('.node[data-id="eu-2/shop/search"] [role=button]').getAttribute('aria-label').replace(/[\u00a0\u202f\s]+/g, ' ') != old, old);
  assert.deepEqual(await places(page), before);
  assert.equal(await one(page, '.gside h1'), 'payment');
  const calls = n => n.filter(t => t.includes('search'));
  await list.waitForFunction(() => [...document.querySelectorAll('#main tbody tr')].some(r => r.cells[0].textContent.includes('search') && parseFloat(r.cells[2].textContent) > 1));
  assert.deepEqual(await names(), order, 'rows under the pointer stay');
  await list.mouse.move(5, 5);
  await list.waitForFunction(old => document.querySelectorAll('#main tbody tr')[old].cells[0].textContent.trim() != 'search', order.findIndex(t => t.includes('search')), { timeout: 12000 });
  assert.equal(calls(await names()).length, 1);
};

// What fails is said on one line; what is there stays; "Try again" asks again.
scenes.failures_and_emptiness_are_said = async open => {
  const page = await open(null, { allow: ['500', 'Failed to load'] });
  for (const [path, api, what] of [['/graph', 'graph', 'The graph'], ['/', 'now', 'The state'], ['/services', 'red', 'The list of services'], ['/service/eu-1/shop/cart', 'service/**', 'The service']]) {
    let broken = true;
    await page.route(`**/api/v1/${api}*`, r => broken ? r.fulfill({ status: 500, contentType: 'application/json', body: '{"error":{"code":"internal","message":"the disk is on fire"}}' }) : r.continue());
    await page.goto(f.base + at(path));
    await page.waitForSelector('[role=alert]');
    assert.match(await one(page, '[role=alert]'), new RegExp(`^${what} could not be read: the disk is on fire\\. Try again, or copy the request as curl$`));
    broken = false;
    await page.click('[role=alert] .lnk');
    await page.waitForSelector('[role=alert]', { state: 'detached' });
    await page.waitForSelector('#main h1, .node');
    await page.unroute(`**/api/v1/${api}*`);
  }
  const none = `from=${f.from - 90000}&to=${f.from - 88000}`;
  for (const path of ['/graph', '/', '/services']) {
    await page.goto(`${f.base}${path}?${none}`);
    await page.waitForSelector('.note');
    assert.match(await one(page, '.note'), /^No calls between .* The latest trace began .* Show the time around it$/, path);
    if (path == '/services') assert.equal(await page.title(), 'No calls · Services · faultline');
  }
  await page.click('.note .lnk');
  await page.waitForSelector('#main tbody tr');
  /* what is gone against another window stays where it would be, as a ghost */
  await page.goto(`${f.base}/graph?${none}&overlay=diff&base=${f.from}..${f.to}`);
  await drawn(page);
  assert.ok(await page.locator('.elab:text("− gone")').count() >= 5);
  assert.match(await label(page, 'eu-1/shop/cart'), /^cart, .*gone$/);
  assert.match(await one(page, '.gside h1'), /^\d+ changes$/);
  assert.match(await one(page, '.chg li'), /^gone .* → .* was [\d ]+ calls$/);
  await page.goto(f.base + at('/graph', 'sel=nobody'));
  await drawn(page);
  await page.goto(f.base + at('/service/-/-/nobody'));
  await page.waitForSelector('.note');
  assert.match(await one(page, '.note'), /^No calls of nobody in this window/);
};

scenes.first_start = async open => {
  const page = await open('/');
  await page.waitForSelector('.first');
  assert.match(await one(page, '.first'), /^No spans yet\./);
  await page.goto(f.base + '/graph');
  await page.waitForSelector('.first');
};

// Every page with names made to hurt: they stay text, and what they name can be selected and opened.
scenes.hostile_names_stay_text = async open => {
  const page = await open('/graph');
  await drawn(page);
  const ids = await page.locator('.node').evaluateAll(all => all.map(n => n.dataset.id));
  assert.equal(ids.length, f.nodes);
  for (const id of ids) {
    const node = page.locator('.node [role=button]').nth(ids.indexOf(id));
    await node.focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('.node.sel');
    const url = page.url(), head = await one(page, '.gside h1');
    if (ids.indexOf(id) % 3) continue;
    await page.goto(url);
    await drawn(page);
    await page.waitForSelector('.node.sel');
    assert.equal(await one(page, '.gside h1'), head, url);
    if (await page.locator('.gside h1 a').count()) {
      await page.click('.gside h1 a');
      await page.waitForSelector('.spark3');
      await page.goBack();
      await drawn(page);
    }
  }
  for (const path of ['/', '/services', '/graph?view=table', '/graph?find=%3Cscript%3E', '/graph?sel=%3Cimg%20src%3Dx%3E', '/graph?focus=%3Cb%3E&hops=2', '/service/-/-/%3Cscript%3E', '/service/a/b/%2F%2F%3E']) {
    await page.goto(f.base + path);
    assert.equal(await page.evaluate(() => window.ran), undefined);
    assert.equal(await page.locator('#main script, #main img, #main iframe').count(), 0);
  }
};

scenes.captured_data_opens = async open => {
  const page = await open(at('/graph', 'view=table'));
  await page.waitForSelector('.gwide tbody tr');
  assert.equal(await page.locator('.gwide tbody tr.go').count(), f.edges);
  await page.goto(f.base + at('/graph'));
  await drawn(page);
  assert.equal(await page.locator('.node').count(), f.nodes);
  await page.goto(f.base + at('/'));
  await page.waitForSelector('.answer h1');
  assert.match(await one(page, '.answer .sub'), /requests per second/);
  for (const [cluster, namespace, service] of f.services) {
    await page.goto(f.base + at('/service/' + [cluster || '-', namespace || '-', service].map(encodeURIComponent).join('/')));
    await page.waitForSelector('.spark3');
    assert.equal(await one(page, '.answer h1'), service);
  }
};

// Three hundred services: quiet namespaces are folded, open on request; a find box for all; the way of the failure never folds.
scenes.three_hundred_services = async open => {
  const page = await open(at('/graph'));
  await drawn(page);
  assert.ok(await page.locator('.node').count() < 60, `${await page.locator('.node').count()} nodes`);
  assert.match(await one(page, '.gbar .el'), /^300 services, \d+ quiet namespaces folded$/);
  assert.ok(await page.locator('.node.pass').count() >= 2);
  /* calm: quiet edges are one shade, long ways to one node run together, what is no namespace is no pile; and the columns fill the height */
  assert.ok(await page.locator('.calm .edge').count() > 40 && await page.locator('.calm .edge[style]').count() == 0);
  const lines = await page.$$eval('.calm .base', all => new Set(all.flatMap(p => p.getAttribute('d').match(/L[\d. ]+/g) || [])).size);
  assert.ok(lines <= 20, `${lines} straight pieces of long ways`);
  assert.equal(await page.locator('.node.fold').filter({ hasText: /stores|externals/ }).count(), 0);
  const rows = await page.$$eval('.node', all => all.map(n => n.getBoundingClientRect()).map(r => [r.top, r.bottom]));
  assert.ok(Math.max(...rows.map(r => r[1])) - Math.min(...rows.map(r => r[0])) > 300);
  const fold = page.locator('.node.fold').first(), before = await page.locator('.node').count();
  await fold.dblclick();
  await page.waitForURL(/unfold=/);
  await page.waitForFunction(n => document.querySelectorAll('.node').length > n, before);
  await page.goto(f.base + at('/graph', 'fold=nothing'));
  await drawn(page);
  assert.equal(await page.locator('.node').count(), 150);
  assert.match(await one(page, '.gbar .el'), /^150 of 300 shown$/);
  await page.goto(f.base + at('/graph', 'view=table&find=svc-100'));
  await page.waitForSelector('.gwide tbody tr.go');
  assert.ok((await words(page, '.gwide tbody tr.go td:first-child')).every(t => t.includes('svc-100')));
  /* for the record: first paint, and the graph drawn, of the folded picture */
  const times = [];
  for (let i = 0; i < 3; i++) {
    const fresh = await open(null);
    await fresh.addInitScript(() => { const look = () => { if (document.querySelector('.gcanvas .node')) setTimeout(() => window.drawnAt ??= performance.now()); else requestAnimationFrame(look); }; requestAnimationFrame(look); });
    await fresh.goto(f.base + at('/graph'));
    await fresh.waitForFunction(() => window.drawnAt);
    times.push(await fresh.evaluate(() => [performance.getEntriesByName('first-contentful-paint')[0].startTime, window.drawnAt].map(Math.round)));
    await fresh.context().close();
  }
  say(`first paint and graph drawn, ms: ${times.map(t => t.join(' and ')).join('; ')}`);
};

scenes.too_many_edges_are_a_table = async open => {
  const page = await open(at('/graph', 'fold=nothing&all=1'));
  await page.waitForSelector('.gwide tbody tr.go');
  assert.equal(await page.locator('.gcanvas').count(), 0);
  assert.match(await one(page, '.gwide .note'), /^2 200 edges are too many for a picture/);
  assert.equal(await page.locator('.gwide tbody tr.go').count(), 2200);
  await page.fill('.gfind', 'cart redis');
  await page.waitForFunction(() => document.querySelectorAll('.gwide tbody tr.go').length == 1);
  await page.click('.gbar .menu button');
  await page.click('[role=menuitem]:text("CSV")');
  await page.waitForSelector('.said:has-text("CSV copied")');
  const csv = (await page.evaluate(() => navigator.clipboard.readText())).split('\n');
  assert.equal(csv.length, 2202);
  assert.match(csv[1], /^eu-1\/shop\/cart,\/\/redis#cache,,3700\.000,[\d.]+,0\.000,/);
};
