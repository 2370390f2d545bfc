import fc from 'fast-check';
import { catchError, defer, firstValueFrom, map, NEVER, of, Subject, throwError } from 'rxjs';
import { InstanceNotFound } from '../../src/lifecycle/errors.js';
import type { LifecycleEvent } from '../../src/lifecycle/event.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import { type State, states } from '../../src/lifecycle/state.js';
import { type StateSource, waitForState } from '../../src/streams/waitForState.js';
import type { WaitOptions } from '../../src/streams/waitOptions.js';
import type { WaitOutcome } from '../../src/streams/waits.js';
import { aDelete, anInstance, anUpdate } from '../support/lifecycleEvents.js';
import { marbles } from '../support/marbles.js';

const deadEnds = ['Unknown', 'Stopped', 'Standby', 'Shutdown', 'Paused'] as const;
const text = ({ state, reached, timedOut, via, elapsedMs }: WaitOutcome): string =>
  `${state} via ${via} after ${String(elapsedMs)}${reached ? ', reached' : ''}${timedOut ? ', timed out' : ''}`;

/** Plays events in virtual time: what the wait says, or the tag of its error. */
const play = (
  drawn: string,
  events: Readonly<Record<string, LifecycleEvent>>,
  options: WaitOptions,
  when: string,
  said: string,
  read: StateSource['read'] = () => of(anInstance({ state: 'Initializing' })),
): void => {
  marbles(({ hot, expectObservable }) => {
    const source$ = hot<LifecycleEvent>(drawn, { ...events });
    const result$ = waitForState({ events: () => source$, read }, 'a', 'Running', options).pipe(
      map(text),
      catchError((error: unknown) => of((error as { readonly _tag: string })._tag)),
    );
    expectObservable(result$).toBe(when, { x: said });
  });
};

const running = anUpdate(3, { state: 'Running' });

describe('a wait that may go through a state', () => {
  it.each(deadEnds)('is not ended by that: %s', (state) => {
    const events = { s: anUpdate(2, { state }), r: running };
    play('-s-r', events, { through: [state] }, '---(x|)', 'Running via event after 3, reached');
  });

  it.each(deadEnds)('is ended by any other: %s', (state) => {
    const events = { s: anUpdate(2, { state }), r: running };
    const through = deadEnds.filter((other) => other !== state);
    play('-s-r', events, { through }, '-(x|)', `${state} via event after 1`);
  });

  it('also where it is there from the beginning', () => {
    const stopped = () => of(anInstance({ state: 'Stopped' }));
    play(
      '---r',
      { r: running },
      { through: ['Stopped'] },
      '---(x|)',
      'Running via event after 3, reached',
      stopped,
    );
  });

  it('ends at the deadline, not reached', () => {
    const events = { s: anUpdate(2, { state: 'Stopped' }) };
    const read = () => of(anInstance({ state: 'Stopped', revision: 2 }));
    play(
      '-s',
      events,
      { through: ['Stopped'], timeoutMs: 5 },
      '5ms (x|)',
      'Stopped via deadline after 5, timed out',
      read,
    );
  });

  it('ends with the first state that is a target or that it may not go through, whatever comes', async () => {
    const anyStates = fc.uniqueArray(fc.constantFrom(...states.filter((state) => state !== 'Unknown')), {
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...states), { minLength: 1, maxLength: 12 }),
        anyStates,
        fc.subarray([...deadEnds]),
        async (told, targets, through) => {
          const ends = (state: State): boolean =>
            (targets as readonly State[]).includes(state) ||
            ((deadEnds as readonly State[]).includes(state) &&
              !(through as readonly State[]).includes(state));
          const events$ = new Subject<LifecycleEvent>();
          const source = { events: () => events$, read: () => NEVER };
          const outcome = firstValueFrom(
            waitForState(source, 'a', targets, { through, timeoutMs: 300_000 }),
            { defaultValue: undefined },
          ).catch((error: unknown) => error);
          told.forEach((state, index) => {
            events$.next(anUpdate(index + 1, { state }));
          });
          const expected = told.find(ends);
          if (expected === undefined) {
            expect(events$.observed).toBe(true);
            events$.complete();
            await expect(outcome).resolves.toMatchObject({ _tag: 'ManagerClosed' });
          } else {
            await expect(outcome).resolves.toMatchObject({
              ...{
                state: expected,
                reached: (targets as readonly State[]).includes(expected),
                timedOut: false,
                via: 'event',
              },
            });
          }
        },
      ),
    );
  });

  it.each<[unknown, readonly object[]]>([
    [['Running'], [{ path: 'through[0]', found: "'Running'" }]],
    ['Stopped', [{ path: 'through', found: "'Stopped'" }]],
    [['Stopped', 7], [{ path: 'through[1]', found: '7' }]],
  ])('is told which states there are to go through: %j', async (through, faults) => {
    const wait$ = waitForState({ events: () => NEVER, read: () => NEVER }, 'a', 'Running', {
      through: through as never,
    });
    await expect(firstValueFrom(wait$)).rejects.toMatchObject({ _tag: 'InvalidRequest', faults });
  });
});

describe('a wait for what may be absent', () => {
  const absent = () => throwError(() => new InstanceNotFound({ idOrName: 'a' }));
  const mayBeAbsent = true;

  it('is decided by the first event of it', () => {
    play('--r', { r: running }, { mayBeAbsent }, '--(x|)', 'Running via event after 2, reached', absent);
  });

  it('is decided by the first poll that finds it', () => {
    let looks = 0;
    const read = () =>
      defer(() => {
        looks += 1;
        return looks < 3 ? absent() : of<Instance>(anInstance());
      });
    play('-', {}, { mayBeAbsent, pollMs: 10 }, '20ms (x|)', 'Running via poll after 20, reached', read);
  });

  it('fails at the deadline when it never comes', () => {
    play('-', {}, { mayBeAbsent, timeoutMs: 30, pollMs: 10 }, '30ms (x|)', 'InstanceNotFound', absent);
  });

  it('fails when it came and is deleted', () => {
    const events = { i: anUpdate(2, { state: 'Initializing' }), d: aDelete(3) };
    play('-i-d', events, { mayBeAbsent }, '---(x|)', 'InstanceNotFound', absent);
  });

  it('fails when it came and a poll does not find it any more', () => {
    const events = { i: anUpdate(2, { state: 'Initializing' }) };
    play('-i', events, { mayBeAbsent, pollMs: 10 }, '10ms (x|)', 'InstanceNotFound', absent);
  });

  it('fails at once without being told so', () => {
    play('--r', { r: running }, {}, '(x|)', 'InstanceNotFound', absent);
  });
});
