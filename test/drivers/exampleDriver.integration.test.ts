import { transformSync } from '@swc/core';
import { readFileSync } from 'node:fs';
import * as threads from 'node:worker_threads';
import type { Driver } from 'rx-instances';
import { driverContract } from 'rx-instances/testing';

const running = new Map<unknown, threads.Worker>();

/** A thread that is known from outside of its driver. */
class KnownWorker extends threads.Worker {
  constructor(code: string, options: threads.WorkerOptions & { readonly env: NodeJS.ProcessEnv }) {
    super(code, options);
    const id = options.env['INSTANCE_ID'];
    running.set(id, this);
    this.once('exit', () => {
      if (running.get(id) === this) running.delete(id);
    });
  }
}

/** The driver of the example, whose program is not run. */
function driverOfExample(): Driver {
  const text = readFileSync('examples/06-write-a-driver.ts', 'utf8');
  const { code } = transformSync(text.replace(/^void openManager.*/ms, 'export { threadDriver };'), {
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  const ours: (name: string) => unknown = require;
  const load = (name: string): unknown =>
    name === 'node:worker_threads' ? { Worker: KnownWorker } : ours(name);
  const made: { threadDriver?: Driver } = {};
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- it is the example's text
  (new Function('require', 'exports', code) as (...args: unknown[]) => void)(load, made);
  if (made.threadDriver === undefined) throw new Error('the example has no threadDriver');
  return made.threadDriver;
}

const spec = { driver: 'thread', image: 'setInterval(() => {}, 1000)', env: {}, tags: {} };
const announcing = { ...spec, env: { READY_BY: 'message' } };

driverContract(
  { describe, it },
  {
    createDriver: driverOfExample,
    homesDir: '/nowhere',
    isRunning: (_, instanceId) => running.has(instanceId),
    crash: async (_, instanceId) => {
      await running.get(instanceId)?.terminate();
    },
    fields: {},
    lasting: { spec },
    ending: { spec: { ...spec, image: 'process.exit(3)' } },
    slow: {
      spec: {
        ...announcing,
        image: `setInterval(() => require('node:worker_threads').parentPort.postMessage('ready'), 100)`,
      },
    },
    neverReady: { spec: announcing },
    broken: { spec: { ...spec, image: 'this is no code' } },
  },
);
