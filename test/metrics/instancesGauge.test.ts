import { Registry } from 'prom-client';
import { delay, EMPTY, type Observable, of, throwError } from 'rxjs';
import { ManagerClosed } from '../../src/lifecycle/errors.js';
import type { Instance } from '../../src/lifecycle/instance.js';
import { type State, states } from '../../src/lifecycle/state.js';
import { instancesGauge } from '../../src/metrics/instancesGauge.js';

const instance = (driver: string, state: State): Instance => ({
  id: 'id',
  name: 'name',
  spec: { driver, image: 'any', env: {}, tags: {} },
  state,
  revision: 1,
  createdAt: 0,
});

const series = (driver: string, counted: Partial<Record<State, number>>): readonly string[] =>
  states.map((state) => `instances{driver="${driver}",state="${state}"} ${String(counted[state] ?? 0)}`);

function scraping(list: () => Observable<readonly Instance[]>): () => Promise<readonly string[]> {
  const registry = new Registry();
  instancesGauge((name) => ({ name, registers: [registry] }), list);
  return async () => (await registry.metrics()).trim().split('\n').slice(2);
}

test('there is nothing to tell before the first instance', async () => {
  expect(await scraping(() => of([]))()).toEqual([]);
});

test('instances are counted by driver and state; a driver that was seen once is told for ever, also at 0', async () => {
  let instances = [
    instance('memory', 'Running'),
    instance('process', 'Stopped'),
    instance('memory', 'Running'),
  ];
  const scrape = scraping(() => of(instances));
  expect(await scrape()).toEqual([...series('memory', { Running: 2 }), ...series('process', { Stopped: 1 })]);
  expect(await scrape()).toEqual([...series('memory', { Running: 2 }), ...series('process', { Stopped: 1 })]);

  instances = [instance('memory', 'Stopped')];
  expect(await scrape()).toEqual([...series('memory', { Stopped: 1 }), ...series('process', {})]);
});

test('scrapes at the same time do not count twice', async () => {
  const scrape = scraping(() => of([instance('memory', 'Running')]).pipe(delay(0)));
  expect(await Promise.all([scrape(), scrape()])).toEqual(Array(2).fill(series('memory', { Running: 1 })));
});

test.each<[string, () => Observable<readonly Instance[]>]>([
  ['fails', () => throwError(() => new ManagerClosed())],
  ['tells nothing', () => EMPTY],
])('a table that %s leaves the numbers as they were, and the scrape whole', async (_, closed) => {
  let list = (): Observable<readonly Instance[]> => of([instance('memory', 'Running')]);
  const scrape = scraping(() => list());
  await scrape();
  list = closed;
  expect(await scrape()).toEqual(series('memory', { Running: 1 }));
});
