import fastify from 'fastify';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { firstValueFrom, forkJoin, type Observable } from 'rxjs';
import {
  type Action,
  type Instance,
  type InstanceManager,
  openManager,
  states,
  transition,
} from 'rx-instances';
import { apiServerOptions, instancesApi } from 'rx-instances/http';
import { createMemoryDriver } from 'rx-instances/testing';
import { faultsOf, run } from './house/docExamples.js';
import { until } from './support/until.js';

const readme = readFileSync('README.md', 'utf8');
const snippets = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code);

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
};

// Something has to be told for it to be an example.
const pasted = (codes: readonly string[]): string => [...codes, 'before.kind; // => "Stopped"'].join('\n');

const equal = (actual: unknown, expected: unknown): void => {
  expect(actual).toEqual(expected);
};

/** Changes a table in each way, and so fast that whoever watches it lags; waits until both tables are the same. */
async function churn(manager: InstanceManager, folded: ReadonlyMap<string, Instance>): Promise<void> {
  const create = (name: string): Observable<Instance> => manager.create({ name, image: 'any' });
  const names = Array.from({ length: 300 }, (_, index) => `many-${String(index)}`);
  const settles = async (...expected: readonly string[]): Promise<void> => {
    const shown = (): string[] =>
      [...folded.values()].map(({ name, state }) => `${name} ${state}`).toSorted();
    expect(await until(shown, (found) => isDeepStrictEqual(found, expected))).toEqual(expected);
  };

  await firstValueFrom(forkJoin([create('goes'), create('stays')]));
  await firstValueFrom(manager.standby('stays'));
  await settles('goes Running', 'stays Standby');
  await firstValueFrom(manager.delete('goes'));
  await settles('stays Standby');
  await firstValueFrom(forkJoin(names.map(create)));
  await until(
    () => folded.size,
    (size) => size === 301,
  );
  await firstValueFrom(forkJoin(names.map((name) => manager.delete(name))));
  await settles('stays Standby');
  expect(manager.stats()['table']?.dropped).not.toStrictEqual({});
}

describe('the snippets of the README', () => {
  it('compile, pasted one after the other', () => {
    expect(faultsOf([{ name: 'README', code: pasted(snippets) }])).toStrictEqual([]);
  });

  it('run, pasted one after the other: all but those of virtual machines, and from afar', async () => {
    const printed: string[] = [];
    const log = (...parts: readonly unknown[]): void => {
      printed.push(parts.join(' '));
    };
    const code = pasted([
      "import * as console from 'node:console';",
      ...snippets.filter((snippet) => !/Qemu|openRemote|openWebhooks/.test(snippet)),
    ]);
    const ours: (name: string) => unknown = require;
    const load = (name: string): unknown => (name === 'node:console' ? { log } : ours(name));
    const port = String(await freePort());
    await run({ name: 'README', code: code.replaceAll('8080', port) }, load, equal);
    expect(printed).toEqual(
      expect.arrayContaining([
        ...['Running event', 'stdout it begins', 'stdout hi', 'hello'],
        ...['it says 4', 'ended with 0', 'bytes 8'],
      ]),
    );
    expect(printed.filter((line) => /^\d/.test(line))).toEqual([
      '1 create web Initializing',
      '2 ready web Running',
      '3 standby web Standby',
      '4 restore web Running',
      '5 update web Running',
      '6 update web Running',
      '7 update web Running',
      expect.stringMatching(/^8 create run-\w+ Running$/),
      expect.stringMatching(/^9 exit run-\w+ Stopped$/),
      expect.stringMatching(/^10 delete/),
      '3 hi',
      expect.stringMatching(/^11 create run-\w+ Running$/),
      expect.stringMatching(/^12 exit run-\w+ Stopped$/),
      expect.stringMatching(/^13 delete/),
      '14 create api Initializing',
      '15 ready api Running',
      '16 standby api Standby',
      '17 restore api Running',
      '18 stop web Stopped',
      '19 create_snapshot  ',
      '20 restore web Stopped',
      '21 fork web-2 Stopped',
      '22 stop api Stopped',
    ]);
  });

  it('hold instances from afar, and send what happens', async () => {
    const drivers = [createMemoryDriver()];
    await using manager = await openManager({ drivers });
    await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
    await firstValueFrom(manager.stop('web'));
    const app = fastify(apiServerOptions());
    await app.register(instancesApi, { manager, drivers, drainMs: 500 });
    const address = await app.listen({ host: '127.0.0.1', port: 0 });
    const printed: string[] = [];
    const log = (...parts: readonly unknown[]): void => {
      printed.push(parts.join(' '));
    };
    const code = [
      "import { console, firstValueFrom, manager } from 'here';",
      ...snippets.filter((snippet) => /openRemote|openWebhooks/.test(snippet)),
      'await remote.close();',
      "secret.startsWith('whsec_'); // => true",
      '(await firstValueFrom(webhooks.list())).length; // => 1',
      'await webhooks.close();',
    ].join('\n');
    const ours: (name: string) => unknown = require;
    const load = (name: string): unknown =>
      name === 'here' ? { console: { log }, firstValueFrom, manager } : ours(name);
    await run({ name: 'README', code: code.replaceAll('http://127.0.0.1:4973', address) }, load, equal);
    await app.close();
    expect(printed).toEqual(['from afar start web']);
  });

  it('fold what a watch emits into the true table, after a lag too', async () => {
    const manager = await openManager({ drivers: [createMemoryDriver()] });
    const code = [
      "import { churn, manager } from 'here';",
      ...snippets.filter((snippet) => snippet.includes('.watch(')),
      'await churn(manager, table);',
      'table.size; // => 1',
    ].join('\n');
    await run({ name: 'README', code }, () => ({ churn, manager }), equal);
    await manager.close();
  });
});

it.each(['start', 'stop', 'standby', 'restore'] satisfies Action[])(
  'the table of the README says from where %s leads on',
  (verb) => {
    const row = readme.split('\n').find((line) => line.startsWith(`| \`${verb}(id)\``)) ?? '';
    const [, , from = ''] = row.split('|');
    const allowed = states.filter((state) => transition(verb, state).kind === 'move');
    expect(from.trim().split(', ').toSorted()).toEqual(allowed.toSorted());
  },
);
