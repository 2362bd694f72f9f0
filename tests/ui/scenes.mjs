// scenes.mjs: runs scenes of the page after each other, all in one Node and one browser: reads {script, name, facts} as lines of JSON,
// answers each with {said, failed}, and ends when its input does.
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { play, said } from './browser.mjs';
import { LAUNCH } from './launch.mjs';

let browser;
for await (const line of createInterface({ input: process.stdin })) {
  const { script, name, facts } = JSON.parse(line);
  let failed = '';
  try {
    if (!browser?.isConnected()) browser = await chromium.launch(LAUNCH);
    await play(browser, script, name, facts);
  } catch (error) {
    failed = error.stack || String(error);
  }
  console.log(JSON.stringify({ said: said?.join('\n'), failed }));
}
await browser?.close();
