import * as t from 'io-ts';
import type { Observable } from 'rxjs';
import { closed } from '../codecs/closed.js';
import { port } from '../codecs/scalars.js';
import type { Remembered } from '../instances/controller.js';
import type { Json } from '../lifecycle/instance.js';
import type { KeptPorts } from './doorManager.js';

/** The ports of this host that were chosen for the ports of an instance. */
export type ChosenPorts = readonly { readonly guest: number; readonly host: number }[];

/** How they are kept. */
export const chosenPorts = t.readonlyArray(closed('a port', { guest: port, host: port }, {})) as t.Type<
  ChosenPorts,
  Json
>;

/** Keeps chosen ports with their instances; `known` are those that are kept already. */
export function createKeptPorts(
  known: ReadonlyMap<string, ChosenPorts>,
  { save }: Pick<Remembered<ChosenPorts>, 'save'>,
): KeptPorts {
  const chosen = new Map(known);
  const of = (instanceId: string): ChosenPorts => chosen.get(instanceId) ?? [];
  return {
    of: (instanceId, guest) => of(instanceId).find((one) => one.guest === guest)?.host,
    save: (instanceId, guest, host): Observable<never> => {
      const ports = [...of(instanceId).filter((one) => one.guest !== guest), { guest, host }];
      chosen.set(instanceId, ports);
      return save(instanceId, ports);
    },
    forget: (instanceId) => {
      chosen.delete(instanceId);
    },
  };
}
