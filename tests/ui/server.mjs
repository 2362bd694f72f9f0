// server.mjs: one browser for several scenes after each other: prints where it listens, ends when its input does.
import { chromium } from 'playwright-core';

const server = await chromium.launchServer({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox'] });
console.log(server.wsEndpoint());
process.stdin.on('end', () => server.close().then(() => process.exit())).resume();
