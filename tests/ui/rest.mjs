// rest.mjs: what Now with an incident, Network, SQL and Status must do, in a real browser (scenes.mjs).
import { readFileSync } from 'node:fs';
import { assert, axe, axeInThemes, digits, facts as f, inWindows, one, settled, sideways, words } from './browser.mjs';

export const scenes = {};
const plain = t => t.replace(/[\u00a0\u202f\s]+/g, ' ').trim();
const cells = async (page, selector) => (await page.locator(selector).evaluateAll(rows => rows.map(r => [...r.cells].map(c => c.textContent)))).map(r => r.map(plain));
const range = f.from ? `from=${f.from}&to=${f.to}` : '';
const at = (path, query = '') => path + (query || range ? '?' : '') + [query, range].filter(Boolean).join('&');
const told = page => page.waitForSelector('.sus');

// Headline, suspects, evidence and examples are those of the file.
scenes.incident_is_told = async open => {
  const page = await open('/');
  await told(page);
  await settled(page);
  assert.match(await one(page, '.kick .tag'), new RegExp(`^Incident ${f.id}, open$`));
  const h1 = await one(page, 'h1');
  assert.ok(h1.includes(`began in ${f.suspects[0][0]}`), h1);
  /* of all requests as the way begins, where several entries fail; else of the one, as among the entries */
  const bad = (await cells(page, '[aria-labelledby=en] tbody tr:has(.fault)')).map(r => `${r[2]} of ${r[0]}`),
    who = bad.length > 1 ? (await one(page, '.fp-n .cap')).replace('requests', 'user requests').replace(/ fail$/, '') : bad[0];
  assert.ok(h1.startsWith(`${who} fail. It `), h1);
  assert.ok((await one(page, '.sub')).includes(`${f.affected} so far`), await one(page, '.sub'));
  const shown = await page.locator('.sus').evaluateAll(all => all.map(s => s.querySelector('.who').textContent));
  assert.deepEqual(shown, f.suspects.slice(0, 5).map(s => s[0]));
  assert.deepEqual(await page.locator('.sus').evaluateAll(all => all.map(d => d.open)), shown.map((_, i) => i == 0));
  const lines = await words(page, '#suspect-1 .ev li');
  for (const text of f.evidence) assert.ok(lines.some(l => l.includes(plain(text))), `${text} not in ${lines.join(' | ')}`);
  assert.deepEqual(await words(page, '[aria-labelledby=ex] tbody code'), f.examples);
  assert.equal(await page.locator('[aria-labelledby=ex] .mk-b').count(), f.examples.length - 1);
  assert.deepEqual(await words(page, '[aria-labelledby=ex] tbody td:nth-child(2) .m2'), f.codes);
  /* what began is among the changes, once */
  const began = (await words(page, '.chg li')).filter(words => / begins?\b/.test(words));
  assert.ok(began.length == 1 && /change point; noticed after \d/.test(began[0]), began.join(' | '));
  /* the way of the failure goes from the users to where it began */
  const way = await words(page, '.fpath .box');
  assert.equal(way[0], 'users');
  assert.ok((await one(page, '.fp-n.began .box')).startsWith(f.suspects[0][0]), way);
  /* on a phone with what was answered there */
  const wide = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 844 });
  assert.match(f.began, /^\d{3}/);
  assert.ok((await one(page, '.fp-e.solid .lab')).endsWith(`/s began here, ${f.began}`), await one(page, '.fp-e.solid .lab'));
  await page.setViewportSize(wide);
  assert.ok(await page.locator('[aria-labelledby=ch] .onset').count() >= 1);
  /* the title is the heading's, and the search offers the incident */
  assert.equal(plain(await page.title()), `${(await one(page, 'h1')).split('. It ')[0]} · incident ${f.id} · faultline`);
  await page.fill('#find', `incident ${f.id}`);
  await page.waitForSelector(`#found li:first-child .xs:text-is("incident ${f.id}")`);
  await page.press('#find', 'Enter');
  await page.waitForURL(new RegExp(`/incident/${f.id}\\b`));
  await page.goBack();
  await told(page);
  assert.equal(await page.locator('.acts a:text("Export")').getAttribute('href'), `/api/v1/export?incident=${f.id}`);
  assert.match((await (await fetch(`${f.base}/api/v1/export?incident=${f.id}`)).text()).slice(0, 15), /^SQLite format 3$/);
  /* its own page is frozen to its window, says the same, and Back undoes it */
  await page.goto(`${f.base}/incident/${f.id}`);
  await told(page);
  await page.waitForURL(/\/incident\/1\?from=\d{4}-/);
  assert.equal(plain(await page.locator('.kick .tag').innerText()), `Incident ${f.id}, open`);
  const opened = page.url();
  await page.click('.acts .pri');
  await page.waitForURL('**/trace/' + f.examples[0] + '**');
  await page.goBack();
  await told(page);
  assert.equal(page.url(), opened);
  /* the page of who is suspected tells the reason as the incident has it, whole */
  const { suspects: [{ reason, node }] } = await (await fetch(`${f.base}/api/v1/incidents/${f.id}`)).json();
  await page.goto(`${f.base}/service/${node.cluster || '-'}/${node.namespace || '-'}/${node.service}`);
  await page.waitForSelector('.answer .sub a:text("Incident")');
  assert.ok((await one(page, '.answer .sub')).endsWith(`: ${plain(reason)}. Incident ${f.id}`), await one(page, '.answer .sub'));
  const told_ = await one(page, '.answer .sub'), onset = (await (await fetch(`${f.base}/api/v1/incidents/${f.id}`)).json()).onset.slice(11, 19);
  assert.ok(told_.includes(` fail since ${onset}. `) || !told_.includes(' since '), `${told_}, not since ${onset}`);
  await page.goto(f.base + '/traces');
  await page.click('.rng');
  await page.click(`.presets .btn:text("incident ${f.id}")`);
  await page.waitForURL(/\/traces\?from=\d{4}-[^&]*$/);
  await page.goto(f.base + '/incident/99');
  await page.waitForSelector('.big');
  assert.equal(await one(page, 'h1'), 'There is no incident 99.');
  assert.equal(await page.title(), 'incident 99 · faultline'); /* not what the present is like */
};

// Several that are open: the worst whole, a headline each for two more, the rest in one line.
scenes.several_incidents = async open => {
  const page = await open(null), list = await (await fetch(f.base + '/api/v1/incidents?state=open')).json(), one1 = list.items[0];
  const items = [one1, ...[2, 3, 4, 5].map(n => ({ ...one1, id: String(n), affected_calls: 10 - n, summary: `<b>Summary</b> ${n}` }))];
  await page.route(/incidents\?(state=open|limit)/, r => r.fulfill({ status: 200, contentType: 'application/json', body: JSON.stringify({ items: [...items].reverse(), next: null }) }));
  await page.goto(f.base + '/');
  await told(page);
  assert.match(await one(page, '.kick .tag'), /^Incident 1, open$/);
  assert.deepEqual(await words(page, '.also li'), ['incident 2 <b>Summary</b> 2', 'incident 3 <b>Summary</b> 3', 'and 4 5']);
  assert.equal(await one(page, '.nav .n'), '5');
  await axe(page, 'several');
  /* what a suspect is narrowed to has a subject; a row without enough data says how much is missing */
  await page.route('**/incidents/1', async r => {
    const answer = await r.fetch(), json = await answer.json(), [s] = json.suspects;
    s.narrowed = [{ dimension: 'version', name: 'version', value: 'v2', share: .999, effect: 0 }];
    json.suspects = [s, { ...s, rank: 2, significant: false, evidence: [{ ...s.evidence[0], deviation: 1.5 }] }];
    return r.fulfill({ response: answer, json });
  });
  await page.reload();
  await told(page);
  assert.ok((await words(page, '#suspect-1 .ev li')).some(l => l.includes('99.9 % of its failures: version v2.')));
  assert.equal(await one(page, '#suspect-2 .sw8'), 'needs 4.0 times the calls');
  const bare = await open('/', { js: false });
  assert.match(await one(bare, 'p.bad'), new RegExp(`^Incident 1, open since [\\d:]+ UTC: .* of ${f.operation} fail\\. It `));
};

// When it is over, Now is calm again, lists it, and its page is told in the past.
scenes.incident_is_over = async open => {
  const page = await open('/?from=-1h');
  await page.waitForSelector('[aria-labelledby=ol] a');
  assert.equal(await page.locator('.sus .sure').count(), 0);
  assert.equal(await one(page, '.kick .tag'), 'Normal');
  assert.match(await one(page, 'h1'), /^All normal again since \d\d:\d\d\.$/);
  assert.match(await one(page, '.answer .sub'), /^Incident 1 lasted .+ and affected [\d ]+ requests?\. It (probably )?began in /);
  assert.match((await words(page, '.chg li'))[0], /Incident 1 is over/);
  assert.match(await page.title(), /^All normal/);
  await page.goto(f.base + '/sql?from=-1h');
  await page.waitForSelector('.chart .onset text:text("incident 1 began")');
  await page.goBack();
  await page.click('[aria-labelledby=ol] a');
  await told(page);
  await page.waitForURL(/\/incident\/1\?from=.*&to=/);
  assert.match(await one(page, '.kick .tag'), /^Incident 1, closed$/);
  assert.match(await one(page, 'h1'), / failed\. It (probably )?began in /);
  assert.equal(await one(page, '.time .live'), 'Paused');
  /* a paused window of Now in which it was open shows it too */
  await page.goto(f.base + '/' + new URL(page.url()).search);
  await told(page);
  assert.match(await one(page, '.kick .tag'), /^Incident 1, closed$/);
  /* so does the service in which it began, and says why */
  const search = new URL(page.url()).search, { onset } = (await (await fetch(f.base + '/api/v1/incidents?state=all')).json()).items[0];
  await page.goto(f.base + '/service/-/-/cart' + search);
  await page.waitForSelector('.answer .sub a:text-is("Incident 1")');
  assert.match(await one(page, '.answer .sub'), /^[\d.]+\s% of calls fail.*: [a-z].*\. Incident 1$/);
  /* of five seconds the one minute can be seen, and times stand beside each other */
  const t = Date.parse(onset) - 12e4; /* a minute that is whole */
  await page.goto(`${f.base}/service/-/-/cart?from=${t / 1000}&to=${t / 1000 + 5}`);
  await page.waitForSelector('.spark3 .cl', { state: 'attached' });
  const widths = await page.locator('.spark3 .cl').evaluateAll(all => all.map(p => p.getBBox().width));
  assert.ok(Math.max(...widths) > 5.9, JSON.stringify(widths));
  const ends = await page.locator('.spark3 .plot').first().locator('.ax').evaluateAll(all => all.map(e => e.getBoundingClientRect()).filter((b, i, l) => b.top == l.at(-1).top).map(b => [b.left, b.right]));
  assert.ok(ends.length >= 2 && ends.every((b, i) => !i || b[0] >= ends[i - 1][1] + 4), JSON.stringify(ends));
};

scenes.slowness_is_told = async open => {
  const page = await open('/');
  await told(page);
  await settled(page);
  assert.match(await one(page, 'h1'), new RegExp(`^${f.operation} takes \\d.* instead of \\d.* at p95\\. It (probably )?began in cart`));
  await page.waitForSelector('.fpath.late .began');
  assert.match(await one(page, '.fpath.late .began'), /cart/);
  assert.equal(await page.locator('.fpath .mk-b, .sus .mk-b').count(), 0);
  await axe(page, 'slow incident');
  /* without failures the graph's overlay of latency shows an edge that is slow, with its numbers */
  const { onset } = (await (await fetch(f.base + '/api/v1/incidents?state=open')).json()).items[0], start = Math.floor(Date.parse(onset) / 6e4) * 60;
  const time = s => new Date(s * 1000).toISOString();
  await page.goto(f.base + '/graph?' + new URLSearchParams({ overlay: 'slow', from: time(start), to: time(start + 600), base: `${time(start - 600)}..${time(start)}` }));
  await page.waitForSelector('.gside h1:has-text("→")');
  assert.match(await one(page, '.gside .kv'), /^Latency p50 .+, p95 .+, p99 /);
};

// Clear text, hairpins and crossings are those of the file; a cell of the matrix lists its edges.
scenes.network_shows_what_sql_says = async open => {
  const page = await open(at('/network'));
  await page.waitForSelector('#cl');
  assert.match(await one(page, 'h1'), /^3 edges send clear text, 2 of them without leave; a goes out by edge to come back in: \+/);
  const clear = await cells(page, '[aria-labelledby=cl] tbody tr');
  assert.ok(clear.every(r => r[4] == 'unknown'), 'nothing is known of the time before'); assert.deepEqual(clear.map(r => [r[0], r[2], r[5]]), f.clear.map(([a, b, share, bad]) => [`${a} → ${b}`, share, bad ? 'not allowed' : 'allowed']));
  const pins = await cells(page, '[aria-labelledby=hp] tbody tr');
  assert.deepEqual(pins.map(r => [r[0], r[1], r[4]]), f.pins.map(([a, g, b, added]) => [`${a} → ${b}`, g, '+' + added]));
  for (const by of ['cluster', 'zone', 'namespace']) {
    await page.click(`[aria-label=Between] button:text("${by}s")`);
    await page.waitForSelector(`[aria-label=Between] [aria-pressed=true]:text("${by}s")`);
    assert.equal(new URL(page.url()).searchParams.get('by'), by == 'namespace' ? null : by);
  }
  const node = service => ({ cluster: 'c', namespace: 'n', service, version: '', role: 'workload' }), zone = (from_zone, to_zone, calls, errors = 0) => ({ caller: node('a'), callee: node('b'), from_zone, to_zone, calls, errors, share: .1, added_ns: 2e6 });
  const zones = await page.context().newPage();
  await zones.route('**/api/v1/zones?*', r => r.fulfill({ status: 200, contentType: 'application/json', body: JSON.stringify({ items: [zone('east', 'east', 300), zone('east', '<b>west', 60, 30)], next: null }) }));
  await zones.goto(f.base + at('/network', 'by=zone'));
  await zones.waitForSelector('.matrix td .fault');
  assert.deepEqual(await cells(zones, '.matrix tr'), [['calls ↓ →', '<b>west', 'east'], ['east', 'east to <b>west: 1.0/s50 % failed', 'east to east: 5.0/s+2.0 ms']]);
  assert.deepEqual((await cells(zones, '[aria-labelledby=cr] .scrollx:not(:has(.matrix)) tbody tr')).map(r => r[1]), ['east → <b>west']);
  const right = selector => zones.locator(selector).first().evaluate(e => { const r = document.createRange(); r.selectNodeContents(e); return r.getBoundingClientRect().right; });
  assert.ok(Math.abs(await right('.matrix th.r') - await right('.matrix td small')) < 1.5, 'a number stands under its head');
  await zones.setViewportSize({ width: 390, height: 844 });
  assert.match(await one(zones, '[aria-labelledby=cr] .scrollx:not(:has(.matrix)) tbody td'), /^a → b east → <b>west$/);
  await zones.close();
  const cell = page.locator('.matrix td button').first(), said = plain(await cell.textContent()), [, from, to] = /^(.*) to (.*): /.exec(said);
  await cell.click();
  await page.waitForURL(/cell=/);
  assert.ok((await one(page, 'h3')).startsWith(`${from} → ${to}`));
  const other = await open(new URL(page.url()).pathname + new URL(page.url()).search);
  assert.equal((await words(other, 'main')).join('\n'), (await words(page, 'main')).join('\n'));
  await page.click('[aria-labelledby=cl] tbody a');
  await page.waitForURL(/\/graph\?.*overlay=sec/);
  await page.waitForSelector('.gside h1');
  assert.match(await one(page, '.gside h1'), new RegExp(`${f.clear[0][0]} → ${f.clear[0][1]}`));
};

const typed = async (page, text) => { await page.fill('.edt textarea', text); };
const result = async page => { await page.waitForSelector('.tdata tbody tr'); await settled(page); return cells(page, '.tdata tbody tr'); };

scenes.sql_answers = async open => {
  const page = await open('/sql', { allow: ['400', '403'] });
  await page.waitForSelector('#rs');
  await typed(page, f.sql);
  await page.locator('.edt textarea').press('Control+Enter');
  await page.waitForURL(/\?q=/);
  await page.waitForFunction(n => document.querySelector('#rs')?.textContent.replace(/\D/g, '') == n, String(f.rows.length));
  assert.deepEqual(await result(page), f.rows.map(r => r.map(plain)));
  assert.equal(new URL(page.url()).searchParams.get('q'), f.sql);
  assert.equal(await page.locator('.tdata a[href^="/trace/"]').count(), f.rows.length);
  /* the link shows the same elsewhere; CSV holds the same */
  const other = await open(new URL(page.url()).pathname + new URL(page.url()).search);
  assert.deepEqual(await result(other), f.rows.map(r => r.map(plain)));
  const [csv] = await Promise.all([page.waitForEvent('download'), page.click('.btn:text("CSV")')]);
  const text = readFileSync(await csv.path(), 'utf8').split('\r\n');
  assert.equal(text.length, f.rows.length + 2);
  assert.equal(text[0], f.columns.join(','));
  /* :from and :to are the window's */
  await page.goto(f.base + '/sql?' + new URLSearchParams({ q: 'SELECT :from AS a, :to AS b', from: f.from, to: f.to }));
  assert.deepEqual(await result(page), [[`${f.from}000000000`, `${f.to}000000000`]]);
  const shown = await one(page, '.edrun .s.m2');
  assert.match(shown, /^:from (\d+ \w+ )?\d\d:\d\d(:\d\d)?, :to (\d+ \w+ )?\d\d:\d\d(:\d\d)? follow/);
  assert.equal(shown.split(/\d+ [A-Z]/).length % 2, 1, shown); /* both with their day, or neither */
  assert.deepEqual((await words(page, 'section.vlist > div')).slice(0, 3), ['span', 'trace', 'edge_minute']);
  assert.ok((await words(page, 'section.vlist > div')).includes('incident'));
  /* an error names the line and the name that is near */
  await typed(page, 'SELECT trace_id,\n  service_cont\nFROM trace');
  await page.click('.edrun .pri');
  await page.waitForSelector('[role=alert]');
  assert.match(await one(page, '[role=alert]'), /^Not understood line 2: no such column: service_cont\. Is it service_count\?/);
  assert.equal(await one(page, '.ed li.fault'), '2');
  await typed(page, 'DELETE FROM trace_row');
  await page.click('.edrun .pri');
  await page.waitForSelector('[role=alert]:has-text("Refused")');
  /* examples run, each of them; a chart where there are times */
  for (const words of await page.locator('nav.vlist button').allInnerTexts()) {
    await page.click(`nav.vlist button:text-is("${words}")`);
    await page.waitForSelector(`nav.vlist [aria-current]:text-is("${words}")`);
    await settled(page);
    assert.equal(await page.locator('[role=alert]').count(), 0, words);
    assert.equal(await page.locator('#rs').count(), 1, words);
  }
  await page.click('nav.vlist button >> nth=1');
  await page.waitForSelector('.drawn');
  assert.ok(await page.locator('.plot .cl').count() >= 1);
  /* minutes read as minutes, shares with their unit and as many digits each; the view that is asked stands open, cut where it is long */
  const first = await cells(page, '.tdata tbody tr'), decimals = new Set(first.map(r => r.at(-1).split('.')[1]?.length));
  assert.ok(first.every(r => /^\d{4}-\d\d-\d\d \d\d:\d\d$/.test(r[0])) && decimals.size == 1, JSON.stringify(first[0]));
  assert.ok((await page.locator('.plot .ax[text-anchor=end]').allTextContents()).filter(t => /^[\d.]+\s%$/.test(t)).length >= 2);
  assert.equal(await one(page, '.vlist [aria-expanded=true]'), 'edge_minute');
  /* columns have types; what the rows stand in order by has an arrow, and a press on a head sorts */
  await page.waitForSelector('.col:has-text("caller_service") em:text-is("text")');
  assert.equal(await page.locator('.col:has-text("minute_ns") em').innerText(), 'integer');
  const sorted = () => page.locator('.data th[aria-sort]').evaluateAll(all => all.map(h => [h.innerText.trim(), h.ariaSort]).join());
  assert.equal(await sorted(), 'minute ↓,descending');
  await page.click('.data th:has-text("calls") button');
  await page.waitForURL(/sort=-calls/);
  assert.equal(await sorted(), 'calls ↓,descending');
  const calls = (await cells(page, '.tdata tbody tr')).map(r => digits(r[2]));
  assert.deepEqual(calls, [...calls].sort((a, b) => b - a));
  assert.match(await one(page, '.edrun'), /read-only, 2\ss and [\d\s]+ rows at most$/);
  await page.click('.cols [aria-expanded=false]');
  assert.ok(await page.locator('.cols .col').count() > 20);
  const ninth = await page.locator('section.vlist > div').count();
  await page.goto(f.base + '/sql?q=' + encodeURIComponent('SELECT count(*) FROM metric_point'));
  await page.waitForSelector('.vlist [aria-expanded=true] b:text-is("metric_point")'); /* also one that stands further down */
  assert.equal(await page.locator('section.vlist > div').count(), ninth + 1);
  await page.goBack();
  await page.waitForSelector('.drawn');
  await page.click('.edrun .btn:text("Plan")');
  await page.waitForSelector('.plan li');
  assert.match(page.url(), /plan=1/);
  /* views and their columns come from the file and go into the text */
  await page.click('.vlist button:text("trace") >> nth=0');
  await page.waitForSelector('.cols .col:has-text("entry_operation")');
  await typed(page, 'SELECT ');
  await page.click('.cols .col:has-text("entry_operation")');
  assert.equal(await page.inputValue('.edt textarea'), 'SELECT entry_operation');
};

// Too long, too much, cut: each is said with what to do; a hostile cell and name stay text.
scenes.sql_limits_are_said = async open => {
  const page = await open(null, { allow: ['408', '413'] }), ask = async q => { await page.goto(f.base + '/sql?' + new URLSearchParams({ q })); await page.waitForSelector('[role=alert], #rs'); };
  await ask('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n');
  assert.match(await one(page, '[role=alert]'), /^It took too long .*web\.sql_timeout/);
  await ask('SELECT zeroblob(1000000000)');
  assert.match(await one(page, '[role=alert]'), /^Too much /);
  await ask('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 5000');
  assert.match(await one(page, '[aria-labelledby=rs] header'), /^1 500 rows .*cut: there are more/);
  assert.match(await one(page, '.below'), /^1 000 of 1 500 rows are drawn/);
  await page.click('.below .lnk');
  await page.waitForFunction(() => document.querySelectorAll('.tdata tbody tr').length == 1500);
  await ask('SELECT 1 AS a WHERE 0');
  assert.match(await one(page, 'main'), /No row fits\. 1 columns?: a/);
};

// No pointer: names are offered, Tab takes and indents, Escape and Tab leaves; on to the other pages.
scenes.keyboard_only = async open => {
  const page = await open('/status'), press = async (...keys) => { for (const k of keys) await page.keyboard.press(k); };
  await page.waitForSelector('#li');
  await press('g', 'q');
  await page.waitForURL('**/sql');
  await page.waitForSelector('#rs');
  for (let i = 0; i < 60 && await page.evaluate(() => document.activeElement.tagName) != 'TEXTAREA'; i++) await press('Tab');
  await press('Control+a');
  await page.keyboard.type('SELECT entry_opera');
  await page.waitForSelector('.offered .lnk');
  await press('Tab');
  assert.equal(await page.inputValue('.edt textarea'), 'SELECT entry_operation');
  await page.keyboard.type(' FROM trace');
  await press('Control+Enter');
  await page.waitForURL(/q=SELECT/);
  await press('End', 'Tab');
  assert.ok((await page.inputValue('.edt textarea')).endsWith('  '));
  await press('Escape', 'Tab');
  assert.notEqual(await page.evaluate(() => document.activeElement.tagName), 'TEXTAREA');
  const reached = new Set();
  for (let i = 0; i < 25; i++) {
    await press('Tab');
    const [what, ring] = await page.evaluate(() => { const e = document.activeElement; return [e.textContent.trim().slice(0, 12) || e.getAttribute('aria-label'), getComputedStyle(e).outlineStyle != 'none' || e == document.body]; });
    reached.add(what);
    assert.ok(ring, `no ring on ${what}`);
  }
  assert.ok(reached.has('CSV') && reached.has('Link'), [...reached].join());
  await page.evaluate(() => document.activeElement.blur());
  await press('g', 'w');
  await page.waitForURL('**/network');
  await page.waitForSelector('.matrix');
  for (let i = 0; i < 60 && !await page.evaluate(() => document.activeElement.closest('.matrix')); i++) await press('Tab');
  await press('Enter');
  await page.waitForURL(/cell=/);
  await page.evaluate(() => document.activeElement.blur());
  await press('j', 'j', 'k', 'ArrowDown', 'ArrowUp');
  const row = await page.evaluate(() => [document.activeElement.className, document.activeElement.textContent]);
  assert.equal(row[0], 'q brk');
  const [tab] = await Promise.all([page.context().waitForEvent('page'), press('o')]);
  assert.ok(tab.url() == 'about:blank' || tab.url().includes('/graph'), tab.url());
  await tab.close();
  await press('?');
  await page.waitForSelector('dialog[open]');
  await page.click('dialog a:text("Status")');
  await page.waitForURL('**/status**');
  await page.waitForSelector('#li');
  await press('g', 'n');
  await told(page);
  for (let i = 0; i < 60 && await page.evaluate(() => document.activeElement.closest('summary')?.parentNode.id) != 'suspect-1'; i++) await press('Tab');
  await press('Enter');
  await page.waitForSelector('#suspect-1:not([open])');
  await press('Enter');
  await page.waitForSelector('#suspect-1[open]');
};

// The hops inside a call, of the application's span and of the sidecar's: those of the API, in order.
scenes.hops_of_a_call = async open => {
  const page = await open(`/trace/${f.id}?span=${f.app}`);
  await page.waitForSelector('.hops');
  for (const path of [`span=${f.app}`, `span=${f.app}&hops=1`, `span=${f.sidecar}&hops=1`]) {
    await page.goto(`${f.base}/trace/${f.id}?${path}`);
    await page.waitForSelector('.hoplist');
    assert.match(await one(page, 'section:has(> .hops) h2'), /^Hops of a → b$/);
    assert.equal(await page.locator('.hoplist i').count(), f.hops.length, path);
    const list = await words(page, '.hoplist .r:not(.m3)');
    assert.deepEqual(list, f.hops.map(h => h[1]));
    assert.equal(parseFloat(await one(page, 'section:has(> .hops) header .m3')), f.total); /* the parts add up to it */
    assert.deepEqual((await words(page, '.hoplist .el')).map(w => w.replace(/ and below$/, '')), f.hops.map(h => h[0]));
  }
};

// Two versions: the collector's own verdict, also where it holds hostile names and no intervals; one operation from near; instances against each other.
scenes.service_compares = async open => {
  const cart = at('/service/eu-1/shop/cart'), page = await open(cart, { allow: ['500', 'Failed to load'] });
  await page.waitForSelector('#vs');
  await settled(page);
  assert.equal(await one(page, '[aria-labelledby=vs] .verdict'), 'Worse');
  const checks = await cells(page, '[aria-labelledby=vs] tbody tr'), numbers = r => r.slice(1, 4).map(t => parseFloat(t.replace('−', '-')));
  /* failures by where they began, first of all: both together are those of the comparison */
  assert.deepEqual(checks.slice(0, 2).map(r => r[0]), ['Failures that began here', 'Failures passed on']);
  assert.ok(checks[0].at(-1) == 'worse' && checks[1].at(-1) != 'worse', JSON.stringify(checks));
  const { parts, minutes, checks: all } = (await page.evaluate(path => fetch('/api/v1' + path).then(r => r.json()), cart)).compare, errors = all.find(x => x.metric == 'errors');
  assert.ok(Math.abs(parts[0].effect + parts[1].effect - errors.effect) < 1e-9 && all.every(x => x.metric != 'began'), JSON.stringify(parts));
  /* both sides of each are there, and differ by what stands beside them */
  for (const r of checks.filter(r => r[3].endsWith(' points'))) {
    const [was, is, by] = numbers(r);
    assert.ok(Math.abs(is - was - by) <= 1.1, r.join(' | '));
  }
  await page.route('**/api/v1/service/**', async r => {
    const answer = await r.fetch(), json = await answer.json();
    json.compare.verdict = 'not_enough_data';
    json.compare.parts = [];
    json.compare.checks = [{ metric: 'downstream_errors', peer: { cluster: '', namespace: '', service: '<b>redis</b>', version: '', role: 'cache' }, test: 'two_proportions', effect: null, interval: null, unit: 'ratio', margin: .005, verdict: 'not_enough_data', need: 260 }];
    return r.fulfill({ response: answer, json });
  });
  await page.goto(f.base + cart);
  await page.waitForSelector('[aria-labelledby=vs] .verdict:has-text("Not enough data")');
  assert.deepEqual(await cells(page, '[aria-labelledby=vs] tbody tr'), [['Failed calls to <b>redis</b>', 'unknown', 'unknown', '–', '', 'about 260 more calls needed', 'not enough data']]);
  await page.unroute('**/api/v1/service/**');
  await page.goto(f.base + cart);
  await page.waitForSelector('[aria-labelledby=vs] .verdict:has-text("Worse")');
  await axe(page, 'judged versions');
  assert.match(await one(page, '[aria-labelledby=vs] header'), new RegExp(`same callers, same ${minutes} min: [\\d ]+ calls of v2, [\\d ]+ of v1`));
  assert.ok((await words(page, '[aria-labelledby=vs] thead th')).includes('better ← → worse'));
  /* instances: the worst first, what is normal in one row; their rates are the service's */
  const instances = await cells(page, '[aria-label="Instances"] tbody tr, section:has(> header > h2:text("Instances")) tbody tr');
  assert.ok(instances.length > 1 && instances.every(r => r.length == 5), JSON.stringify(instances));
  assert.match(instances.at(-1)[0], /^\d+ more, (all v1, )?normal$/);
  const per = instances.reduce((n, r) => n + parseFloat(r[2]), 0), whole = parseFloat(await one(page, '.kpi .big'));
  assert.ok(Math.abs(per - whole) < .05 * whole, `${per} of ${whole}`);
  /* one operation: its sums are the file's */
  await page.click(`td a:text-is("${f.op[0]}")`);
  await page.waitForURL(/op=/);
  await page.waitForSelector('#op');
  await settled(page);
  assert.equal(await one(page, '#op'), f.op[0]);
  const versions = await cells(page, '[aria-labelledby=op] tbody tr');
  assert.deepEqual(versions.map(r => [r[0], digits(r[1]), r[2]]), f.op_versions);
  const other = await open(new URL(page.url()).pathname + new URL(page.url()).search);
  assert.equal(await one(other, '#op'), f.op[0]);
  await page.click('[aria-labelledby=op] .lnk');
  await page.waitForSelector('#op', { state: 'detached' });
};

const PAGES = ['/', '/incident/1', '/network', '/network?by=cluster', '/sql', '/sql?q=SELECT+1+AS+a', '/sql?q=nonsense', '/status'];
const ready = page => page.waitForSelector('#su, #cr, #rs, #li, [role=alert]');

scenes.on_a_phone = async open => {
  const page = await open(null, { allow: ['400'] });
  for (const path of PAGES) {
    await inWindows(page, f.base + path, [[320, 640], [375, 812], [740, 900], [900, 900], [1181, 800], [2560, 1440]], async size => {
      await ready(page);
      assert.ok(await sideways(page) <= 0, `${path} scrolls sideways by ${await sideways(page)} at ${size}`);
      assert.ok(await page.locator('.rng').evaluate(b => b.scrollWidth <= b.clientWidth) || range || size[0] < 375, `the range is cut on ${path} at ${size}`);
      for (const link of size[0] > 720 ? [] : await page.locator('.nav a').all()) { const b = await link.boundingBox(); assert.ok(b.width >= 44 && b.height >= 44, JSON.stringify(b)); }
    });
  }
};

scenes.axe_finds_nothing = async open => {
  const page = await open(null, { allow: ['400'] });
  for (const path of PAGES) {
    await page.goto(f.base + path);
    await ready(page);
    await axeInThemes(page, path);
  }
};

// What fails is said on one line, and "Try again" asks again; a first start shows how to send.
scenes.failures_are_said = async open => {
  const page = await open(null, { allow: ['500', 'Failed to load'] });
  for (const [path, api, what] of [['/network', 'crossings', 'The network'], ['/status', 'status', 'The status'], ['/incident/1', 'incidents/1', 'The incident'], ['/', 'incidents/1', 'The state']]) {
    let broken = true;
    await page.route(`**/api/v1/${api}*`, r => broken ? r.fulfill({ status: 500, contentType: 'application/json', body: '{"error":{"code":"internal","message":"the disk is on fire"}}' }) : r.continue());
    await page.goto(f.base + path);
    await page.waitForSelector('[role=alert]');
    assert.match(await one(page, '[role=alert]'), new RegExp(`^${what} could not be read: the disk is on fire\\.`), path);
    broken = false;
    await page.click('[role=alert] .lnk');
    await page.waitForSelector('[role=alert]', { state: 'detached' });
    await page.unroute(`**/api/v1/${api}*`);
  }
};

scenes.first_start = async open => {
  for (const path of ['/network', '/']) {
    const page = await open(path);
    await page.waitForSelector('.first');
  }
  const page = await open('/sql');
  await page.waitForSelector('#rs');
  assert.match(await one(page, 'main'), /No row fits/);
  await page.goto(f.base + '/status');
  await page.waitForSelector('#li');
  assert.match(await one(page, 'main'), /No batch came since the start/);
};

scenes.sql_is_off = async open => {
  const page = await open('/status');
  await page.waitForSelector('#li');
  assert.equal(await page.locator('.nav a:text("SQL")').count(), 0);
  assert.match(await one(page, '[aria-labelledby=le]'), /SQL on the web is off/);
  await page.goto(f.base + '/sql');
  assert.match(await one(page, 'h1'), /^There is no page \/sql/);
};

scenes.hostile_names_stay_text = async open => {
  for (const path of ['/', '/network', '/network?by=cluster&cell=%3Cb%3E', '/sql?q=' + encodeURIComponent('SELECT service, operation, trace_id FROM span'), '/sql?q=' + encodeURIComponent("SELECT '<img src=x onerror=window.ran=1>' AS \"<script>window.ran=1</script>\""), '/sql?q=%3Cscript%3E', '/status', '/incident/%3Cscript%3E']) {
    const page = await open(path, { allow: ['400'] });
    await settled(page);
    assert.equal(await page.evaluate(() => window.ran), undefined);
    assert.equal(await page.locator('#main script, #main img, #main iframe').count(), 0, path);
    assert.ok((await page.locator('#main').innerText()).length > 10, path);
    await page.context().close();
  }
};
