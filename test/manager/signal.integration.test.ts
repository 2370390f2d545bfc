import { createProcessDriver, type Instance, type InstanceManager, openManager } from 'rx-instances';
import { filter, firstValueFrom, lastValueFrom, map, type Observable, take, toArray } from 'rxjs';
import { kernelViewOf, processesOf } from '../support/processes.js';
import { until } from '../support/until.js';

let manager: InstanceManager;

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

/** Runs a script of the shell until it has said `ready`. */
const run = async (...lines: readonly string[]): Promise<Instance> => {
  const created = await value(
    manager.create({
      name: 'web',
      image: 'scratch',
      entrypoint: ['/bin/sh', '-c', lines.join('\n')],
      readiness: { kind: 'log', pattern: '^ready$' },
    }),
  );
  const { instance } = await value(manager.waitForState(created.id, 'Running'));
  return instance;
};

const statesOf = ({ id }: Instance): readonly (string | undefined)[] =>
  processesOf(id).map((pid) => kernelViewOf(pid)?.state);

beforeEach(async () => {
  manager = await openManager({ drivers: [createProcessDriver({ pollMs: 5 })] });
});

afterEach(() => manager.close());

it('a signal reaches every process of the group', async () => {
  const lasting = 'while :; do sleep 0.01; done';
  const child = (who: string): string => `sh -c 'trap "echo ${who}" USR1; : > ${who}; ${lasting}' &`;
  await run(
    child('one'),
    child('two'),
    'trap "echo leader" USR1',
    'while ! [ -e one ] || ! [ -e two ]; do sleep 0.01; done',
    'echo ready',
    lasting,
  );
  await value(manager.signal('web', 'SIGUSR1'));
  // A shell tells of a child that was ended by it, too.
  const lines$ = manager.logs('web', { follow: true }).pipe(
    map(({ text }) => text),
    filter((text) => ['one', 'two', 'leader'].includes(text)),
  );
  const told = await lastValueFrom(lines$.pipe(take(3), toArray()));
  expect(told.toSorted()).toEqual(['leader', 'one', 'two']);
});

it('one that halts is found by a look, and one that lets go on too', async () => {
  const web = await run('sleep 600 &', 'echo ready', 'wait');
  await value(manager.signal('web', 'SIGSTOP'));
  await until(
    () => statesOf(web),
    (states) => states.length === 2 && states.every((state) => state === 'T'),
  );
  expect(statesOf(web)).toEqual(['T', 'T']);
  await expect(value(manager.refresh('web'))).resolves.toMatchObject({ state: 'Paused' });

  await value(manager.signal('web', 'SIGCONT'));
  await until(
    () => statesOf(web),
    (states) => !states.includes('T'),
  );
  await expect(value(manager.refresh('web'))).resolves.toMatchObject({ state: 'Running' });
});

it('one that ends is told as exit, and nothing of the group is left', async () => {
  const web = await run('sleep 600 &', 'echo ready', 'wait');
  await value(manager.signal('web', 'SIGKILL'));
  const { instance } = await value(manager.waitForState('web', 'Stopped'));
  expect(instance.exit).toEqual({ code: null, signal: 'SIGKILL' });
  expect(processesOf(web.id)).toEqual([]);
});

it('every name that the system has is accepted, and no other', async () => {
  await run('trap "" WINCH', 'echo ready', 'while :; do sleep 600; done');
  await expect(value(manager.signal('web', 'SIGWINCH'))).resolves.toMatchObject({ state: 'Running' });
  await expect(value(manager.signal('web', 'SIGNONE'))).rejects.toMatchObject({
    _tag: 'InvalidRequest',
    message: expect.stringContaining('one of SIGHUP, SIGINT, SIGQUIT') as string,
  });
});
