import { states } from '../../src/lifecycle/state.js';
import { byDefault, type WaitOptions, waitSettings } from '../../src/streams/waitOptions.js';
import { thrownBy } from '../support/thrownBy.js';

const reachable = states.filter((state) => state !== 'Unknown');

describe('a wait', () => {
  test.each(reachable)(
    'for %s that says nothing of how is the same as one that says nothing in words',
    (state) => {
      const settings = { targets: [state], timeoutMs: 60_000, pollMs: 5_000, signal: undefined };
      expect(waitSettings(state, byDefault)).toEqual(settings);
      for (const options of [{}, { timeoutMs: 60_000 }, { pollMs: 5_000 }, { signal: undefined }]) {
        expect(waitSettings(state, options as WaitOptions)).toEqual(settings);
        expect(waitSettings([state], options as WaitOptions)).toEqual(settings);
      }
      expect(waitSettings([state], byDefault)).toEqual(settings);
    },
  );

  test('that says nothing of how shares what it is asked with all such', () => {
    expect(waitSettings('Running', byDefault)).toBe(waitSettings('Running', byDefault));
  });

  test('is asked what its options say', () => {
    const { signal } = new AbortController();
    expect(waitSettings(['Running', 'Stopped'], { timeoutMs: 0, pollMs: 1, signal })).toEqual({
      targets: ['Running', 'Stopped'],
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

  test.each<[string, unknown, object]>([
    ['target', 'Unknown', byDefault],
    ['target', 'running', byDefault],
    ['target', undefined, byDefault],
    ['target', [], byDefault],
    ['target[1]', ['Running', 'Unknown'], byDefault],
    ['target', 'Unknown', {}],
    ['target', '__proto__', {}],
    ['timeoutMs', 'Running', { timeoutMs: -1 }],
    ['timeoutMs', 'Running', { timeoutMs: 300_001 }],
    ['pollMs', 'Running', { pollMs: 0 }],
    ['signal', 'Running', { signal: {} }],
    ['signal', 'Running', { signal: 'abort' }],
    ['patience', 'Running', { patience: 1 }],
  ])('is refused for its %s: %p, %p', (path, target, options) => {
    const { faults } = thrownBy(() => waitSettings(target as 'Running', options)) as {
      readonly faults: readonly { readonly path: string }[];
    };
    expect(faults.map((fault) => fault.path)).toEqual([path]);
  });
});
