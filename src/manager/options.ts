import * as t from 'io-ts';
import { isIP } from 'node:net';
import { boundedList } from '../codecs/boundedList.js';
import { closed } from '../codecs/closed.js';
import { decode, found } from '../codecs/decode.js';
import { cText, integer, longestTimerMs, text } from '../codecs/scalars.js';
import { withMethods } from '../codecs/withMethods.js';
import type { Driver } from '../drivers/driver.js';
import type { Controller } from '../instances/controller.js';
import type { FrontDoorOptions } from '../instances/frontDoorOptions.js';
import { type Fault, InvalidRequest } from '../lifecycle/errors.js';
import type { Store } from '../store/store.js';
import { callerName } from './callOptions.js';
import { remembersAs } from './intents.js';
import type { Logger } from '../instances/logger.js';
import * as E from 'fp-ts/lib/Either.js';

/** How to open a manager. */
export interface ManagerOptions {
  /** A driver of each kind that instances may ask for: 1 to 100, and none of the same kind as another. */
  readonly drivers: readonly Driver[];
  /** The part of a `Config` of `rx-instances/config` that concerns the manager. */
  readonly config?: {
    readonly instances: {
      /** How many events may wait for a subscriber that works on them or pulls them. @defaultValue 256 */
      readonly lifecycleEventBufferSize: number;
      /** How large a request may be, and the spec that it leads to, in bytes. @defaultValue 1048576, 1 MiB */
      readonly maxRequestBytes?: number;
      /** How long a driver may take to launch a machine, in milliseconds; 0 is no bound. @defaultValue 300000, 5 minutes */
      readonly launchTimeoutMs?: number;
      /** How long a `waitForState` may take at most, in milliseconds. @defaultValue 300000, 5 minutes */
      readonly maxWaitTimeoutMs?: number;
    };
    readonly autoStandby?: {
      /** How many instances are put on standby at a time. @defaultValue 16 */
      readonly maxConcurrent?: number;
    };
    readonly storage?: {
      /** How many events the log keeps at most. @defaultValue 100000; without a `dataDir` 10000, some 4 MB of memory */
      readonly logMaxEvents?: number;
      /** How old the events of the log get, in milliseconds. @defaultValue a week */
      readonly logMaxAgeMs?: number;
      /** How many bytes the events of the log take at most. @defaultValue 256 MiB; without a `dataDir` 32 MiB of memory */
      readonly logMaxBytes?: number;
    };
  };
  /**
   * Folder in which everything is kept: instances, the log of their events, snapshots, and the homes of instances. It is
   * made if need be, for the owner only, and one manager holds it at a time. Whoever opens it again finds all that was
   * committed.
   *
   * @defaultValue memory, for as long as the manager lives
   */
  readonly dataDir?: string;
  /**
   * Whether to begin with an empty store where that of the `dataDir` is gone, or holds nothing, beside homes and snapshots of
   * a time when it was there. They are left alone then, and so is what runs in them: nothing of them is ever taken up again or
   * removed, and each is told of to the logger, whenever the manager is opened. Where the store is there, this changes nothing.
   *
   * @defaultValue false: opening fails with {@link StoreFailed}, so that a copy of the store can be put back
   */
  readonly beginAnew?: boolean;
  /** Keeps the instances and the log of their events elsewhere; not together with `dataDir`. @defaultValue `dataDir`'s */
  readonly store?: Store;
  /**
   * What acts on the instances while the manager is open: at most 32 with the front door, each with a name of its own. `[]` leaves policies to nobody.
   *
   * @defaultValue none
   */
  readonly controllers?: readonly Controller[];
  /**
   * Options of the front door, which listens for the `ports` of instances, hands clients through to where the machine listens, and
   * wakes an instance for a client that comes while it is on Standby: so that client sees a slower first answer, and nothing else.
   * Where it listens `endpoint` emits: the same over stop, start, standby, restore, and the next manager. It listens for nobody who
   * has no `ports`. `false` for none.
   *
   * @defaultValue one that listens on 127.0.0.1
   */
  readonly frontDoor?: FrontDoorOptions | false;
  /** @defaultValue `console.error` reports subscribers that throw; nothing else is written */
  readonly logger?: Logger;
}

/** How to close a manager. */
export interface CloseOptions {
  /**
   * Whether to stop every instance, and without a `dataDir` to remove its home. If not, machines go on by themselves as
   * far as their driver lets them; with a `dataDir` the next manager finds them again.
   *
   * @defaultValue true without a `dataDir`, false with one
   */
  readonly stopInstances?: boolean;
}

/** Checks what a manager is given and puts the drivers in order by their kind. @throws {@link InvalidRequest} */
export function driversOf(options: ManagerOptions): ReadonlyMap<string, Driver> {
  const decoded = decode(managerOptions, options);
  if (E.isLeft(decoded)) throw new InvalidRequest({ faults: decoded.left });
  const drivers = new Map<string, Driver>();
  const faults: Fault[] = [];
  options.drivers.forEach((driver, index) => {
    if (drivers.has(driver.kind)) {
      faults.push({
        path: `drivers[${String(index)}].kind`,
        found: found(driver.kind),
        expected: 'another kind than the drivers before it',
      });
    }
    drivers.set(driver.kind, driver);
  });
  const names = (options.controllers ?? []).map(({ name }) => name);
  names.forEach((name, index) => {
    const path = `controllers[${String(index)}].name`;
    if (!callerName.is(name) || name === remembersAs)
      faults.push({ path, found: found(name), expected: `${callerName.name}, ${remembersAs}` });
    else if (names.indexOf(name) < index)
      faults.push({ path, found: found(name), expected: 'another name than the controllers before it' });
  });
  if (options.store !== undefined && options.dataDir !== undefined) {
    faults.push({ path: 'store', found: found(options.store), expected: 'none beside dataDir' });
  }
  if (options.beginAnew === true && options.dataDir === undefined) {
    faults.push({ path: 'beginAnew', found: 'true', expected: 'none without dataDir' });
  }
  if (drivers.size === 0) faults.push({ path: 'drivers', found: '[]', expected: 'at least one driver' });
  if (faults.length > 0) throw new InvalidRequest({ faults });
  return drivers;
}

const storeMethods = [
  ...['load', 'commit', 'read', 'close'],
  ...['loadCursor', 'saveCursor', 'loadRuntime', 'saveRuntime'],
  ...['loadRecords', 'loadRecord', 'saveRecord', 'setAsideRecord'],
  ...['saveRequest', 'loadRequest'],
];

const driver = withMethods('a driver', 'decode', 'prepare', 'launch', 'adopt', 'discard', 'logs');

const mostDrivers = 100;
const listOfDrivers = t.array(driver, `drivers (an array of at most ${String(mostDrivers)})`);

/** Each place of a list is looked at, also where nothing stands. */
const drivers = new t.Type(
  listOfDrivers.name,
  listOfDrivers.is,
  (value, context) =>
    Array.isArray(value) && value.length > mostDrivers
      ? t.failure(value, context)
      : listOfDrivers.validate(value, context),
  t.identity,
);

const controllers = boundedList('controllers (at most 32)', withMethods('a controller', 'open'), 0, 32);

const ms = integer('milliseconds', 0, longestTimerMs);
const bytes = integer('bytes', 1, 2 ** 40);
const listens = text('an address of this host (IPv4 or IPv6)', (host) => isIP(host) !== 0);

const door = closed(
  'options of the front door',
  {},
  {
    host: listens,
    wakeTimeoutMs: integer('milliseconds', 1, longestTimerMs),
    maxConnections: integer('connections', 1, 2 ** 24),
    ...{ maxHeldBytes: bytes, maxHeldBytesInAll: bytes, drainMs: ms, raceMs: ms },
  },
);

/** What is amiss with the options is told at their paths, as if there were nothing else. */
const frontDoor = new t.Type<FrontDoorOptions | false>(
  'options of the front door, or false',
  (value): value is FrontDoorOptions | false => value === false || door.is(value),
  (value, context) => (value === false ? t.success(value) : door.validate(value, context)),
  t.identity,
);

const instances = closed(
  'instances',
  { lifecycleEventBufferSize: integer('number of events', 1, 2 ** 24) },
  {
    maxRequestBytes: integer('bytes', 1_024, 2 ** 30),
    launchTimeoutMs: integer('milliseconds', 0, longestTimerMs),
    maxWaitTimeoutMs: integer('milliseconds', 1, longestTimerMs),
  },
);

const autoStandby = closed('auto-standby', {}, { maxConcurrent: integer('instances', 1, 1_024) });

const storage = closed(
  'storage',
  {},
  {
    logMaxEvents: integer('number of events', 1, 2 ** 24),
    logMaxAgeMs: integer('milliseconds', 1, 2 ** 53),
    logMaxBytes: integer('bytes', 1, 2 ** 40),
  },
);

const managerOptions = closed(
  'manager options',
  { drivers },
  {
    config: t.intersection([t.type({ instances }), t.partial({ autoStandby, storage })], 'a configuration'),
    dataDir: text('a path', (value) => value !== '' && cText.is(value)),
    beginAnew: t.boolean,
    controllers,
    frontDoor,
    store: withMethods('a store', ...storeMethods),
    logger: withMethods('a logger', 'debug', 'info', 'warn'),
  },
);
