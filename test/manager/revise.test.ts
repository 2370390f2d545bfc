import type { Instance } from 'rx-instances';
import { revise } from '../../src/manager/revise.js';

const instance: Instance = {
  id: 'a',
  name: 'web',
  spec: { driver: 'memory', image: 'any', env: {}, tags: {} },
  state: 'Running',
  revision: 7,
  createdAt: 1,
  handle: { pid: 2 },
};

it('adds one to the revision, changes what is named, keeps the rest, and leaves the former revision alone', () => {
  const next = revise(instance, { state: 'Stopped', stoppedAt: 9 });

  expect(next).toStrictEqual({ ...instance, state: 'Stopped', stoppedAt: 9, revision: 8 });
  expect(instance.revision).toBe(7);
});

it('takes away what is undefined, key and all', () => {
  expect(revise(instance, { handle: undefined })).not.toHaveProperty('handle');
});
