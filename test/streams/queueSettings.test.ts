import { type Buffering, defaultCapacity, dropReasons } from '../../src/streams/buffering.js';
import { watchSettings } from '../../src/streams/eventSettings.js';
import { completed, queueSettings, workSettings } from '../../src/streams/queueSettings.js';
import { aDelete, anUpdate } from '../support/lifecycleEvents.js';
import { thrownBy } from '../support/thrownBy.js';

const noWork = (): readonly never[] => [];

const doors = [
  ['a queue', (buffering: object) => queueSettings(buffering)],
  ['work', (buffering: object) => workSettings(noWork, buffering)],
  ['a watch', (buffering: object) => watchSettings(buffering)],
] as const;

describe.each(doors)('buffering of %s', (_, settle) => {
  test('is 256 values, of which the newest are lost, when nothing is said', () => {
    expect(defaultCapacity).toBe(256);
    expect(settle({})).toMatchObject({ capacity: 256, overflow: 'dropNewest' });
  });

  test('has one key for all, which nothing ends, and nobody to tell of a lag', () => {
    const { keyOf, endsKey, onLag } = settle({});
    const event = aDelete(1);
    expect(keyOf(event)).toBe(keyOf(anUpdate(2, { id: 'b' })));
    expect(endsKey(event)).toBe(false);
    expect(onLag({ missed: 1, from: event, to: event })).toBeUndefined();
  });

  test('takes what is said, and what is left open as not said', () => {
    const onLag = jest.fn();
    expect(settle({ capacity: 1, onLag })).toMatchObject({ capacity: 1, onLag });
    expect(settle({ capacity: undefined, onLag: undefined })).toMatchObject({ capacity: 256 });
    expect(settle({ capacity: 2 ** 24 })).toMatchObject({ capacity: 2 ** 24 });
  });

  test.each<[string, unknown]>([
    ['capacity', 0],
    ['capacity', -1],
    ['capacity', NaN],
    ['capacity', 1.5],
    ['capacity', Infinity],
    ['capacity', 2 ** 24 + 1],
    ['capacity', '3'],
    ['onLag', 'log'],
    ['onlag', jest.fn()],
  ])('is refused with its path: %s %p', (key, value) => {
    expect(thrownBy(() => settle({ [key]: value }))).toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: key }],
    });
  });

  test('is refused with every fault at once, and when it is no object', () => {
    expect(thrownBy(() => settle({ capacity: 0, onLag: 1 }))).toMatchObject({
      faults: [{ path: 'capacity' }, { path: 'onLag' }],
    });
    expect(thrownBy(() => settle(null as never))).toMatchObject({ faults: [{ path: '', found: 'null' }] });
  });
});

describe.each(doors.slice(0, 2))('the policy of %s', (_, settle) => {
  test.each<[string, unknown]>([
    ['overflow', 'drop'],
    ['overflow', null],
    ['keyOf', 'id'],
    ['endsKey', true],
  ])('is refused with its path: %s %p', (key, value) => {
    expect(thrownBy(() => settle({ [key]: value }))).toMatchObject({
      _tag: 'InvalidRequest',
      faults: [{ path: key }],
    });
  });

  test.each(['dropNewest', 'dropOldest', 'latest', 'fail'])('may be %s', (overflow) => {
    const keyOf = jest.fn();
    const endsKey = jest.fn();
    expect(settle({ overflow, keyOf, endsKey })).toMatchObject({ overflow, keyOf, endsKey });
  });
});

test('work is done one at a time, when nothing is said', () => {
  expect(workSettings(noWork, {}).concurrency).toBe(1);
  expect(workSettings(noWork, { concurrency: Infinity }).concurrency).toBe(Infinity);
});

test.each([0, -1, NaN, 1.5, 2 ** 24 + 1, -Infinity, '2'])(
  'work is refused at %p at a time',
  (concurrency) => {
    expect(thrownBy(() => workSettings(noWork, { concurrency } as object))).toMatchObject({
      faults: [{ path: 'concurrency' }],
    });
  },
);

test.each<[unknown, string]>([
  [undefined, 'nothing'],
  ['work', "'work'"],
  [{}, '{}'],
])('work that is no function is refused: %p', (project, found) => {
  const faults = [{ path: 'project', found, expected: 'a function' }];
  expect(thrownBy(() => workSettings(project, {}))).toMatchObject({ faults });
});

test('work is refused with the faults of its buffering', () => {
  const faults = [{ path: 'project' }, { path: 'project' }, { path: 'capacity' }];
  const buffering = { capacity: 0, project: noWork } as object;
  expect(thrownBy(() => workSettings(1, buffering))).toMatchObject({ faults });
});

test('defaults hold where nothing is said, and only there', () => {
  const defaults = { capacity: 7, keyOf: jest.fn(), endsKey: jest.fn() };
  expect(completed({}, defaults)).toMatchObject(defaults);
  const said: Buffering<unknown> = { capacity: 3, keyOf: jest.fn(), endsKey: jest.fn() };
  expect(completed(said, defaults)).toMatchObject(said);
});

test('every policy has a reason of its own', () => {
  expect(dropReasons).toEqual(['buffer_full', 'overwritten', 'folded', 'failed']);
});

describe.each(doors.slice(0, 2))('resume for %s', (_, settle) => {
  test('is refused without a log, and the fault says so', () => {
    expect(thrownBy(() => settle({ overflow: 'resume' }))).toMatchObject({
      faults: [
        {
          path: 'overflow',
          found: "'resume'",
          expected:
            'one of dropNewest, dropOldest, latest, fail; resume only by consume and iterate of what has a log, as a manager has; with after they begin after an event',
        },
      ],
    });
  });
});
