import { getEventListeners } from 'node:events';
import { catchError, firstValueFrom, map, merge, type Observable, of, timer, toArray } from 'rxjs';
import {
  type Instance,
  type InstanceManager,
  openManager,
  type WaitTarget,
  type WaitOptions,
  type WaitOutcome,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { marbles } from '../support/marbles.js';

const readiness = { kind: 'tcp', port: 80 } as const;

let driver: MemoryDriver;
let manager: InstanceManager;
let looks: number;

async function open(options: Parameters<typeof createMemoryDriver>[0] = {}): Promise<void> {
  looks = 0;
  driver = createMemoryDriver({
    ...options,
    fail: (operation) => {
      if (operation === 'inspect') looks += 1;
      return undefined;
    },
  });
  manager = await openManager({ drivers: [driver] });
}

beforeEach(() => open());
afterEach(() => manager.close());

/** Creates an instance, which is done within the call. */
function create(name = 'web', fields: object = {}): Instance {
  let created: Instance | undefined;
  manager.create({ name, image: 'any', ...fields }).subscribe((instance) => {
    created = instance;
  });
  return created as Instance;
}

const text = ({ state, via, elapsedMs, timedOut }: WaitOutcome): string =>
  `${state} by ${via} after ${String(elapsedMs)}${timedOut ? ', timed out' : ''}`;

/** What a wait says, or the tag of its error. */
const wait = (
  target: WaitTarget | readonly WaitTarget[],
  options?: WaitOptions,
  name = 'web',
): Observable<string> =>
  manager.waitForState(name, target, options).pipe(
    map(text),
    catchError((error: unknown) => of((error as { readonly _tag: string })._tag)),
  );

/** Plays: at a time, something happens. */
const at = (ms: number, happen: () => unknown): void => {
  timer(ms).subscribe(() => {
    happen();
  });
};

const run = (verb$: Observable<unknown>) => () => verb$.subscribe();

describe('a wait', () => {
  it('ends with the Stopped of a restart that comes meanwhile; one after the restart does not see it', () => {
    marbles(({ expectObservable }) => {
      const { id } = create('web', { readiness });
      expectObservable(wait('Running')).toBe('--(x|)', { x: 'Stopped by event after 2' });
      at(2, run(manager.restart('web')));
      expectObservable(wait('Running'), '---^').toBe('-----(x|)', { x: 'Running by event after 2' });
      at(5, () => {
        driver.machine(id).ready();
      });
    });
  });

  it('is answered at once where the state is there already, or nothing leads to it any more', () => {
    marbles(({ expectObservable }) => {
      create();
      create('stopped');
      create('standby');
      manager.stop('stopped').subscribe();
      manager.standby('standby').subscribe();
      expectObservable(wait('Running')).toBe('(x|)', { x: 'Running by read after 0' });
      expectObservable(wait('Stopped', {}, 'stopped')).toBe('(x|)', { x: 'Stopped by read after 0' });
      expectObservable(wait('Standby', {}, 'standby')).toBe('(x|)', { x: 'Standby by read after 0' });
      expectObservable(wait('Running', {}, 'stopped')).toBe('(x|)', { x: 'Stopped by read after 0' });
      expectObservable(wait(['Running', 'Paused'], {}, 'standby')).toBe('(x|)', {
        x: 'Standby by read after 0',
      });
    });
  });

  it.each<[string, (id: string) => unknown, string]>([
    ['the target', (id) => driver.machine(id).ready(), 'Running by event after 1500'],
    ['a stop', (id) => manager.stop(id).subscribe(), 'Stopped by event after 1500'],
    ['a crash', (id) => driver.machine(id).exit({ code: 1, signal: null }), 'Stopped by event after 1500'],
    ['the loss of its machine', (id) => driver.machine(id).lose('silence'), 'Unknown by event after 1500'],
    [
      'a halt that somebody looked for',
      (id) => {
        driver.machine(id).halt();
        manager.refresh(id).subscribe();
      },
      'Paused by event after 1500',
    ],
    ['its deletion', (id) => manager.delete(id).subscribe(), 'InstanceNotFound'],
  ])('for Running is ended by %s, long before the poll', (_, happen, said) => {
    marbles(({ expectObservable }) => {
      const { id } = create('web', { readiness });
      at(1_500, () => happen(id));
      expectObservable(wait('Running')).toBe('1500ms (x|)', { x: said });
    });
  });

  it('passes over what happens to others, whatever that is', () => {
    marbles(({ expectObservable }) => {
      create('web', { readiness });
      const other = create('other', { readiness });
      at(10, () => driver.machine(other.id).ready());
      at(20, run(manager.stop('other')));
      at(30, run(manager.delete('other')));
      expectObservable(wait('Running', { timeoutMs: 100 })).toBe('100ms (x|)', {
        x: 'Initializing by deadline after 100, timed out',
      });
    });
  });

  it('passes over what changes nothing that it waits for', () => {
    marbles(({ expectObservable }) => {
      const { id } = create('web', { readiness });
      at(10, run(manager.update(id, { tags: { a: 'b' } })));
      at(20, run(manager.refresh(id)));
      at(30, () => driver.machine(id).ready());
      expectObservable(wait('Running')).toBe('30ms (x|)', { x: 'Running by event after 30' });
    });
  });

  it('finds with its poll, after 5 s, what no event told', () => {
    marbles(({ expectObservable }) => {
      const { id } = create();
      at(1, () => driver.machine(id).halt());
      expectObservable(wait('Stopped')).toBe('5s (x|)', { x: 'Paused by event after 5000' });
    });
  });

  it('finds with its last look, at the deadline, what no event told', () => {
    marbles(({ expectObservable }) => {
      const { id } = create();
      at(1, () => driver.machine(id).halt());
      expectObservable(wait('Paused', { timeoutMs: 300 })).toBe('300ms (x|)', {
        x: 'Paused by event after 300',
      });
    });
  });

  it('goes through a restart: the stop in it is an end, unless the wait begins with it', () => {
    marbles(({ expectObservable }) => {
      const { id } = create('web', { readiness });
      at(10, run(manager.restart(id)));
      at(20, () => driver.machine(id).ready());
      expectObservable(wait('Running')).toBe('10ms (x|)', { x: 'Stopped by event after 10' });
      expectObservable(wait('Running'), '11ms ^').toBe('20ms (x|)', { x: 'Running by event after 9' });
    });
  });
});

describe('a verb under way at the deadline', () => {
  it('that ends within the second after it counts', async () => {
    await open({ stopMs: 500 });
    marbles(({ expectObservable }) => {
      const { id } = create();
      at(50, run(manager.stop(id)));
      expectObservable(wait('Stopped', { timeoutMs: 100 })).toBe('550ms (x|)', {
        x: 'Stopped by event after 550',
      });
    });
  });

  it('that takes longer does not hold the wait', async () => {
    await open({ stopMs: 3_000 });
    marbles(({ expectObservable }) => {
      const { id } = create();
      at(50, run(manager.stop(id)));
      expectObservable(wait('Stopped', { timeoutMs: 100 })).toBe('1100ms (x|)', {
        x: 'Running by deadline after 1100, timed out',
      });
    });
  });
});

describe('many waits', () => {
  it('for one instance are all woken by one event, and cost one look for each poll', () => {
    marbles(({ expectObservable, flush }) => {
      const { id } = create('web', { readiness });
      at(12_000, () => driver.machine(id).ready());
      const waits = merge(...Array.from({ length: 1_000 }, () => wait('Running'))).pipe(
        toArray(),
        map((said) => [said.length, ...new Set(said)]),
      );
      expectObservable(waits).toBe('12s (x|)', { x: [1_000, 'Running by event after 12000'] });
      flush();
      expect(looks).toBe(2);
      expect(manager.stats()['wait_for_state']).toMatchObject({ subscribers: 0, maxQueueDepth: 0 });
    });
  });

  it('for one instance are all told of its deletion', () => {
    marbles(({ expectObservable }) => {
      const { id } = create();
      at(40, run(manager.delete(id)));
      const targets: readonly WaitTarget[] = ['Stopped', 'Standby', 'Paused', 'Shutdown'];
      const waits = merge(...targets.map((target) => wait(target))).pipe(toArray());
      expectObservable(waits).toBe('40ms (x|)', { x: Array(4).fill('InstanceNotFound') });
    });
  });

  it('are all told that the manager closes', async () => {
    create();
    create('other');
    const said = Promise.all(
      ['web', 'other', 'web'].map((name) => firstValueFrom(wait('Stopped', {}, name))),
    );
    await manager.close();
    await expect(said).resolves.toEqual(Array(3).fill('ManagerClosed'));
  });
});

describe('an AbortSignal', () => {
  const reason = new Error('changed my mind');

  it('that has aborted ends the wait with its reason, though the state is there', async () => {
    create();
    const wait$ = manager.waitForState('web', 'Running', { signal: AbortSignal.abort(reason) });
    await expect(firstValueFrom(wait$)).rejects.toBe(reason);
    expect(manager.stats()['wait_for_state']?.subscribers).toBe(0);
  });

  it('ends a wait that is under way, at once, and is then left alone', async () => {
    create();
    const controller = new AbortController();
    const waits = (['Stopped', 'Standby'] as const).map((target) =>
      firstValueFrom(manager.waitForState('web', target, { signal: controller.signal })),
    );
    const settled = Promise.allSettled(waits);
    controller.abort(reason);
    await expect(settled).resolves.toEqual(Array(2).fill({ status: 'rejected', reason }));
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    expect(manager.stats()['wait_for_state']?.subscribers).toBe(0);
  });

  it('keeps no listener of fifty waits that ended otherwise', async () => {
    create();
    const { signal } = new AbortController();
    await Promise.all(
      Array.from({ length: 50 }, () => firstValueFrom(manager.waitForState('web', 'Running', { signal }))),
    );
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('how long a wait may take', () => {
  const reopen = async (maxWaitTimeoutMs: number): Promise<void> => {
    await manager.close();
    const config = { instances: { lifecycleEventBufferSize: 256, maxWaitTimeoutMs } };
    manager = await openManager({ drivers: [createMemoryDriver()], config });
  };
  const refused = async (timeoutMs: number): Promise<unknown> =>
    firstValueFrom(manager.waitForState('web', 'Running', { timeoutMs })).catch((error: unknown) => error);

  it('is 5 minutes at most, if nothing is said, and the error names what says it', async () => {
    create();
    expect(await refused(300_001)).toMatchObject({
      _tag: 'InvalidRequest',
      message:
        'timeoutMs: found 300001, expected milliseconds, at most instances.max_wait_timeout (a whole number from 0 to 300000)',
    });
  });

  it('is as much as the configuration says', async () => {
    await reopen(7_200_000);
    expect(await refused(7_200_001)).toMatchObject({
      message: expect.stringContaining('from 0 to 7200000') as string,
    });
    marbles(({ expectObservable }) => {
      create('web', { readiness });
      expectObservable(wait('Running', { timeoutMs: 7_200_000 })).toBe('7200s (a|)', {
        a: 'Initializing by deadline after 7200000, timed out',
      });
    });
  });

  it('is also how long one takes that says nothing, where that is less than a minute', async () => {
    await reopen(2_000);
    marbles(({ expectObservable }) => {
      create('web', { readiness });
      expectObservable(wait('Running')).toBe('2s (a|)', {
        a: 'Initializing by deadline after 2000, timed out',
      });
    });
  });
});
