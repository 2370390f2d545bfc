import type { Instance } from 'rx-instances';
import { listInstances } from '../../src/manager/listInstances.js';

const instanceOf = (id: string, name: string, createdAt: number, more: Partial<Instance> = {}): Instance => ({
  ...{ id, name, createdAt, state: 'Running', revision: 1 },
  spec: { driver: 'memory', image: 'any', env: {}, tags: {} },
  ...more,
});

const tagged = (tags: Readonly<Record<string, string>>): Partial<Instance> => ({
  spec: { driver: 'memory', image: 'any', env: {}, tags },
});

const namesOf = (instances: readonly Instance[]): readonly string[] => instances.map(({ name }) => name);

describe('a list of instances', () => {
  const some = [
    instanceOf('b', 'web', 1),
    instanceOf('a', 'db', 1, { state: 'Stopped', ...tagged({ team: 'red' }) }),
    instanceOf('c', 'cache', 2, { state: 'Paused', ...tagged({ team: '', constructor: 'x' }) }),
  ];

  it('has those of several states', () => {
    expect(namesOf(listInstances(some, { state: ['Paused', 'Running'] }))).toEqual(['web', 'cache']);
    expect(namesOf(listInstances(some, { state: 'Stopped' }))).toEqual(['db']);
  });

  it('has those with a label, whatever its value', () => {
    expect(namesOf(listInstances(some, { hasTags: ['team'] }))).toEqual(['db', 'cache']);
    expect(namesOf(listInstances(some, { hasTags: ['team', 'constructor'] }))).toEqual(['cache']);
    expect(namesOf(listInstances(some, { hasFields: ['cmd', 'constructor'] }))).toEqual([]);
  });

  it('is sorted by name, or by age and then id', () => {
    expect(namesOf(listInstances(some, { sortBy: 'name' }))).toEqual(['cache', 'db', 'web']);
    expect(namesOf(listInstances(some, { sortBy: 'createdAt' }))).toEqual(['db', 'web', 'cache']);
  });

  it.each(['createdAt', 'name'] as const)('read by pages has each once, sorted by %s', (sortBy) => {
    const pages: Instance[] = [];
    for (let after: Instance | undefined; pages.length < 10; after = pages.at(-1)) {
      const page = listInstances(some, { sortBy, limit: 1, ...(after && { after }) });
      if (page.length === 0) break;
      pages.push(...page);
    }
    expect(namesOf(pages)).toEqual(namesOf(listInstances(some, { sortBy })));
  });

  it('goes on after one that is gone', () => {
    const [web, db] = some;
    const left = some.filter((instance) => instance !== db);
    expect(namesOf(listInstances(left, { ...(db && { after: db }) }))).toEqual(['web', 'cache']);
    expect(namesOf(listInstances(left, { sortBy: 'name', ...(web && { after: web }) }))).toEqual([]);
  });
});
