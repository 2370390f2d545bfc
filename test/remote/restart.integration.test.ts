import fastify, { type FastifyInstance } from 'fastify';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { type InstanceChange, type InstanceManager, type LifecycleEvent, openManager } from 'rx-instances';
import { apiServerOptions, instancesApi } from 'rx-instances/http';
import { openRemote, type RemoteInstances } from 'rx-instances/remote';
import { createMemoryDriver } from 'rx-instances/testing';
import { until } from '../support/until.js';

describe('a server that is started again', () => {
  let dataDir: string;
  let manager: InstanceManager;
  let app: FastifyInstance;
  let remote: RemoteInstances | undefined;
  let port = 0;
  const drivers = [createMemoryDriver()];

  const serve = async (options: { readonly dataDir?: string }) => {
    manager = await openManager({ drivers, ...options });
    app = fastify(apiServerOptions());
    await app.register(instancesApi, { manager, drivers });
    const address = await app.listen({ host: '127.0.0.1', port });
    port = Number(new URL(address).port);
    return address;
  };
  const stop = async () => {
    await app.close();
    await manager.close();
  };

  beforeEach(() => {
    port = 0;
    dataDir = mkdtempSync(join(tmpdir(), 'remote-'));
  });
  afterEach(async () => {
    await remote?.close();
    await stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const create = (name: string) => firstValueFrom(manager.create({ name, image: 'any' }));

  it('goes on where its streams were, without gap or double, and has the instances of before', async () => {
    const baseUrl = await serve({ dataDir });
    remote = await openRemote({ baseUrl });
    const heard: LifecycleEvent[] = [];
    remote.events('test').subscribe((event) => heard.push(event));
    await firstValueFrom(remote.create({ name: 'before', image: 'any' }));
    await stop();
    // Before it is reached again.
    const missed = openManager({ drivers, dataDir });
    await firstValueFrom((await missed).create({ name: 'between', image: 'any' }));
    await (await missed).close();
    await serve({ dataDir });
    await firstValueFrom(remote.create({ name: 'after', image: 'any' }));

    const names = (await firstValueFrom(remote.list())).map(({ name }) => name);
    expect(names).toEqual(['before', 'between', 'after']);
    const sequences = heard.map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
    const created = heard.filter(({ action }) => action === 'create').map(({ instance }) => instance?.name);
    expect(created).toEqual(['before', 'between', 'after']);
  });

  it('with another log is told by a new table to who watches, and by CursorExpired to all others', async () => {
    const baseUrl = await serve({});
    remote = await openRemote({ baseUrl });
    const changes: InstanceChange[] = [];
    remote.watch('table').subscribe((change) => changes.push(change));
    const failure = (ended: Promise<unknown>) =>
      ended.then(String, (error: unknown) => (error as { _tag: string })._tag);
    const work$ = remote.consume('work', () => [], { overflow: 'resume' });
    const ends = [
      failure(firstValueFrom(remote.events('events'))),
      failure(firstValueFrom(work$)),
      failure(remote.iterate('pull')[Symbol.asyncIterator]().next()),
    ];
    await until(
      () => changes.length,
      (count) => count === 1,
    );
    await stop();
    await serve({});
    await create('new');
    await create('newer');

    expect(await Promise.all(ends)).toEqual(['CursorExpired', 'CursorExpired', 'CursorExpired']);
    const names = await until(
      () =>
        changes
          .flatMap((change) =>
            change.kind === 'snapshot' ? change.instances : change.kind === 'upsert' ? [change.instance] : [],
          )
          .map(({ name }) => name),
      ({ length }) => length === 2,
    );
    expect(names).toEqual(['new', 'newer']);
    const next = firstValueFrom(remote.events('events'));
    await firstValueFrom(remote.stop('new'));
    expect((await next).action).toBe('stop');
  });
});
