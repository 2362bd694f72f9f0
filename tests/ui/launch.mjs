// launch.mjs: how Chromium is started: without a desktop, which costs half as much, else the whole one; CHROMIUM names another.
import { existsSync } from 'node:fs';

const executablePath = process.env.CHROMIUM || ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find(existsSync);
export const LAUNCH = { executablePath, args: ['--no-sandbox'] };
