/** A virtual machine counts. It is put on standby, goes on with the next number, and its copies go on with the same one. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type LogLine, openManager } from 'rx-instances';
import { promised } from 'rx-instances/promises';
import { createQemuDriver, hostPortOf } from 'rx-instances/qemu';
import { filter, firstValueFrom, lastValueFrom, map, pipe, skipLast } from 'rxjs';

async function main(): Promise<void> {
  const image = resolve('build/images/small');
  if (!existsSync(image)) throw new Error('there is no image yet: make it with `npm run image`');

  const dataDir = mkdtempSync(join(tmpdir(), 'vm-'));
  const manager = await openManager({ dataDir, drivers: [createQemuDriver()] });
  const instances = promised(manager);
  const numbers = pipe(
    map(({ text }: LogLine) => Number(/^count (\d+)$/.exec(text)?.[1])),
    filter((count) => count > 0),
  );
  const counts = (name: string) => manager.logs(name, { follow: true }).pipe(numbers);

  manager.events('example').subscribe(({ action, instance, time }) => {
    console.log(`${new Date(time).toISOString().slice(17, 23)}  ${action} ${instance?.name ?? ''}`);
  });

  const readiness = { kind: 'log', pattern: '^count 2' } as const;
  await instances.create({ name: 'source', image, readiness, ports: [{ guest: 80 }] });
  console.log(
    'The kernel boots. Without KVM, QEMU runs each of its instructions itself: that takes some seconds.',
  );
  await instances.waitForState('source', 'Running');

  const { handle } = await instances.standby('source');
  // The last line may have been cut off in the middle.
  const last = await lastValueFrom(manager.logs('source').pipe(skipLast(1), numbers));
  console.log(
    `On standby it has ${handle === undefined ? 'no' : 'still a'} process, and has counted to ${String(last)}.`,
  );

  const restored = await instances.restore('source');
  const next = await firstValueFrom(counts('source').pipe(filter((count) => count > last)));
  console.log(`Restored, it goes on with ${String(next)}.`);

  const page = await fetch(`http://127.0.0.1:${String(hostPortOf(restored, 80))}/`);
  console.log(`By its forwarded port it says: ${(await page.text()).trim()}`);

  const { id } = await instances.createSnapshot('source', { kind: 'Standby' });
  for (const name of ['one', 'two']) {
    await instances.forkSnapshot(id, { name, targetState: 'Running' });
    console.log(`The copy "${name}" goes on with ${String(await firstValueFrom(counts(name)))}.`);
  }
  await manager.close({ stopInstances: true });
  rmSync(dataDir, { recursive: true });
}

void main();
