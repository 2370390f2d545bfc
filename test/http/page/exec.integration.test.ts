import { createSigner } from 'fast-jwt';
import type { Page } from 'playwright-core';
import { firstValueFrom } from 'rxjs';
import { type ExecStage, openExecStage } from '../exec/execStage.js';
import { processesLeft } from '../../instances/executionsContract.js';
import { openBrowser, type Stage } from './browser.js';

const secret = 'a secret that nobody can guess, 42';
const tokenFor = (permissions: readonly string[]): string =>
  createSigner({ key: secret })({ sub: 'reader', permissions });

let browser: Stage;
let stage: ExecStage;
let page: Page;

beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser[Symbol.asyncDispose]());

beforeEach(async () => {
  stage = await openExecStage({ secret, drainMs: 500 });
});
afterEach(async () => {
  await browser.closeTabs();
  await stage[Symbol.asyncDispose]();
});

const createWeb = () =>
  firstValueFrom(
    stage.manager.create({ driver: 'process', name: 'web', image: 'scratch', entrypoint: ['sleep', '600'] }),
  );

async function signIn(...permissions: string[]): Promise<void> {
  page = await browser.open(`${stage.address}/`);
  await page.getByLabel('Token').fill(tokenFor(permissions));
  await page.keyboard.press('Enter');
  await page.getByRole('region', { name: 'Instances' }).getByRole('button', { name: 'web' }).click();
}

/** Besides refusals, which it was to meet. */
const complaints = (): readonly string[] =>
  browser.complaints.splice(0).filter((text) => !/40[13]/.test(text));

async function run(line: string): Promise<void> {
  await page.getByLabel('Command').fill(line);
  await page.keyboard.press('Enter');
}

it('runs a command in an instance, shows what it writes and how it ended, and cancels it', async () => {
  const web = await createWeb();
  await signIn('instance:read', 'instance:write', 'resource:read');
  await run('echo hello; echo oops >&2; exit 3');
  await page.getByText('Exit code 3').waitFor();
  const output = page.getByRole('region', { name: 'Output' });
  expect((await output.textContent())?.split('\n').sort()).toEqual(['', 'hello', 'oops']);

  await run('head -c 3000000 /dev/zero | tr "\\0" a; echo end');
  await page.getByText('Exit code 0').waitFor();
  expect(await output.textContent()).toMatch(/^a{199996}end\n$/);

  await run('echo begun; exec sleep 600');
  await output.getByText('begun').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Cancelled').waitFor();
  await processesLeft(web.id, 1);
  expect(complaints()).toEqual([]);
});

it('says why a command is not run', async () => {
  await createWeb();
  await signIn('instance:read', 'resource:read');
  await run('true');
  await page.getByText('missing required scope: instance:write').waitFor();
  expect(complaints()).toEqual([]);
});
