import { states } from '../../src/lifecycle/state.js';
import { createDecodeWait, type WaitOptions } from '../../src/streams/waitOptions.js';
import { thrownBy } from '../support/thrownBy.js';

const waitSettings = createDecodeWait();
const reachable = states.filter((state) => state !== 'Unknown');

const rest = {
  deadEnds: ['Unknown', 'Stopped', 'Standby', 'Shutdown', 'Paused'],
  mayBeAbsent: false,
};

describe('a wait', () => {
  test.each(reachable)(
    'for %s that says nothing of how is the same as one that says nothing in words',
    (state) => {
      const settings = { targets: [state], ...rest, timeoutMs: 60_000, pollMs: 5_000, signal: undefined };
      for (const options of [{}, { timeoutMs: 60_000 }, { pollMs: 5_000 }, { signal: undefined }]) {
        expect(waitSettings(state, options as WaitOptions)).toEqual(settings);
        expect(waitSettings([state], options as WaitOptions)).toEqual(settings);
      }
    },
  );

  test('for one state shares its list with all such', () => {
    const [one, other] = [{}, { timeoutMs: 1 }].map((options) => waitSettings('Running', options).targets);
    expect(one).toBe(other);
  });

  test('is asked what its options say', () => {
    const { signal } = new AbortController();
    expect(waitSettings(['Running', 'Stopped'], { timeoutMs: 0, pollMs: 1, signal })).toEqual({
      targets: ['Running', 'Stopped'],
      ...rest,
      timeoutMs: 0,
      pollMs: 1,
      signal,
    });
  });

  test('takes a signal of another make', () => {
    const signal = {
      aborted: false,
      addEventListener: () => undefined,
      removeEventListener: () => undefined,
    };
    expect(waitSettings('Running', { signal } as object).signal).toBe(signal);
  });

  test.each<[string, unknown, unknown]>([
    ['target', 'Unknown', {}],
    ['target', 'running', {}],
    ['target', undefined, {}],
    ['target', [], {}],
    ['target[1]', ['Running', 'Unknown'], {}],
    ['target', '__proto__', {}],
    ['target', { toString: () => 'Running' }, {}],
    ['target[2]', ['Running', 'Running', 'x'], {}],
    ['timeoutMs', 'Running', { timeoutMs: -1 }],
    ['timeoutMs', 'Running', { timeoutMs: 2_147_483_648 }],
    ['pollMs', 'Running', { pollMs: 0 }],
    ['signal', 'Running', { signal: {} }],
    ['signal', 'Running', { signal: 'abort' }],
    ['signal', 'Running', { signal: null }],
    ['patience', 'Running', { patience: 1 }],
    ['toString', 'Running', { toString: 1 }],
    ['target', 'Running', { target: 'Stopped' }],
    ['', 'Running', null],
    ['', 'Running', 5],
    ['', 'Running', 'now'],
  ])('is refused for its %s: %p, %p', (path, target, options) => {
    const { faults } = thrownBy(() => waitSettings(target as 'Running', options as WaitOptions)) as {
      readonly faults: readonly { readonly path: string }[];
    };
    expect(faults.map((fault) => fault.path)).toEqual([path]);
  });

  test('is refused for a list without an end, whatever is in it', () => {
    const targets = Object.assign([], { length: 2 ** 32 - 1 });
    expect(thrownBy(() => waitSettings(targets, {}))).toMatchObject({
      faults: [{ path: 'target', expected: 'a state, or a list of 1 to 8' }],
    });
  });

  test('is refused with the faults of its target and of its options at once', () => {
    const options = { timeoutMs: -1, target: 'Stopped' } as object;
    expect(thrownBy(() => waitSettings([], options))).toMatchObject({
      faults: [
        { path: 'target', found: '[]', expected: 'a state, or a list of 1 to 8' },
        {
          path: 'target',
          found: 'a text of 7 characters',
          expected: 'another key; known are timeoutMs, pollMs, through, mayBeAbsent, signal',
        },
        { path: 'timeoutMs', found: '-1' },
      ],
    });
  });
});
