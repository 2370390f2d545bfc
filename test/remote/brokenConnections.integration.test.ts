import fc from 'fast-check';
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs';
import type { LifecycleEvent } from 'rx-instances';
import { openRemote } from 'rx-instances/remote';
import { openStage } from '../http/apiStage.js';
import { until } from '../support/until.js';
import { type BrokenProxy, openBrokenProxy } from './brokenProxy.js';

const fate = fc.option(fc.record({ cutAfter: fc.nat(4_000), delayMs: fc.constantFrom(0, 0, 3) }), {
  nil: undefined,
  freq: 4,
});

describe('a connection that is cut, late and truncated at random places', () => {
  it('loses no event, doubles none, and every verb is done once', async () => {
    const fates = fc.array(fate, { minLength: 20, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fates, async (drawn) => {
        await using stage = await openStage();
        let connections = 0;
        // At last one that is sound, so that it ends.
        const proxy: BrokenProxy = await openBrokenProxy(stage.address, () => drawn[connections++]);
        const remote = await openRemote({ baseUrl: proxy.address });
        const heard: LifecycleEvent[] = [];
        remote.events('test').subscribe((event) => heard.push(event));
        const worked = lastValueFrom(
          remote
            .consume('work', ({ sequence }) => [sequence], { overflow: 'resume' })
            .pipe(take(8), toArray()),
        );
        const table = new Map<string, string>();
        remote.watch('table').subscribe((change) => {
          if (change.kind === 'snapshot') {
            table.clear();
            for (const { name, state } of change.instances) table.set(name, state);
          } else if (change.kind === 'upsert') table.set(change.instance.name, change.instance.state);
        });

        for (const name of ['one', 'two']) {
          await firstValueFrom(remote.create({ name, image: 'any' }));
          await firstValueFrom(remote.stop(name));
          await firstValueFrom(remote.start(name));
          await firstValueFrom(remote.standby(name));
        }

        expect(await worked).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
        const actions = ['create', 'stop', 'start', 'standby'];
        expect(heard.map(({ action }) => action)).toEqual([...actions, ...actions]);
        expect(heard.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
        const level = await until(
          () => [...table.values()].join(),
          (states) => states === 'Standby,Standby',
        );
        expect(level).toBe('Standby,Standby');
        await remote.close();
        await proxy.close();
      }),
      {
        numRuns: process.env['LONG'] === undefined ? 3 : 60,
        ...(process.env['LONG'] === undefined && { seed: 42 }),
      },
    );
  }, 120_000);
});
