/** A controller of your own: instances with a tag `bedtime` are put on standby so many milliseconds after they began to run. */
import { createController, createProcessDriver, openManager } from 'rx-instances';
import { lastValueFrom } from 'rxjs';

const bedtime = createController({
  name: 'bedtime',
  // A table of rules: it changes nothing itself. It is asked again whenever the instance changes, and when `at` has come.
  decide: ({ instance: { state, spec, startedAt = 0 }, now }, { kind }) => {
    const { bedtime: afterMs } = spec.tags;
    if (afterMs === undefined || state !== 'Running') return {};
    const at = startedAt + Number(afterMs);
    if (now < at) return { at };
    // What fails is told as an occasion too: it is tried again in a second.
    return kind === 'failed' ? { at: now + 1_000 } : { act: { verb: 'standby', reason: 'bedtime' } };
  },
  status: ({ instance: { spec } }) => ({ bedtime: spec.tags['bedtime'] ?? 'none' }),
});

async function main(): Promise<void> {
  // The others work on: restart policies, health checks, and so on.
  const manager = await openManager({
    drivers: [createProcessDriver()],
    controllers: (standard) => [...standard, bedtime],
  });
  manager.events('example').subscribe(({ action, cause, instance }) => {
    console.log(`${String(instance?.name)}: ${action} by ${cause.by}, ${String(cause.reason)}`);
  });

  const entrypoint = ['sleep', '600'];
  await lastValueFrom(manager.create({ name: 'awake', image: 'scratch', entrypoint }));
  const tags = { bedtime: '300' };
  await lastValueFrom(manager.create({ name: 'child', image: 'scratch', entrypoint, tags }));
  console.log('of the child is known:', await lastValueFrom(manager.status('child')));
  await lastValueFrom(manager.waitForState('child', 'Standby'));
  await manager.close();
}

void main();
