import * as t from 'io-ts';
import { closed } from '../codecs/closed.js';
import { decode, found } from '../codecs/decode.js';
import { integer } from '../codecs/scalars.js';
import { withMethods } from '../codecs/withMethods.js';
import type { Driver } from '../drivers/driver.js';
import { type Fault, InvalidRequest } from '../lifecycle/errors.js';
import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';
import * as E from 'fp-ts/lib/Either.js';

/** How to open a manager. */
export interface ManagerOptions {
  /** A driver of each kind that instances may ask for; at least one, and none of the same kind as another. */
  readonly drivers: readonly Driver[];
  /** The part of a {@link Config} that concerns the manager. */
  readonly config?: {
    readonly instances: {
      /** How many events may wait for a subscriber that works on them or pulls them. @defaultValue 256 */
      readonly lifecycleEventBufferSize: number;
    };
  };
  /** Keeps the instances and the log of their events. @defaultValue memory, for as long as the manager lives */
  readonly store?: Store;
  /** @defaultValue nothing is written */
  readonly logger?: Logger;
}

/** Checks what a manager is given and puts the drivers in order by their kind. @throws {@link InvalidRequest} */
export function driversOf(options: ManagerOptions): ReadonlyMap<string, Driver> {
  const decoded = decode(managerOptions, options);
  if (E.isLeft(decoded)) throw new InvalidRequest(decoded.left);
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
  if (drivers.size === 0) faults.push({ path: 'drivers', found: '[]', expected: 'at least one driver' });
  if (faults.length > 0) throw new InvalidRequest(faults);
  return drivers;
}

const driver = withMethods('a driver', 'decode', 'prepare', 'launch', 'adopt', 'discard', 'logs');

const instances = closed(
  'instances',
  { lifecycleEventBufferSize: integer('number of events', 1, 2 ** 24) },
  {},
);

const managerOptions = closed(
  'manager options',
  { drivers: t.array(driver, 'drivers (an array)') },
  {
    config: t.type({ instances }, 'a configuration'),
    store: withMethods('a store', 'load', 'commit', 'close'),
    logger: withMethods('a logger', 'debug', 'warn'),
  },
);
