import * as E from 'fp-ts/lib/Either.js';
import { map } from 'rxjs';
import type * as t from 'io-ts';
import { decode } from '../codecs/decode.js';
import type { ControllerPort, Remembered } from '../instances/controller.js';
import type { Instances } from '../instances/instances.js';
import type { LifecycleStreams } from '../instances/lifecycleStreams.js';
import type { Logger } from '../instances/logger.js';
import type { Json } from '../lifecycle/instance.js';
import type { Store } from '../store/store.js';
import type { Endpoints } from './endpoints.js';
import type { KeptTables } from './keptTables.js';
import { placeOfOptions } from './placeOfOptions.js';

type Call = (...given: readonly unknown[]) => unknown;

/** The verbs, each called by somebody, if it is not said otherwise. */
function calledBy(by: string, instances: Instances): Instances {
  const calls = Object.entries(placeOfOptions).map(([verb, place]) => {
    const call = instances[verb as keyof typeof placeOfOptions] as Call;
    const called: Call = (...given) => {
      const before = Array.from({ length: place }, (_, index) => given[index]);
      return call(...before, { by, ...(given[place] as object | undefined) });
    };
    return [verb, called];
  });
  return { ...instances, ...(Object.fromEntries(calls) as Partial<Instances>) };
}

/** What the ports of controllers are made of. */
export interface ControllerPortTools extends Pick<Endpoints, 'addressOf'>, Pick<LifecycleStreams, 'watch'> {
  readonly instances: Instances;
  readonly store: Pick<Store, 'loadRuntime' | 'saveRuntime'>;
  readonly table: KeptTables;
  readonly check: ControllerPort['check'];
  now(): number;
  readonly logger: Logger;
}

/** Makes the {@link ControllerPort} of a controller. */
export function controllerPort(name: string, tools: ControllerPortTools): ControllerPort {
  const { instances, watch, addressOf, store, table, check, now, logger } = tools;
  const remembered = <Memory>(codec: t.Type<Memory, Json>): Remembered<Memory> => ({
    load: () =>
      store.loadRuntime(name).pipe(
        map((byInstance) => {
          const understood = new Map<string, Memory>();
          for (const [instanceId, kept] of byInstance) {
            const decoded = decode(codec, kept);
            if (E.isRight(decoded)) understood.set(instanceId, decoded.right);
            else {
              const fields = { controller: name, instanceId, faults: decoded.left };
              logger.warn(fields, 'what a controller remembers of an instance is not understood');
            }
          }
          return understood;
        }),
      ),
    save: (instanceId, memory) =>
      store.saveRuntime(name, instanceId, memory === undefined ? undefined : codec.encode(memory)),
  });

  return {
    ...{ now, logger, remembered, table, addressOf, check, instances: calledBy(name, instances) },
    watch: (options) => watch(name, options),
  };
}
