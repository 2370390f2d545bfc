import { createProcessDriver, type InstanceManager, openManager } from 'rx-instances';
import { promised, type PromisedInstances } from 'rx-instances/promises';
import { shell } from '../instances/executionsContract.js';

let manager: InstanceManager;
let instances: PromisedInstances;

beforeEach(async () => {
  manager = await openManager({ drivers: [createProcessDriver({ pollMs: 5 })] });
  instances = promised(manager);
  await instances.create({ name: 'web', image: 'scratch', entrypoint: ['sleep', '600'] });
});
afterEach(() => manager.close());

it('exec resolves with what the program wrote, and how it ended', async () => {
  expect(await instances.exec('web', shell('cat; echo oops >&2; exit 3', { stdin: 'in' }))).toEqual({
    ...{ code: 3, signal: null, stdout: 'in', stderr: 'oops\n', truncated: false },
  });
  expect(await instances.exec('web', shell('echo begun; sleep 600', { timeoutMs: 200 }))).toEqual({
    ...{ code: null, signal: 'SIGKILL', timedOut: true, stdout: 'begun\n', stderr: '', truncated: false },
  });
});

it('exec keeps the end of what is more than may be kept', async () => {
  const { stdout, stderr, truncated } = await instances.exec('web', {
    ...shell('seq 200000; echo x >&2'),
    outputMaxBytes: 14,
  });
  expect([stdout, stderr, truncated]).toEqual(['199999\n200000\n', 'x\n', true]);
});

it('exec rejects with the errors of exec, and for a bound that is none', async () => {
  await expect(instances.exec('web', { command: '/none' })).rejects.toMatchObject({
    ...{ _tag: 'ExecFailed', code: 127 },
  });
  for (const [request, path] of [
    [{ command: 'true', outputMaxBytes: -1 }, 'outputMaxBytes'],
    [{ command: 'true', colour: 'red' }, 'colour'],
    [undefined, ''],
  ] as const)
    await expect(instances.exec('web', request as never)).rejects.toMatchObject({
      ...{ _tag: 'InvalidRequest', faults: [{ path }] },
    });
  const controller = new AbortController();
  controller.abort(new Error('no more'));
  await expect(instances.exec('web', { command: 'true', signal: controller.signal })).rejects.toThrow(
    'no more',
  );
});
