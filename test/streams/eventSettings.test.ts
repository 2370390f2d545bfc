import { consumeSettings, iterateSettings, watchSettings } from '../../src/streams/eventSettings.js';
import { latestByInstance } from '../../src/streams/eventOptions.js';
import { thrownBy } from '../support/thrownBy.js';

const noWork = (): readonly never[] => [];
const withLog = { capacity: 7, hasLog: true };
const withoutLog = { capacity: 7, hasLog: false };

test('defaults of a bus hold where the subscriber does not say, and only there', () => {
  const defaults = { ...latestByInstance, capacity: 7 };
  expect(iterateSettings({}, withLog)).toMatchObject(defaults);
  expect(consumeSettings(noWork, {}, withLog)).toMatchObject({ ...defaults, concurrency: 1, durable: false });
  expect(watchSettings({}, withLog)).toMatchObject({ capacity: 7 });
  const said = { capacity: 3, keyOf: jest.fn(), endsKey: jest.fn() };
  expect(iterateSettings(said, withLog)).toMatchObject(said);
  expect(consumeSettings(noWork, said, withLog)).toMatchObject(said);
});

test('work that is no function is refused, with the faults of its options', () => {
  expect(thrownBy(() => consumeSettings({}, {}, withLog))).toMatchObject({
    faults: [{ path: 'project', found: '{}', expected: 'a function' }],
  });
  const options = { capacity: 0, project: noWork } as object;
  expect(thrownBy(() => consumeSettings(1, options, withLog))).toMatchObject({
    faults: [{ path: 'project' }, { path: 'project' }, { path: 'capacity' }],
  });
});

test.each(['overflow', 'keyOf', 'endsKey', 'concurrency'])('a watch knows no %s', (key) => {
  expect(thrownBy(() => watchSettings({ [key]: 1 }))).toMatchObject({ faults: [{ path: key }] });
});

describe('resume', () => {
  test('is taken with a log', () => {
    const resume = { overflow: 'resume' } as const;
    expect(iterateSettings(resume, withLog)).toMatchObject(resume);
    expect(consumeSettings(noWork, resume, withLog)).toMatchObject(resume);
  });

  test('is refused without one', () => {
    const refused = { _tag: 'InvalidRequest', faults: [{ path: 'overflow', found: "'resume'" }] };
    expect(thrownBy(() => iterateSettings({ overflow: 'resume' }, withoutLog))).toMatchObject(refused);
    expect(thrownBy(() => consumeSettings(noWork, { overflow: 'resume' }, withoutLog))).toMatchObject(
      refused,
    );
  });

  test('is the policy of who goes on after a place, or durably', () => {
    const after = { epoch: 'e', sequence: 1 };
    expect(iterateSettings({ after }, withLog)).toMatchObject({ overflow: 'resume' });
    expect(consumeSettings(noWork, { after }, withLog)).toMatchObject({ overflow: 'resume', durable: false });
    expect(consumeSettings(noWork, { durable: true }, withLog)).toMatchObject({
      overflow: 'resume',
      durable: true,
    });
  });
});
