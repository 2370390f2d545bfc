/** A server in a process of its own, asked over IPC: a manager behind our API, or the same things said by a bare Fastify. */
import { createReadStream } from 'node:fs';
import type { AddressInfo } from 'node:net';
import fastifySse, { type SSEMessage } from '@fastify/sse';
import fastify, { type FastifyInstance } from 'fastify';
import { type InstanceManager, openManager } from 'rx-instances';
import { apiServerOptions, instancesApi } from 'rx-instances/http';
import { createMemoryDriver } from 'rx-instances/testing';
import { wireEvent } from 'rx-instances/wire';
import { firstValueFrom, map, type Observable, share, tap } from 'rxjs';
import { answerAsked } from './askedProcess.js';
import { heap } from './heap.js';
import { served, type ServerQuestion, tokenSecret, waitedFor } from './httpServer.js';
import { idleDriver } from './idleDriver.js';
import { keepsAll } from './longLog.js';

const drivers = [createMemoryDriver(), idleDriver];
const stamps: bigint[] = [];
const stamp = (): void => void stamps.push(process.hrtime.bigint());
let changes = 0;
let requests = 0;
let manager: InstanceManager | undefined;

/** A manager in memory with its instances, or one that has what a data directory has. */
async function open(dataDir?: string): Promise<InstanceManager> {
  if (dataDir !== undefined) return openManager({ drivers, config: keepsAll, dataDir });
  const config = { ...keepsAll, instances: { lifecycleEventBufferSize: 4_096 } };
  const opened = await openManager({ drivers, config });
  await firstValueFrom(
    opened.create({
      name: served,
      driver: 'memory',
      image: 'any',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      tags: { team: 'bench', change: '0' },
    }),
  );
  await firstValueFrom(opened.create({ name: waitedFor, driver: 'memory', image: 'any' }));
  return opened;
}

/** Our API, with nothing in its way that a bench is over in a moment. */
async function serveOurs(instances: InstanceManager): Promise<FastifyInstance> {
  const app = fastify({ ...apiServerOptions(), logger: false });
  const plenty = { maxRequestsPerSecond: 1_000_000, maxConnections: 20_000, maxStreams: 20_000 };
  await app.register(instancesApi, { manager: instances, drivers, secret: tokenSecret, ...plenty });
  return app;
}

/** What ours says, as ready strings. */
async function serveBare(instances: InstanceManager, file: string | undefined): Promise<FastifyInstance> {
  const app = fastify({ ...apiServerOptions(), logger: false });
  await app.register(fastifySse, { serializer: String });
  const message$: Observable<SSEMessage> = instances.events('bare').pipe(
    map((event) => ({
      id: `${event.epoch}:${String(event.sequence)}`,
      data: JSON.stringify(wireEvent.encode(event)),
    })),
    tap(stamp),
    share(),
  );
  if (file === undefined) {
    app.get('/events', { sse: 'only' }, (_, reply) => {
      reply.sse.keepAlive();
      // It is said before anything happens that the stream is there.
      reply.sse.sendHeaders();
      reply.raw.flushHeaders();
      const telling = message$.subscribe((message) => {
        void reply.sse.send(message);
      });
      reply.sse.onClose(() => {
        telling.unsubscribe();
      });
    });
  } else {
    app.get('/events', (_, reply) => reply.type('text/event-stream').send(createReadStream(file)));
  }
  const instance = await sameAnswer(instances);
  app.get('/instances/:id', (_, reply) => {
    void reply.type('application/json; charset=utf-8').send(instance);
  });
  app.get('/instances/:id/wait', () => new Promise(() => undefined));
  return app;
}

/** What our API answers of the instance. */
async function sameAnswer(instances: InstanceManager): Promise<string> {
  const app = fastify(apiServerOptions());
  await app.register(instancesApi, { manager: instances, drivers });
  const { body } = await app.inject({ url: `/instances/${served}`, headers: { host: 'localhost' } });
  await app.close();
  return body;
}

async function serve({ server, from }: ServerQuestion & { kind: 'serve' }): Promise<number> {
  manager = await open(server === 'ours' ? from : undefined);
  if (server === 'ours') manager.events('stamps').subscribe(stamp);
  const app = server === 'ours' ? await serveOurs(manager) : await serveBare(manager, from);
  app.server.on('request', () => (requests += 1));
  await app.listen({ host: '127.0.0.1', port: 0, backlog: 4_096 });
  return (app.server.address() as AddressInfo).port;
}

async function happen({ events, together, everyMs }: ServerQuestion & { kind: 'happen' }): Promise<number> {
  const startedAt = performance.now();
  for (let happened = 0; happened < events; happened += together) {
    const due = startedAt + (happened / together) * everyMs;
    // A server that is behind has to come to its sockets all the same.
    await new Promise((turn) => setTimeout(turn, Math.max(0, due - performance.now())));
    for (let index = happened; index < Math.min(events, happened + together); index += 1) {
      // Another one each time: what changes nothing is no event.
      const tags = { team: 'bench', change: String((changes += 1)) };
      if (manager !== undefined) await firstValueFrom(manager.update(served, { tags }));
    }
  }
  return (performance.now() - startedAt) * 1e6;
}

answerAsked(async (question: ServerQuestion): Promise<number> => {
  switch (question.kind) {
    case 'serve':
      return serve(question);
    case 'happen':
      return happen(question);
    case 'processor': {
      const { user, system } = process.cpuUsage();
      return (user + system) * 1_000;
    }
    case 'memory':
      await heap();
      return process.memoryUsage.rss();
    case 'waiting':
      while (requests < question.requests) await new Promise((turn) => setTimeout(turn, 5));
      return requests;
    case 'when':
      return question.event === undefined ? stamps.length : Number(stamps[question.event]);
  }
});
