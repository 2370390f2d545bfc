import { firstValueFrom } from 'rxjs';
import {
  decodeProcessHandle,
  findProcess,
  type ProcessHandle,
} from '../../../src/drivers/host/processHandle.js';
import { thrownBy } from '../../support/thrownBy.js';
import { createProcessBench } from '../process/processBench.js';

const bench = createProcessBench();

const handleOf = async (): Promise<ProcessHandle> =>
  decodeProcessHandle((await bench.launched({ entrypoint: ['sleep', '600'] })).machine.handle);

it('is found while its process runs, frozen or not, and no more when that has ended', async () => {
  const { machine } = await bench.launched({ entrypoint: ['sleep', '600'] });
  const handle = decodeProcessHandle(machine.handle);
  await expect(findProcess(handle)).resolves.toMatchObject({ pid: handle.pid });
  await firstValueFrom(machine.kill());
  await expect(findProcess(handle)).resolves.toBeUndefined();
});

it.each<[string, Partial<ProcessHandle>]>([
  ['that started at another time', { startTime: '1' }],
  ['that ended before it could be looked at', { startTime: '' }],
  ['of another boot', { bootId: 'another' }],
])('never stands for a process %s, though that has its pid', async (_, change) => {
  const handle = await handleOf();
  await expect(findProcess({ ...handle, ...change })).resolves.toBeUndefined();
});

it('goes through JSON', async () => {
  const handle = await handleOf();
  expect(decodeProcessHandle(JSON.parse(JSON.stringify(handle)))).toEqual(handle);
});

it.each<[string, unknown, readonly string[]]>([
  ['nothing', undefined, ['']],
  ['no object', 7, ['']],
  ['an empty object', {}, ['pid', 'startTime', 'bootId', 'logStart', 'home']],
  ['a group of all', { pid: 0, startTime: 's', bootId: 'b', logStart: 0, home: 'h' }, ['pid']],
  [
    'the process that all come from',
    { pid: 1, startTime: 's', bootId: 'b', logStart: 0, home: 'h' },
    ['pid'],
  ],
  ['a negative pid', { pid: -5, startTime: 's', bootId: 'b', logStart: 0, home: 'h' }, ['pid']],
  ['a pid as text', { pid: '5', startTime: 's', bootId: 'b', logStart: 0, home: 'h' }, ['pid']],
  ['a place before the log', { pid: 5, startTime: 's', bootId: 'b', logStart: -1, home: 'h' }, ['logStart']],
  ['more than it should say', { pid: 5, startTime: 's', bootId: 'b', logStart: 0, home: 'h', x: 1 }, ['x']],
])('is refused when it is %s', (_, handle, paths) => {
  expect(thrownBy(() => decodeProcessHandle(handle))).toMatchObject({
    _tag: 'InvalidRequest',
    faults: paths.map((path) => ({ path })),
  });
});
