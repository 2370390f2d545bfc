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
  const browser: Browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
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
    [Symbol.asyncDispose]: () => browser.close(),
  };
}
