/** Holds instances that live behind a server, from afar: a pipeline over their stream goes on where it was when the server is back. */
import fastify, { type FastifyInstance } from 'fastify';
import { filter, firstValueFrom, map, scan, tap } from 'rxjs';
import { type InstanceManager, openManager } from 'rx-instances';
import { apiServerOptions, instancesApi } from 'rx-instances/http';
import { openRemote } from 'rx-instances/remote';
import { createMemoryDriver } from 'rx-instances/testing';

const drivers = [createMemoryDriver()];

async function openServer(manager: InstanceManager): Promise<FastifyInstance> {
  const app = fastify(apiServerOptions());
  await app.register(instancesApi, { manager, drivers, drainMs: 500 });
  return app;
}

async function main(): Promise<void> {
  await using manager = await openManager({ drivers });
  const server = await openServer(manager);
  const baseUrl = await server.listen({ host: '127.0.0.1', port: 0 });

  // From here on nothing is special: it might as well be a manager in this program.
  await using remote = await openRemote({ baseUrl });
  const asleep$ = remote.events('night_shift').pipe(
    filter(({ action }) => action === 'standby' || action === 'restore'),
    scan((count, { action }) => count + (action === 'standby' ? 1 : -1), 0),
    map((count) => `${String(count)} asleep`),
    tap((text) => {
      console.log(text);
    }),
  );
  const both = firstValueFrom(asleep$.pipe(filter((text) => text === '2 asleep')));

  const web = await firstValueFrom(remote.create({ name: 'web', image: 'any' }));
  await firstValueFrom(remote.create({ name: 'api', image: 'any' }));
  await firstValueFrom(remote.standby(web.id));

  await server.close();
  console.log('the server is gone; elsewhere, somebody puts api on standby');
  await firstValueFrom(manager.standby('api'));
  const again = await openServer(manager);
  await again.listen({ host: '127.0.0.1', port: Number(new URL(baseUrl).port) });
  await both;

  const change = await firstValueFrom(remote.watch('table'));
  if (change.kind === 'snapshot')
    console.log(change.instances.map(({ name, state }) => `${name} ${state}`).join(', '));
  await remote.close();
  await again.close();
}

void main();
