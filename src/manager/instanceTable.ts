import { AmbiguousName, InstanceNotFound, InvalidRequest, NameTaken } from '../lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import { found } from '../codecs/decode.js';
import type { TableView } from '../streams/tableThenChanges.js';

/** All instances as the events made them, by id and by name. */
export interface InstanceTable {
  /** Takes over what an event says. Gives the instance as it was before, if there was one. */
  apply(event: LifecycleEvent): Instance | undefined;
  /** The instance with this id. @throws {@link InstanceNotFound} */
  get(id: string): Instance;
  /** The instance with this id, else with this name. @throws {@link InstanceNotFound} */
  exactly(idOrName: string): Instance;
  /**
   * The instance with this id, else with this name, else the only one whose id begins with these 4 or more characters.
   *
   * @throws {@link InstanceNotFound}, {@link AmbiguousName}
   */
  find(idOrName: string): Instance;
  all(): readonly Instance[];
  /** All of it, or the part of it that is one instance. */
  view(instanceId?: string): TableView;
  /** Place of the last event that was applied. */
  cursor(): Cursor;
  /** Id of the instance that has this name, or is being made under it. */
  holderOf(name: string): string | undefined;
  /** Keeps a name for an instance in the making, also one that is to take the place of another. @throws {@link NameTaken} */
  reserve(name: string, id: string, insteadOf?: string): void;
  /** Gives back a name that was reserved for this id, if it still is; the instance, if it came to be, holds it now. */
  release(name: string, id: string): void;
}

/** Fewer characters than this are the beginning of an id by chance. */
const shortestPrefix = 4;

/** Creates a table that holds what is kept. */
export function createInstanceTable(instances: readonly Instance[], start: Cursor): InstanceTable {
  const byId = new Map(instances.map((instance) => [instance.id, instance]));
  const idByName = new Map(instances.map(({ name, id }) => [name, id]));
  const reserved = new Map<string, string>();
  let cursor = start;

  const get = (id: string): Instance => {
    const instance = byId.get(id);
    if (instance === undefined) throw new InstanceNotFound({ idOrName: id });
    return instance;
  };

  const idOf = (idOrName: string): string | undefined => {
    if (typeof idOrName !== 'string') {
      throw new InvalidRequest({
        faults: [{ path: 'idOrName', found: found(idOrName), expected: 'an id or a name' }],
      });
    }
    return byId.has(idOrName) ? idOrName : idByName.get(idOrName);
  };

  const holderOf = (name: string): string | undefined => idByName.get(name) ?? reserved.get(name);

  const byPrefix = (prefix: string): string => {
    const isLong = prefix.length >= shortestPrefix;
    const matches = isLong ? [...byId.keys()].filter((id) => id.startsWith(prefix)) : [];
    const [match] = matches;
    if (match === undefined) throw new InstanceNotFound({ idOrName: prefix });
    if (matches.length > 1) throw new AmbiguousName({ idOrName: prefix, matches });
    return match;
  };

  return {
    apply: ({ epoch, sequence, action, instanceId, instance }) => {
      cursor = { epoch, sequence };
      const before = byId.get(instanceId);
      if (action === 'delete') {
        idByName.delete(get(instanceId).name);
        byId.delete(instanceId);
      } else if (instance !== undefined) {
        byId.set(instanceId, instance);
        idByName.set(instance.name, instanceId);
      }
      return before;
    },
    get,
    exactly: (idOrName) => get(idOf(idOrName) ?? idOrName),
    find: (idOrName) => get(idOf(idOrName) ?? byPrefix(idOrName)),
    all: () => [...byId.values()],
    cursor: () => cursor,
    view: (instanceId) => {
      if (instanceId === undefined) return { ...cursor, instances: [...byId.values()] };
      const instance = byId.get(instanceId);
      return { ...cursor, instances: instance === undefined ? [] : [instance] };
    },
    holderOf,
    reserve: (name, id, insteadOf) => {
      const holder = holderOf(name);
      if (holder !== undefined && holder !== insteadOf) throw new NameTaken({ taken: name });
      reserved.set(name, id);
    },
    release: (name, id) => {
      if (reserved.get(name) === id) reserved.delete(name);
    },
  };
}
