import fastify, { type FastifyInstance } from 'fastify';
import { createSigner } from 'fast-jwt';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { type InstanceManager, openManager } from 'rx-instances';
import { apiServerOptions, instancesApi, instancesPage } from 'rx-instances/http';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { firstValueFrom } from 'rxjs';
import { freePort } from '../../support/freePort.js';
import { openBrowser, type Stage } from './browser.js';

const secret = 'a secret that nobody can guess, 42';
const tokenFor = (permissions: readonly string[]): string =>
  createSigner({ key: secret })({ sub: 'reader', permissions });

let browser: Stage;
let driver: MemoryDriver;
let manager: InstanceManager;
let app: FastifyInstance;
let port: number;
let address: string;

async function listen(options: { readonly secret?: string; readonly prefix?: string } = {}): Promise<void> {
  app = fastify({ ...apiServerOptions(), forceCloseConnections: true });
  const { prefix = '', ...rest } = options;
  await app.register(instancesApi, { manager, drivers: [driver], drainMs: 500, prefix, ...rest });
  await app.register(instancesPage, { prefix });
  await app.listen({ host: '127.0.0.1', port });
}

const create = (name: string) => firstValueFrom(manager.create({ name, image: 'any' }));
const rowOf = (page: Page, name: string) =>
  page.getByRole('region', { name: 'Instances' }).getByRole('row', { name });

beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

beforeEach(async () => {
  driver = createMemoryDriver();
  manager = await openManager({ drivers: [driver] });
  port = await freePort();
  address = `http://127.0.0.1:${String(port)}/`;
});
afterEach(async () => {
  await browser.closeTabs();
  await app.close();
  await manager.close();
  expect(browser.complaints.splice(0)).toEqual([]);
});

it('shows instances, what becomes of them, why, and who listens', async () => {
  await listen();
  await create('web');
  const page = await browser.open(address);
  await rowOf(page, 'web Running memory').getByText('create by caller').waitFor();
  await firstValueFrom(manager.standby('web', { by: 'night', reason: 'idle' }));
  await rowOf(page, 'web Standby memory').getByText('standby by night: idle').waitFor();
  await page
    .getByRole('region', { name: 'Events' })
    .getByRole('row', { name: 'Running → Standby' })
    .waitFor();
  // Since when and why it is on standby does not change by that.
  await firstValueFrom(manager.update('web', { tags: { team: 'a' } }, { by: 'somebody' }));
  await page.getByRole('region', { name: 'Events' }).getByRole('row', { name: 'somebody' }).waitFor();
  await rowOf(page, 'web Standby memory').getByText('standby by night: idle').waitFor();
  await create('api');
  await rowOf(page, 'api Running').waitFor();
  await firstValueFrom(manager.delete('web'));
  await rowOf(page, 'web').waitFor({ state: 'detached' });
  await page.getByRole('region', { name: 'Consumers' }).getByRole('row', { name: 'http_events 1' }).waitFor();
});

it('has the verbs as buttons, which the keyboard reaches', async () => {
  await listen();
  await create('web');
  const page = await browser.open(address);
  const press = async (name: string): Promise<void> => {
    for (let tabs = 0; tabs < 40; tabs += 1) {
      if (
        (await page
          .locator('button:focus:not(:disabled)')
          .and(page.getByRole('button', { name, exact: true }))
          .count()) > 0
      )
        break;
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
  };
  await rowOf(page, 'web Running').waitFor();
  await press('web');
  const detail = page.getByRole('region', { name: 'web' });
  await detail.getByRole('row', { name: 'create' }).waitFor();
  for (const [button, state] of [
    ['Standby', 'Standby'],
    ['Restore', 'Running'],
    ['Stop', 'Stopped'],
    ['Start', 'Running'],
    ['Restart', 'Running'],
  ] as const) {
    await page.locator('.detail .verbs button:not(:disabled)', { hasText: button }).first().waitFor();
    await press(button);
    await rowOf(page, `web ${state}`).waitFor();
  }
  await detail.getByRole('row', { name: 'stop' }).nth(1).waitFor();
  await page.locator('.detail .verbs button:not(:disabled)', { hasText: 'Fork' }).waitFor();
  await press('Fork…');
  await page.getByLabel('Name of the copy').fill('second');
  await page.keyboard.press('Enter');
  await rowOf(page, 'second Running').waitFor();
  await page.locator('.detail .verbs button:not(:disabled)', { hasText: 'Delete' }).waitFor();
  await press('Delete…');
  const dialog = page.getByRole('dialog', { name: 'Delete web' });
  await dialog.waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  expect((await firstValueFrom(manager.get('web'))).state).toBe('Running');
  await press('Delete…');
  await dialog.getByRole('button', { name: 'Delete' }).press('Enter');
  await rowOf(page, 'web').waitFor({ state: 'detached' });
});

it('is live again after a restart of the server, with what happened meanwhile', async () => {
  await listen();
  await create('web');
  const page = await browser.open(address);
  await rowOf(page, 'web Running').waitFor();
  await app.close();
  await page.getByText('The server is away').waitFor();
  await firstValueFrom(manager.stop('web'));
  await create('api');
  await listen();
  await rowOf(page, 'web Stopped').waitFor();
  await rowOf(page, 'api Running').waitFor();
  await page.getByText('Live', { exact: true }).waitFor();
  const events = page.getByRole('region', { name: 'Events' });
  await events.getByRole('row', { name: 'api' }).waitFor();
  expect(await events.getByRole('row').count()).toBe(1 + 3);
  // What a browser says itself of a server that is not there.
  browser.complaints.splice(0, Infinity, ...browser.complaints.filter((text) => !text.includes('net::ERR_')));
});

/** Has a page think that it is seen, or not: a browser without a screen sees all its tabs. */
const seen = (page: Page, isSeen: boolean): Promise<unknown> =>
  page.evaluate(`
    Object.defineProperty(document, 'hidden', { configurable: true, value: ${String(!isSeen)} });
    document.dispatchEvent(new Event('visibilitychange'));
  `);

it('leaves a connection for what is asked, however many tabs there are', async () => {
  await listen();
  await create('web');
  const first = await browser.open(address);
  const tabs = [first];
  for (let more = 0; more < 6; more += 1) tabs.push(await first.context().newPage());
  for (const tab of tabs.slice(1)) await tab.goto(address);
  const count = async (text: string): Promise<number> => {
    const shown = await Promise.all(tabs.map((tab) => tab.getByText(text).count()));
    return shown.reduce((sum, each) => sum + each, 0);
  };
  for (const tab of tabs) await tab.getByText(/^(Live|Too many windows show this page.*)$/).waitFor();
  expect([await count('Live'), await count('Too many windows')]).toEqual([5, 2]);
  await rowOf(first, 'web').getByRole('button').click();
  await first.getByRole('button', { name: 'Standby' }).click();
  for (const tab of tabs.slice(0, 5)) await rowOf(tab, 'web Standby').waitFor();
  // What nobody sees leaves its place to who waits.
  for (const tab of tabs.slice(2, 5)) await seen(tab, false);
  for (const tab of tabs.slice(5)) await rowOf(tab, 'web Standby').waitFor();
});

it('reads nothing while nobody sees it, and goes on from there', async () => {
  await listen();
  await create('web');
  const page = await browser.open(address);
  await rowOf(page, 'web Running').waitFor();
  const ended = page.waitForEvent('requestfailed', (request) => request.url().includes('events?after='));
  await seen(page, false);
  await ended;
  await firstValueFrom(manager.stop('web'));
  await create('api');
  await firstValueFrom(manager.delete('web'));
  await seen(page, true);
  await rowOf(page, 'api Running').waitFor();
  await rowOf(page, 'web').waitFor({ state: 'detached' });
  expect(await page.getByRole('region', { name: 'Events' }).getByRole('row').count()).toBe(1 + 4);
});

it('asks for a token, keeps it in its tab, and shows what it permits', async () => {
  await listen({ secret, prefix: '/v1' });
  await create('web');
  const page = await browser.open(`${address}v1/`);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.getByLabel('Token').fill('no token');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('invalid or expired token').waitFor();
  const token = tokenFor(['instance:read']);
  await page.getByLabel('Token').fill(token);
  await page.keyboard.press('Enter');
  await rowOf(page, 'web Running').waitFor();
  await page.reload();
  await rowOf(page, 'web Running').getByRole('button').click();
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByText('missing required scope: instance:write').waitFor();
  expect(asked.filter((url) => url.includes(token.slice(0, 20)))).toEqual([]);
  expect(await page.context().cookies()).toEqual([]);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Token').waitFor();
  browser.complaints.splice(
    0,
    Infinity,
    ...browser.complaints.filter((text) => !/status of 40[13]/.test(text)),
  );
});

it.each(['light', 'dark'] as const)('can be read by everybody when it is %s', async (scheme) => {
  await listen();
  await create('web');
  await create('api');
  await firstValueFrom(manager.stop('api'));
  await firstValueFrom(manager.standby('web'));
  const page = await browser.open(address, scheme);
  await rowOf(page, 'web Standby').getByRole('button').click();
  await page.getByRole('region', { name: 'History' }).getByRole('row', { name: 'standby' }).waitFor();
  await page.getByRole('region', { name: 'Consumers' }).waitFor();
  await page.evaluate(readFileSync(createRequire(__filename).resolve('axe-core/axe.min.js'), 'utf8'));
  const faults: unknown = await page.evaluate(`axe.run().then(({ violations }) =>
    violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))`);
  expect(faults).toEqual([]);
  const back = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
  expect(back).toBe(scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(16, 20, 24)');
});
