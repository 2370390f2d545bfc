import {
  type CreateRequest,
  type Driver,
  type Instance,
  type InstanceManager,
  type InstanceStatus,
  type LifecycleEvent,
  type ManagerOptions,
  openManager,
  type Store,
} from 'rx-instances';
import { createMemoryDriver, type MemoryDriver } from 'rx-instances/testing';
import { firstValueFrom } from 'rxjs';
import { createMemoryStore } from '../../src/store/memoryStore.js';

/** A manager with its controllers over machines that the test plays, in virtual time. */
export interface PolicedManager {
  readonly driver: MemoryDriver;
  readonly manager: InstanceManager;
  create(fields: Partial<CreateRequest>): Promise<Instance>;
  get(): Promise<Instance>;
  status(): Promise<InstanceStatus>;
  /** What happened: seconds since the test began, the action, and for what it came. */
  told(): readonly string[];
  /** How often something that a controller remembers was written, or taken away. */
  writes(): number;
  pass(ms: number): Promise<void>;
  /** Ends the machine by itself. */
  exit(code: number): Promise<void>;
  /** Closes the manager, and opens another on its store. */
  reopen(options?: { readonly after?: number; readonly stopInstances?: boolean }): Promise<void>;
  close(): Promise<void>;
}

/** The driver with homes that are where they were, also where the next manager without a directory looks for them elsewhere. */
function withLastingHomes(driver: Driver): Driver {
  const lasting = (given: unknown): unknown => {
    if (typeof given === 'string') return given.replace(/^.*\/instances\//, '/');
    if (typeof given !== 'object' || given === null || !('home' in given)) return given;
    const { copyOf, ...plan } = given as { home: unknown; copyOf?: unknown };
    return { ...plan, home: lasting(plan.home), ...(copyOf !== undefined && { copyOf: lasting(copyOf) }) };
  };
  const wrapped = (member: unknown): unknown => {
    if (typeof member === 'function')
      return (...given: readonly unknown[]): unknown =>
        (member as (...given: readonly unknown[]) => unknown)(...given.map(lasting));
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).map(([name, part]) => [name, wrapped(part)]));
  };
  return wrapped(driver) as Driver;
}

/** Opens a {@link PolicedManager}; ask for it in `beforeEach`, and for `close` in `afterEach`. */
export async function openPoliced(
  options: Partial<ManagerOptions> = {},
  driver = createMemoryDriver(),
): Promise<PolicedManager> {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  const begun = Date.now();
  const memoryStore = createMemoryStore();
  let writes = 0;
  const store: Store = {
    ...memoryStore,
    saveRuntime: (...given) => {
      writes += 1;
      return memoryStore.saveRuntime(...given);
    },
  };
  const events: LifecycleEvent[] = [];
  let id = '';
  const open = async (): Promise<InstanceManager> => {
    const opened = await openManager({
      drivers: [withLastingHomes(driver)],
      store,
      frontDoor: false,
      ...options,
    });
    opened.events('test').subscribe((event) => events.push(event));
    return opened;
  };
  let manager = await open();

  const pass = async (ms: number): Promise<void> => {
    await jest.advanceTimersByTimeAsync(ms);
  };

  return {
    driver,
    get manager() {
      return manager;
    },
    create: async (fields) => {
      const created = await firstValueFrom(manager.create({ name: 'web', image: 'any', ...fields }));
      ({ id } = created);
      await pass(0);
      return created;
    },
    get: () => firstValueFrom(manager.get('web')),
    status: () => firstValueFrom(manager.status('web')),
    told: () =>
      events.map(({ time, action, cause: { by, reason } }) => {
        const seconds = (time - begun) / 1_000;
        return `${String(seconds)} s: ${action} by ${by}${reason === undefined ? '' : `, ${reason}`}`;
      }),
    writes: () => writes,
    pass,
    exit: async (code) => {
      driver.machine(id).exit({ code, signal: null });
      await pass(0);
    },
    reopen: async ({ after = 0, stopInstances = false } = {}) => {
      await manager.close({ stopInstances });
      jest.setSystemTime(Date.now() + after);
      manager = await open();
      await pass(0);
    },
    close: async () => {
      await manager.close({ stopInstances: true });
      expect(jest.getTimerCount()).toBe(0);
      jest.useRealTimers();
    },
  };
}
