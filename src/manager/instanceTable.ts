import { AmbiguousName, InstanceNotFound, InvalidRequest, NameTaken } from '../lifecycle/errors.js';
import type { Cursor, LifecycleEvent } from '../lifecycle/event.js';
import type { Instance } from '../lifecycle/instance.js';
import { found } from '../codecs/decode.js';
import type { TableView } from '../streams/tableThenChanges.js';

/** All instances as the events made them, by id and by name. */
export interface InstanceTable {
  /** Takes over what an event says. */
  apply(event: LifecycleEvent): void;
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
  /** Keeps a name for an instance in the making. @throws {@link NameTaken} */
  reserve(name: string): void;
  /** Gives a reserved name back; the instance, if it came to be, holds it now. */
  release(name: string): void;
}

/** Fewer characters than this are the beginning of an id by chance. */
const shortestPrefix = 4;

/** Creates a table that holds what is kept. */
export function createInstanceTable(instances: readonly Instance[], start: Cursor): InstanceTable {
  const byId = new Map(instances.map((instance) => [instance.id, instance]));
  const idByName = new Map(instances.map(({ name, id }) => [name, id]));
  const reserved = new Set<string>();
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
      if (action === 'delete') {
        idByName.delete(get(instanceId).name);
        byId.delete(instanceId);
      } else if (instance !== undefined) {
        byId.set(instanceId, instance);
        idByName.set(instance.name, instanceId);
      }
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
    reserve: (name) => {
      if (idByName.has(name) || reserved.has(name)) throw new NameTaken({ taken: name });
      reserved.add(name);
    },
    release: (name) => {
      reserved.delete(name);
    },
  };
}
