import type { ListOptions } from '../instances/instanceRequests.js';
import type { Instance } from '../lifecycle/instance.js';
import { holdsFor } from '../streams/instanceFilter.js';

type Place = Required<ListOptions>['after'];

/** Lists those of `instances`, which are given oldest first, that are asked for, in their order. */
export function listInstances(instances: readonly Instance[], options: ListOptions): readonly Instance[] {
  const { sortBy, limit, after } = options;
  const matching = instances.filter(holdsFor(options));
  if (sortBy === undefined && limit === undefined && after === undefined) return matching;
  const compare = sortBy === 'name' ? byName : byAge;
  const rest = after === undefined ? matching : matching.filter((instance) => compare(instance, after) > 0);
  return rest.sort(compare).slice(0, limit);
}

// Units of text and no language: the same order everywhere.
const textually = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

const byName = (one: Place, other: Place): number => textually(one.name, other.name);

/** Of one millisecond there may be many: only with the id the order is the same each time. */
const byAge = (one: Place, other: Place): number =>
  one.createdAt - other.createdAt || textually(one.id, other.id);
