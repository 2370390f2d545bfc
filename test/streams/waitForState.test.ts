import { getEventListeners } from 'node:events';
import {
  catchError,
  concat,
  config,
  defer,
  delay,
  EMPTY,
  finalize,
  firstValueFrom,
  map,
  NEVER,
  Observable,
  of,
  Subject,
  throwError,
  timer,
} from 'rxjs';
import { InstanceNotFound, ManagerClosed } from '../../src/lifecycle/errors.js';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import { type State, states } from '../../src/lifecycle/state.js';
import { type StateSource, waitForState } from '../../src/streams/waitForState.js';
import type { WaitTarget } from '../../src/streams/waitOptions.js';
import type { WaitOptions } from '../../src/streams/waitOptions.js';
import type { WaitOutcome } from '../../src/streams/waits.js';
import { aDelete, anInstance, anUpdate } from '../support/lifecycleEvents.js';
import { type Marbles, marbles } from '../support/marbles.js';

/** Views of the instance: a digit is its revision. */
const view = (state: State, revision = 1): Instance => anInstance({ state, revision });
const created = view('Initializing');

const told = (state: State, revision = 2, id = 'a'): LifecycleEvent => anUpdate(revision, { id, state });

/** Events by the letters of the drawings. */
const events = {
  i: told('Initializing', 2),
  c: told('Created', 2),
  r: told('Running', 3),
  s: told('Stopped', 3),
  y: told('Standby', 3),
  h: told('Shutdown', 3),
  p: told('Paused', 3),
  u: anUpdate(3, { state: 'Unknown', stateError: 'gone quiet' }),
  d: aDelete(3),
  o: told('Running', 9, 'other'),
  x: aDelete(9, 'other'),
};

const text = ({ state, stateError, timedOut, via, elapsedMs, reads }: WaitOutcome): string =>
  `${state}${stateError === undefined ? '' : ` (${stateError})`} via ${via} after ${String(elapsedMs)} ms, ` +
  `${String(reads)} reads${timedOut ? ', timed out' : ''}`;

const tagOf = (error: unknown): Observable<string> => of((error as { readonly _tag: string })._tag);

interface Scene {
  readonly target?: State | readonly State[];
  readonly options?: WaitOptions;
  /** Drawn with the letters of {@link events}. */
  readonly events?: string;
  readonly read?: StateSource['read'];
  readonly refresh?: StateSource['refresh'];
  /** When the events are subscribed to and left. */
  readonly subscribed?: string;
}

/** Plays a scene in virtual time: the wait says `said` when `when` says so; what fails says its tag. */
const play = (scene: Scene, when: string, said?: string): void => {
  marbles((helpers) => {
    const { result$, source$ } = stage(helpers, scene);
    helpers.expectObservable(result$).toBe(when, said === undefined ? {} : { x: said });
    if (scene.subscribed !== undefined) {
      helpers.expectSubscriptions(source$.subscriptions).toBe(scene.subscribed);
    }
  });
};

const stage = ({ hot }: Marbles, scene: Scene) => {
  const { target = 'Running', read = () => of(created), refresh, options } = scene;
  const source$ = hot<LifecycleEvent>(scene.events ?? '-', events);
  const source: StateSource = { events: () => source$, read, ...(refresh === undefined ? {} : { refresh }) };
  return {
    source$,
    result$: waitForState(source, 'a', target as WaitTarget, options).pipe(map(text), catchError(tagOf)),
  };
};

describe('a wait is decided', () => {
  test('by the read, at once, when the target is there already', () => {
    play(
      { read: () => of(view('Running')), subscribed: '(^!)' },
      '(x|)',
      'Running via read after 0 ms, 1 reads',
    );
  });

  test('by the event that tells the target, long before the poll', () => {
    play(
      { events: '7ms i 12ms r', subscribed: '^ 19ms !' },
      '20ms (x|)',
      'Running via event after 20 ms, 1 reads',
    );
  });

  test('by a poll, every 5 s, when no event tells', () => {
    const looks = [created, created, view('Running', 2)];
    play(
      { read: () => defer(() => of(looks.shift() ?? created)), subscribed: '^ 9999ms !' },
      '10s (x|)',
      'Running via poll after 10000 ms, 3 reads',
    );
  });

  test('by a poll that asks for the truth, where that may differ from what is known', () => {
    play(
      { refresh: () => of(view('Running', 2)), options: { pollMs: 30 } },
      '30ms (x|)',
      'Running via poll after 30 ms, 2 reads',
    );
  });

  test('by any of several targets', () => {
    const target: readonly State[] = ['Standby', 'Running'];
    play({ target, events: '-i-y' }, '---(x|)', 'Standby via event after 3 ms, 1 reads');
    play({ target, events: '-i-r' }, '---(x|)', 'Running via event after 3 ms, 1 reads');
  });

  test.each<[string, State]>([
    ['s', 'Stopped'],
    ['y', 'Standby'],
    ['h', 'Shutdown'],
    ['p', 'Paused'],
  ])('by a state that leads nowhere by itself, not timed out: %s', (letter, state) => {
    play({ events: `--${letter}` }, '--(x|)', `${state} via event after 2 ms, 1 reads`);
    play({ target: state, events: `--${letter}` }, '--(x|)', `${state} via event after 2 ms, 1 reads`);
    play({ read: () => of(view(state)) }, '(x|)', `${state} via read after 0 ms, 1 reads`);
  });

  test('by Unknown, with its reason, whatever is waited for', () => {
    for (const target of ['Running', 'Stopped', ['Standby', 'Paused']] as const) {
      play({ target, events: '-u' }, '-(x|)', 'Unknown (gone quiet) via event after 1 ms, 1 reads');
    }
  });

  test('by no state on the way', () => {
    play({ events: '-c-i-r' }, '-----(x|)', 'Running via event after 5 ms, 1 reads');
    play(
      { target: 'Stopped', events: '-i 5ms r 5ms s' },
      '13ms (x|)',
      'Stopped via event after 13 ms, 1 reads',
    );
  });

  test('by nothing that happens to another instance', () => {
    play({ events: '-o-x-r' }, '-----(x|)', 'Running via event after 5 ms, 1 reads');
  });

  test('by the deadline, after one last look, with the newest view', () => {
    play(
      { events: '-i', options: { timeoutMs: 40, pollMs: 30 } },
      '40ms (x|)',
      'Initializing via deadline after 40 ms, 3 reads, timed out',
    );
  });

  test('by the deadline after 60 s, when nothing else is said', () => {
    play({}, '60s (x|)', 'Initializing via deadline after 60000 ms, 13 reads, timed out');
  });

  test('by what the last look finds, not timed out', () => {
    const looks = [created, view('Running', 2)];
    play(
      { read: () => defer(() => of(looks.shift() ?? created)), options: { timeoutMs: 40 } },
      '40ms (x|)',
      'Running via deadline after 40 ms, 2 reads',
    );
  });

  test('at the deadline without a last look that does not come within a second', () => {
    play(
      { refresh: () => NEVER, options: { timeoutMs: 40 } },
      '1040ms (x|)',
      'Initializing via deadline after 1040 ms, 1 reads, timed out',
    );
  });

  test('within subscribe, when there is no time to wait', () => {
    play({ options: { timeoutMs: 0 } }, '(x|)', 'Initializing via deadline after 0 ms, 2 reads, timed out');
  });
});

describe('a wait fails', () => {
  test('when the instance is deleted', () => {
    play({ events: '-i-d', subscribed: '^--!' }, '---(x|)', 'InstanceNotFound');
  });

  test('when its source closes, which is not told as a deletion', () => {
    play({ events: '-i-|', subscribed: '^--!' }, '---(x|)', 'ManagerClosed');
  });

  test('with the error of the events', () => {
    marbles((helpers) => {
      const failure = new Error('of the events');
      const source = { events: () => helpers.cold<never>('--#', {}, failure), read: () => of(created) };
      helpers.expectObservable(waitForState(source, 'a', 'Running')).toBe('--#', {}, failure);
    });
  });

  test.each([
    ['InstanceNotFound', new InstanceNotFound({ idOrName: 'a' })],
    ['ManagerClosed', new ManagerClosed()],
  ])('with %s, whichever look finds it', (tag, failure) => {
    const fails = () => throwError(() => failure);
    play({ read: fails, subscribed: '(^!)' }, '(x|)', tag);
    play({ refresh: fails, options: { pollMs: 20 } }, '20ms (x|)', tag);
    play({ refresh: fails, options: { timeoutMs: 20 } }, '20ms (x|)', tag);
  });

  test('with StateUnreadable at the deadline, when no look succeeded, and tells the last failure', async () => {
    const failures = ['first', 'second', 'third'].map((message) => new Error(message));
    const source = { events: () => NEVER, read: () => throwError(() => failures.shift()) };
    const wait$ = waitForState(source, 'a', 'Running', { timeoutMs: 3, pollMs: 2 });
    await expect(firstValueFrom(wait$)).rejects.toMatchObject({
      _tag: 'StateUnreadable',
      instanceId: 'a',
      cause: { message: 'third' },
    });
  });

  test('with StateUnreadable and no cause, when no look ended', () => {
    marbles(({ flush }) => {
      const failures: unknown[] = [];
      waitForState({ events: () => NEVER, read: () => NEVER }, 'a', 'Running').subscribe({
        error: (error: unknown) => failures.push(error),
      });
      flush();
      expect(failures).toEqual([expect.objectContaining({ _tag: 'StateUnreadable' })]);
      expect(failures[0]).not.toHaveProperty('cause');
    });
  });
});

describe('a wait misses nothing', () => {
  test('that happens between the subscribe and the read: the events are heard first', () => {
    const changes$ = new Subject<LifecycleEvent>();
    const source: StateSource = {
      events: () => changes$,
      // It changes while it is read, and the read tells what was.
      read: () =>
        defer(() => {
          changes$.next(events.r);
          return of(created);
        }),
    };
    marbles(({ expectObservable }) => {
      expectObservable(waitForState(source, 'a', 'Running').pipe(map(text))).toBe('(x|)', {
        x: 'Running via event after 0 ms, 0 reads',
      });
    });
  });

  test('that happens while the read is under way', () => {
    play(
      { events: '4ms r', read: () => of(created).pipe(delay(10)), subscribed: '^ 3ms !' },
      '4ms (x|)',
      'Running via event after 4 ms, 0 reads',
    );
  });

  test('for a first observation that is not the target: it decides nothing', () => {
    play(
      { events: '2ms i 7ms r', refresh: () => of(view('Initializing', 2)), options: { pollMs: 5 } },
      '10ms (x|)',
      'Running via event after 10 ms, 2 reads',
    );
  });

  test('for a look that fails, throws or ends without a value: it is passed over', () => {
    const failing: readonly StateSource['read'][] = [
      () => throwError(() => new Error('busy')),
      () => {
        throw new Error('not even an Observable');
      },
      () => EMPTY,
    ];
    for (const read of failing) {
      play(
        { read, events: '15ms r', options: { pollMs: 4 } },
        '15ms (x|)',
        'Running via event after 15 ms, 4 reads',
      );
    }
  });

  test('for a read that never ends', () => {
    const read = () => concat(of(created), NEVER);
    play({ read, events: '15ms r' }, '15ms (x|)', 'Running via event after 15 ms, 1 reads');
  });
});

describe('a wait is not misled', () => {
  test('by a read that began before a newer event was told', () => {
    const slow = (state: State) => ({ read: () => of(view(state, 1)).pipe(delay(10)) });
    for (const state of ['Running', 'Stopped', 'Unknown'] as const) {
      play({ ...slow(state), events: '5ms i 14ms r' }, '20ms (x|)', 'Running via event after 20 ms, 1 reads');
    }
  });

  test('by a poll that is overtaken by a newer event', () => {
    play(
      {
        events: '55ms i 14ms r',
        refresh: () => of(view('Running', 1)).pipe(delay(10)),
        options: { pollMs: 50 },
      },
      '70ms (x|)',
      'Running via event after 70 ms, 2 reads',
    );
  });

  test('by an event that is older than what a poll has found', () => {
    play(
      {
        events: '30ms s',
        refresh: () => of(view('Initializing', 7)),
        options: { pollMs: 20, timeoutMs: 50 },
      },
      '50ms (x|)',
      'Initializing via deadline after 50 ms, 4 reads, timed out',
    );
  });

  test('by a source that tells the events of all', () => {
    play({ events: '-x-o-r' }, '-----(x|)', 'Running via event after 5 ms, 1 reads');
  });
});

describe('polls', () => {
  test('that are slower than their interval are waited for, and never overlap', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const looks = [
        cold<Instance>('35ms (i|)', { i: created }),
        cold<Instance>('35ms (r|)', { r: view('Running', 2) }),
      ];
      let asked = 0;
      const source: StateSource = {
        events: () => NEVER,
        read: () => of(created),
        refresh: () => looks[asked++] as Observable<Instance>,
      };
      const result$ = waitForState(source, 'a', 'Running', { pollMs: 10 }).pipe(map(text));
      // The first begins after 10 ms and ends after 45, the next begins 10 ms later.
      expectObservable(result$).toBe('90ms (x|)', { x: 'Running via poll after 90 ms, 3 reads' });
      expectSubscriptions(looks[0]?.subscriptions ?? []).toBe('10ms ^ 34ms !');
      expectSubscriptions(looks[1]?.subscriptions ?? []).toBe('55ms ^ 34ms !');
    });
  });

  test('are stopped with the wait, also those under way', () => {
    marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const look$ = cold<Instance>('1s (i|)', { i: created });
      const source$ = hot<LifecycleEvent>('30ms r', events);
      const source: StateSource = {
        events: () => source$,
        read: () => of(created),
        refresh: () => look$,
      };
      expectObservable(waitForState(source, 'a', 'Running', { pollMs: 20 }).pipe(map(text))).toBe(
        '30ms (x|)',
        {
          x: 'Running via event after 30 ms, 1 reads',
        },
      );
      expectSubscriptions(look$.subscriptions).toBe('20ms ^ 9ms !');
    });
  });
});

describe('an AbortSignal', () => {
  const reason = new Error('changed my mind');

  test('that has aborted ends the wait before anything is asked', () => {
    const subscribed = jest.fn();
    const asked = () => new Observable<never>(subscribed);
    const failures: unknown[] = [];
    const options = { signal: AbortSignal.abort(reason) };
    waitForState({ events: asked, read: asked }, 'a', 'Running', options).subscribe({
      error: (error: unknown) => failures.push(error),
    });
    expect(failures).toEqual([reason]);
    expect(subscribed).not.toHaveBeenCalled();
  });

  test('ends the wait with its reason, whatever that is, while events are awaited and while a read is under way', () => {
    for (const read of [() => of(created), () => NEVER]) {
      for (const why of [reason, 'a text', 0, null]) {
        const controller = new AbortController();
        const failures: unknown[] = [];
        const options = { signal: controller.signal };
        waitForState({ events: () => NEVER, read }, 'a', 'Running', options).subscribe({
          error: (error: unknown) => failures.push(error),
        });
        controller.abort(why);
        expect(failures).toEqual([why]);
      }
    }
  });

  test('comes before the deadline when both are due', () => {
    marbles(({ expectObservable }) => {
      const controller = new AbortController();
      timer(40).subscribe(() => {
        controller.abort(reason);
      });
      const source = { events: () => NEVER, read: () => of(created) };
      const options = { signal: controller.signal, timeoutMs: 40 };
      expectObservable(waitForState(source, 'a', 'Running', options)).toBe('40ms #', {}, reason);
    });
  });

  test('is left by its listener however the wait ends', () => {
    const { signal } = new AbortController();
    const listeners = (): number => getEventListeners(signal, 'abort').length;
    const source = (events$: Observable<LifecycleEvent>, read$: Observable<Instance> = of(created)) => ({
      events: () => events$,
      read: () => read$,
    });
    const ignore = { error: () => undefined };
    waitForState(source(NEVER, of(view('Running'))), 'a', 'Running', { signal }).subscribe();
    waitForState(source(of(events.r)), 'a', 'Running', { signal }).subscribe();
    waitForState(source(of(events.d)), 'a', 'Running', { signal }).subscribe(ignore);
    waitForState(source(EMPTY), 'a', 'Running', { signal }).subscribe(ignore);
    expect(listeners()).toBe(0);
    const waiting = waitForState(source(NEVER), 'a', 'Running', { signal }).subscribe();
    expect(listeners()).toBe(1);
    waiting.unsubscribe();
    expect(listeners()).toBe(0);
  });
});

describe('a wait leaves nothing behind', () => {
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

  test('no timer and no subscription, of a hundred that are decided and a hundred that are left', () => {
    const before = timers();
    const changes$ = new Subject<LifecycleEvent>();
    const source = { events: () => changes$, read: () => of(created) };
    const outcomes: WaitOutcome[] = [];
    const waits = Array.from({ length: 200 }, () => waitForState(source, 'a', 'Running'));
    const subscriptions = waits.map((wait$) => wait$.subscribe((outcome) => outcomes.push(outcome)));
    expect(timers()).toBeGreaterThan(before);
    for (const subscription of subscriptions.slice(100)) subscription.unsubscribe();
    changes$.next(events.r);
    expect(outcomes).toHaveLength(100);
    expect(timers()).toBe(before);
    expect(changes$.observed).toBe(false);
  });

  test('no source that decides while it is subscribed to, which is asked nothing more', () => {
    const left = jest.fn();
    const read = jest.fn(() => of(created));
    const source: StateSource = {
      events: () =>
        new Observable((subscriber) => {
          subscriber.next(events.r);
          return left;
        }),
      read,
    };
    const outcomes: string[] = [];
    waitForState(source, 'a', 'Running').subscribe(({ state, via }) => outcomes.push(`${state} via ${via}`));
    expect(outcomes).toEqual(['Running via event']);
    expect(left).toHaveBeenCalledTimes(1);
    expect(read).not.toHaveBeenCalled();
  });

  test.each([
    ['decided', '30ms r', undefined, '^ 29ms !'],
    ['at its last look', '-', 50, '^ 49ms !'],
  ])('no first read that is still under way when the wait is %s', (_, told$, timeoutMs, read) => {
    marbles(({ cold, hot, flush, expectSubscriptions }) => {
      const read$ = cold<Instance>('-');
      const source$ = hot<LifecycleEvent>(told$, events);
      const source: StateSource = { events: () => source$, read: () => read$, refresh: () => NEVER };
      waitForState(source, 'a', 'Running', timeoutMs === undefined ? {} : { timeoutMs })
        .pipe(map(text), catchError(tagOf))
        .subscribe();
      expectSubscriptions(read$.subscriptions).toBe(read);
      flush();
    });
  });

  test('and each subscription waits anew, on its own clock', () => {
    marbles(({ hot, expectObservable }) => {
      const source$ = hot<LifecycleEvent>('-i 8ms r', events);
      const wait$ = waitForState({ events: () => source$, read: () => of(created) }, 'a', 'Running').pipe(
        map(text),
      );
      expectObservable(wait$).toBe('10ms (x|)', { x: 'Running via event after 10 ms, 1 reads' });
      expectObservable(wait$, '4ms ^').toBe('10ms (x|)', {
        x: 'Running via event after 6 ms, 1 reads',
      });
    });
  });
});

describe('waits over one source', () => {
  test('share its polls, and those over another do not', async () => {
    let looks = 0;
    const sourceOf = (refresh: StateSource['refresh']): StateSource => ({
      events: () => NEVER,
      read: () => of(created),
      ...(refresh === undefined ? {} : { refresh }),
    });
    const source = sourceOf(() => {
      looks += 1;
      return of(view('Running', 2));
    });
    const wait = (of: StateSource): Promise<WaitOutcome> =>
      firstValueFrom(waitForState(of, 'a', 'Running', { pollMs: 1 }));
    const outcomes = await Promise.all([wait(source), wait(source), wait(source)]);
    expect([looks, outcomes.map(({ via, reads }) => `${via} ${String(reads)}`)]).toEqual([
      1,
      ['poll 2', 'poll 2', 'poll 2'],
    ]);
    await Promise.all([wait(sourceOf(source.refresh)), wait(source)]);
    expect(looks).toBe(3);
  });

  test('are not hurt by one that throws at its end, which is told as RxJS tells it', async () => {
    const changes$ = new Subject<LifecycleEvent>();
    const source = { events: () => changes$, read: () => of(created) };
    const failure = new Error('of a teardown');
    const unhandled = new Promise((resolve) => {
      config.onUnhandledError = resolve;
    });
    const tearDown = (): never => {
      throw failure;
    };
    waitForState(source, 'a', 'Running').pipe(finalize(tearDown)).subscribe();
    const other = firstValueFrom(waitForState(source, 'a', 'Running'));
    changes$.next(events.r);
    expect([(await other).via, await unhandled]).toMatchObject(['event', { errors: [failure] }]);
    config.onUnhandledError = null;
  });
});

describe('what cannot be understood is refused', () => {
  it('by the types too: nothing can wait for Unknown', () => {
    const source = { events: () => NEVER, read: () => of(created) };
    // @ts-expect-error -- no state that can be waited for
    void waitForState(source, 'a', 'Unknown');
    // @ts-expect-error -- nor in a list
    void waitForState(source, 'a', ['Stopped', 'Unknown']);
    const target: WaitTarget = 'Stopped';
    expect(waitForState(source, 'a', target)).toBeDefined();
  });

  const faultsOf = async (target: unknown, options: object = {}): Promise<unknown> => {
    const source = { events: () => NEVER, read: () => of(created) };
    const error: unknown = await firstValueFrom(
      waitForState(source, 'a', target as WaitTarget, options),
    ).catch((failure: unknown) => failure);
    const { _tag, faults } = error as { readonly _tag: string; readonly faults: readonly object[] };
    expect(_tag).toBe('InvalidRequest');
    return faults;
  };
  const reachable = states.filter((state) => state !== 'Unknown').join(', ');

  test.each<[unknown, string, string, string]>([
    ['running', 'target', "'running'", `one of ${reachable}`],
    ['Unknown', 'target', "'Unknown'", `one of ${reachable}`],
    [undefined, 'target', 'nothing', `one of ${reachable}`],
    [[], 'target', '[]', 'a state, or a list of 1 to 8'],
    [['Running', 'off'], 'target[1]', "'off'", `one of ${reachable}`],
    [['Running', 'Unknown'], 'target[1]', "'Unknown'", `one of ${reachable}`],
  ])('target %p', async (target, path, found, expected) => {
    expect(await faultsOf(target)).toEqual([{ path, found, expected }]);
  });

  test.each<[object, string, string]>([
    [{ timeoutMs: -1 }, 'timeoutMs', '-1'],
    [{ timeoutMs: 2_147_483_648 }, 'timeoutMs', '2147483648'],
    [{ pollMs: 300_001 }, 'pollMs', '300001'],
    [{ timeoutMs: NaN }, 'timeoutMs', 'NaN'],
    [{ timeoutMs: '5s' }, 'timeoutMs', "'5s'"],
    [{ pollMs: 0 }, 'pollMs', '0'],
    [{ pollMs: 1.5 }, 'pollMs', '1.5'],
    [{ signal: {} }, 'signal', '{}'],
    [{ timeout: 5 }, 'timeout', 'a number'],
  ])('options %p', async (options, path, found) => {
    expect(await faultsOf('Running', options)).toEqual([expect.objectContaining({ path, found })]);
  });

  test.each([
    ['an AbortController where its signal was meant', new AbortController()],
    ['an AbortSignal', new AbortController().signal],
  ])('%s is no object of options', async (_, options) => {
    expect(await faultsOf('Running', options)).toEqual([expect.objectContaining({ path: '' })]);
  });

  test('and every fault is told at once', async () => {
    expect(await faultsOf('on', { timeoutMs: -1, pollMs: 0 })).toHaveLength(3);
  });
});
