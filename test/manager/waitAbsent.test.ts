import { catchError, map, type Observable, of, timer } from 'rxjs';
import { type Instance, type InstanceManager, openManager, type WaitOptions } from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { marbles } from '../support/marbles.js';

const readiness = { kind: 'tcp', port: 80 } as const;

let driver: MemoryDriver;
let manager: InstanceManager;

beforeEach(async () => {
  driver = createMemoryDriver();
  manager = await openManager({ drivers: [driver] });
});
afterEach(() => manager.close());

/** Creates an instance, which is done within the call. */
const create = (name = 'web', fields: object = {}): Instance => {
  let created: Instance | undefined;
  manager.create({ name, image: 'any', ...fields }).subscribe((instance) => {
    created = instance;
  });
  return created as Instance;
};

/** What a wait says, or the tag of its error. */
const wait = (options: WaitOptions = {}, name = 'web'): Observable<string> =>
  manager.waitForState(name, 'Running', { mayBeAbsent: true, ...options }).pipe(
    map(
      ({ state, via, elapsedMs, reached, instance }) =>
        `${instance.name} ${state} by ${via} after ${String(elapsedMs)}${reached ? ', reached' : ''}`,
    ),
    catchError((error: unknown) => of((error as { readonly _tag: string })._tag)),
  );

const at = (ms: number, happen: () => unknown): void => {
  timer(ms).subscribe(() => {
    happen();
  });
};

const listening = (): number | undefined => manager.stats()['wait_for_state']?.subscribers;

describe('a wait for an instance that may be absent', () => {
  it('is ended by its creation, found by its name', () => {
    marbles(({ expectObservable, flush }) => {
      at(7, () => create('other'));
      at(9, () => create());
      expectObservable(wait()).toBe('9ms (x|)', { x: 'web Running by event after 9, reached' });
      flush();
      expect(listening()).toBe(0);
    });
  });

  it('is ended by a fork of that name', () => {
    marbles(({ expectObservable }) => {
      create();
      at(5, () => manager.fork('web', { name: 'two', fromRunning: true }).subscribe());
      expectObservable(wait({}, 'two')).toBe('5ms (x|)', { x: 'two Running by event after 5, reached' });
    });
  });

  it('goes on with the instance once it is there, within its one deadline', () => {
    marbles(({ expectObservable }) => {
      at(5, () => {
        const { id } = create('web', { readiness });
        at(10, () => {
          driver.machine(id).ready();
        });
      });
      expectObservable(wait()).toBe('15ms (x|)', { x: 'web Running by event after 15, reached' });
      expectObservable(wait({ timeoutMs: 12 })).toBe('12ms (x|)', {
        x: 'web Initializing by deadline after 12',
      });
    });
  });

  it('polls the instance once it is there', () => {
    marbles(({ expectObservable }) => {
      at(5, () => {
        const { id } = create('web', { readiness });
        // As if its driver had not told.
        at(1, () => {
          driver.machine(id).halt();
        });
      });
      expectObservable(wait({ pollMs: 10 })).toBe('15ms (x|)', { x: 'web Paused by event after 15' });
    });
  });

  it('fails when it is deleted again', () => {
    marbles(({ expectObservable }) => {
      at(5, () => create('web', { readiness }));
      at(8, () => manager.delete('web').subscribe());
      at(9, () => create());
      expectObservable(wait()).toBe('8ms (x|)', { x: 'InstanceNotFound' });
    });
  });

  it('fails at the deadline when it does not come, and leaves nothing', () => {
    marbles(({ expectObservable, flush }) => {
      at(20, () => create());
      expectObservable(wait({ timeoutMs: 15 })).toBe('15ms (x|)', { x: 'InstanceNotFound' });
      flush();
      expect(listening()).toBe(0);
    });
  });

  it('fails when the manager closes', () => {
    marbles(({ expectObservable, flush }) => {
      at(5, () => void manager.close());
      expectObservable(wait()).toBe('5ms (x|)', { x: 'ManagerClosed' });
      flush();
    });
  });

  it('is left by its subscriber, and by a signal', () => {
    marbles(({ expectObservable, flush }) => {
      const abort = new AbortController();
      at(4, () => {
        abort.abort({ _tag: 'Aborted' });
      });
      expectObservable(wait({ signal: abort.signal })).toBe('4ms (x|)', { x: 'Aborted' });
      expectObservable(wait(), '^ 2ms !').toBe('-');
      flush();
      expect(listening()).toBe(0);
    });
  });

  it('is as any other where the instance is there', () => {
    marbles(({ expectObservable }) => {
      create();
      expectObservable(wait()).toBe('(x|)', { x: 'web Running by read after 0, reached' });
      expectObservable(wait({ mayBeAbsent: false }, 'two')).toBe('(x|)', { x: 'InstanceNotFound' });
    });
  });

  it('of a thousand costs nothing to events of others, and each hears of its own', () => {
    const told: string[] = [];
    for (let index = 0; index < 1_000; index += 1) {
      wait({}, `n${String(index)}`).subscribe((said) => told.push(said.split(' ')[0] ?? ''));
    }
    create('n7');
    create('other');
    create('n900');
    expect(told).toEqual(['n7', 'n900']);
    expect(listening()).toBe(998);
  });

  it('goes through a restart', () => {
    marbles(({ expectObservable }) => {
      const { id } = create('web', { readiness });
      at(5, () => manager.restart('web').subscribe());
      at(9, () => {
        driver.machine(id).ready();
      });
      expectObservable(wait({ through: ['Stopped'] })).toBe('9ms (x|)', {
        x: 'web Running by event after 9, reached',
      });
    });
  });
});
