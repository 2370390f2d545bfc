import { createProcessDriver, type CreateRequest, type InstanceManager, openManager } from 'rx-instances';
import { firstValueFrom, type Observable } from 'rxjs';

let manager: InstanceManager;

const value = <T>(source$: Observable<T>): Promise<T> => firstValueFrom(source$);

/** Runs a script of bash, which knows these signals by name, until it has said `ready`. */
const run = async (script: string, fields: Partial<CreateRequest> = {}): Promise<void> => {
  await value(
    manager.create({
      name: 'web',
      image: 'scratch',
      entrypoint: ['bash', '-c', script],
      readiness: { kind: 'log', pattern: '^ready$' },
      ...fields,
    }),
  );
  await value(manager.waitForState('web', 'Running'));
};

const lasting = 'echo ready; while :; do sleep 0.01; done';
const handled = `trap "exit 5" SIGRTMIN+3; ${lasting}`;
const finished = `trap "exit 0" SIGRTMIN+3; ${lasting}`;
const ignored = `trap "" SIGRTMIN+3; echo ready; sleep 0.2; exit 0`;

const exit = async (): Promise<unknown> =>
  (await value(manager.waitForState('web', 'Stopped'))).instance.exit;

beforeEach(async () => {
  manager = await openManager({ drivers: [createProcessDriver({ pollMs: 5 })] });
});

afterEach(() => manager.close());

it.each([
  ['SIGRTMIN+3', handled, { code: 5, signal: null }],
  ['SIGRTMIN+3', finished, { code: 0, signal: null }],
  ['SIGRTMAX-27', handled, { code: 5, signal: null }],
  ['SIGRTMIN+3', lasting, { code: null, signal: 'SIGRTMIN+3' }],
  ['SIGRTMIN', lasting, { code: null, signal: 'SIGRTMIN' }],
  ['SIGRTMAX', lasting, { code: null, signal: 'SIGRTMAX' }],
])('%s asks %j to end, and %j is told', async (stopSignal, script, ended) => {
  await run(script, { stopSignal });
  await value(manager.stop('web'));
  expect((await value(manager.get('web'))).exit).toEqual({ ...ended, stoppedBy: 'caller' });
});

it.each([
  ['handles', handled, { code: 5, signal: null }],
  ['ignores', ignored, { code: 0, signal: null }],
  ['does not handle', lasting, { code: null, signal: 'SIGRTMIN+3' }],
])('one that is sent to a process which %s it is told by how that ends', async (_, script, ended) => {
  await run(script);
  await value(manager.signal('web', 'SIGRTMIN+3'));
  expect(await exit()).toEqual(ended);
});

it.each(['SIGRTMIN+31', 'SIGRTMIN+0', 'SIGRTMIN-1', 'SIGRTMAX+1', 'SIGRT', '37'])(
  'there is no %s',
  async (stopSignal) => {
    await expect(run(lasting, { stopSignal })).rejects.toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: 'stopSignal', expected: 'the name of a signal, such as SIGTERM or SIGRTMIN+3' }],
    });
  },
);

it('one that comes from elsewhere is told as an end with code 0: whoever reads more than Node tells comes too late', async () => {
  await run('echo ready; kill -RTMIN $$');
  expect(await exit()).toEqual({ code: 0, signal: null });
});
