import type { Instance, LifecycleEvent } from 'rx-instances';
import { createInstanceTable } from '../../src/manager/instanceTable.js';
import { thrownBy } from '../support/thrownBy.js';

const instanceOf = (id: string, name: string): Instance => ({
  id,
  name,
  spec: { driver: 'memory', image: 'any', env: {}, tags: {} },
  state: 'Running',
  revision: 1,
  createdAt: 0,
});

const created = (sequence: number, instance: Instance): LifecycleEvent => ({
  epoch: 'e',
  sequence,
  time: 0,
  cause: { by: 'caller' },
  action: 'create',
  instanceId: instance.id,
  instance,
});

const deleted = (sequence: number, { id }: Instance): LifecycleEvent => ({
  epoch: 'e',
  sequence,
  time: 0,
  cause: { by: 'caller' },
  action: 'delete',
  instanceId: id,
  previousState: 'Running',
});

const one = instanceOf('aa1', 'one');
const two = instanceOf('aa2', 'two');
const start = { epoch: 'e', sequence: 0 };

it('holds what the events made, and the cursor of the last', () => {
  const table = createInstanceTable([one], start);
  table.apply(created(1, two));
  table.apply(deleted(2, one));

  expect(table.view()).toEqual({ epoch: 'e', sequence: 2, instances: [two] });
  expect(thrownBy(() => table.get('aa1'))).toMatchObject({ _tag: 'InstanceNotFound' });
});

it('prefers an exact id to a name, and a name to the beginning of an id', () => {
  const first = instanceOf('aaaa1', 'first');
  const named = instanceOf('bbbbb', 'aaaa1');
  const alsoNamed = instanceOf('ccccc', 'aaaa');
  const table = createInstanceTable([first, named, alsoNamed], start);

  expect(table.find('aaaa1')).toBe(first);
  expect(table.find('aaaa')).toBe(alsoNamed);
  expect(table.find('bbbb')).toBe(named);
});

it('tells a beginning that several ids share apart from one that none has, and from one that is too short', () => {
  const table = createInstanceTable([instanceOf('aaaa1', 'first'), instanceOf('aaaa2', 'second')], start);

  expect(thrownBy(() => table.find('aaaa'))).toMatchObject({
    _tag: 'AmbiguousName',
    idOrName: 'aaaa',
    matches: ['aaaa1', 'aaaa2'],
  });
  for (const prefix of ['', 'a', 'aaa', 'aaaa3']) {
    expect(thrownBy(() => table.find(prefix))).toMatchObject({ _tag: 'InstanceNotFound' });
  }
});

it('finds exactly by an id or a name only', () => {
  const first = instanceOf('aaaa1', 'first');
  const table = createInstanceTable([first], start);

  expect([table.exactly('aaaa1'), table.exactly('first')]).toEqual([first, first]);
  expect(thrownBy(() => table.exactly('aaaa'))).toMatchObject({ _tag: 'InstanceNotFound', idOrName: 'aaaa' });
});

it('keeps a name for one instance in the making, until it is given back', () => {
  const table = createInstanceTable([one], start);
  table.reserve('new', 'id-of-new');

  for (const name of ['new', 'one']) {
    expect(
      thrownBy(() => {
        table.reserve(name, 'another-id');
      }),
    ).toMatchObject({ _tag: 'NameTaken', taken: name });
  }
  table.release('new', 'another-id');
  expect(table.holderOf('new')).toBe('id-of-new');
  table.release('new', 'id-of-new');
  expect(table.holderOf('new')).toBeUndefined();
  table.reserve('new', 'id-of-new');
});

it('finds nothing under the names of what every object has', () => {
  const table = createInstanceTable([one], start);
  for (const name of ['__proto__', 'constructor', 'toString']) {
    expect(thrownBy(() => table.find(name))).toMatchObject({ _tag: 'InstanceNotFound' });
  }
});
