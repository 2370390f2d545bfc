import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

/** A browser, and what its pages complained of. */
export interface Stage extends AsyncDisposable {
  /** Opens a page in a tab of its own, as a user who likes it light or dark. */
  open(address: string, colorScheme?: 'light' | 'dark'): Promise<Page>;
  /** Errors of pages and their consoles, breaches of their policy among them. */
  readonly complaints: string[];
  closeTabs(): Promise<void>;
}

/** Starts Debian's Chromium. */
export async function openBrowser(): Promise<Stage> {
  // What it shares among its processes lies there, and now and then is left when it is closed.
  const folder = await mkdtemp(join(tmpdir(), 'browser-'));
  const browser: Browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    env: { ...process.env, TMPDIR: folder },
    // As root it has no sandbox; in a container little shared memory.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
  const complaints: string[] = [];
  return {
    complaints,
    closeTabs: async () => {
      for (const context of browser.contexts()) await context.close();
    },
    open: async (address, colorScheme = 'light') => {
      const context = await browser.newContext({ colorScheme, viewport: { width: 1_000, height: 900 } });
      context.setDefaultTimeout(6_000);
      const page = await context.newPage();
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(String(error)));
      await page.goto(address);
      return page;
    },
    [Symbol.asyncDispose]: async () => {
      await browser.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
