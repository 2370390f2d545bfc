import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type Action, states, transition } from 'rx-instances';
import { faultsOf, run } from './house/docExamples.js';

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

describe('the snippets of the README', () => {
  it('compile, pasted one after the other', () => {
    expect(faultsOf([{ name: 'README', code: pasted(snippets) }])).toStrictEqual([]);
  });

  it('run, pasted one after the other: all but those of virtual machines', async () => {
    const printed: string[] = [];
    const log = (...parts: readonly unknown[]): void => {
      printed.push(parts.join(' '));
    };
    const code = pasted([
      "import * as console from 'node:console';",
      ...snippets.filter((snippet) => !snippet.includes('Qemu')),
    ]);
    const ours: (name: string) => unknown = require;
    const load = (name: string): unknown => (name === 'node:console' ? { log } : ours(name));
    const port = String(await freePort());
    await run({ name: 'README', code: code.replaceAll('8080', port) }, load, (actual, expected) => {
      expect(actual).toEqual(expected);
    });
    expect(printed).toEqual(expect.arrayContaining(['Running event', 'stdout it begins']));
    expect(printed.filter((line) => /^\d/.test(line))).toEqual([
      '1 create web Initializing',
      '2 ready web Running',
      '3 standby web Standby',
      '4 restore web Running',
      '5 update web Running',
      expect.stringMatching(/^6 create run-\w+ Running$/),
      expect.stringMatching(/^7 exit run-\w+ Stopped$/),
      expect.stringMatching(/^8 delete/),
      '3 hi',
      '9 stop web Stopped',
      '10 restore web Stopped',
      '11 fork web-2 Stopped',
    ]);
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
