// server.mjs: one browser for several scenes after each other: prints where it listens, ends when its input does.
import { chromium } from 'playwright-core';
import { LAUNCH } from './launch.mjs';

const server = await chromium.launchServer(LAUNCH);
console.log(server.wsEndpoint());
process.stdin.on('end', () => server.close().then(() => process.exit())).resume();
