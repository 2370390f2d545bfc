/** Carries the lifecycle stream to browsers. A client that was away goes on where it was, and a slow one holds up nobody. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type InstanceManager, openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { wireEvent } from 'rx-instances/wire';
import { fromEvent, lastValueFrom, takeUntil } from 'rxjs';

/** At most 16 events wait for a client; what is more it is given later, from the log. */
const serve =
  (manager: InstanceManager) =>
  (request: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    const [epoch = '', sequence] = String(request.headers['last-event-id'] ?? '').split('.');
    const place = sequence === undefined ? {} : { after: { epoch, sequence: Number(sequence) } };
    const events$ = manager.consume(
      'sse',
      async (event) => {
        const data = JSON.stringify(wireEvent.encode(event));
        const text = `id: ${event.epoch}.${String(event.sequence)}\ndata: ${data}\n\n`;
        if (!response.write(text)) await once(response, 'drain');
      },
      { ...place, label: String(request.socket.remotePort), capacity: 16, overflow: 'resume' },
    );
    events$.pipe(takeUntil(fromEvent(response, 'close'))).subscribe({
      error: () => response.destroy(),
      complete: () => response.end(),
    });
  };

/** Reads as many events as it is told, as a browser's EventSource does, and tells the id of the last. */
async function read(port: number, count: number, lastId?: string): Promise<string> {
  const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
  const { body } = await fetch(`http://127.0.0.1:${String(port)}/`, { headers });
  let text = '';
  for await (const bytes of body ?? []) {
    text += Buffer.from(bytes).toString();
    if (text.split('\n\n').length > count) break;
  }
  console.log(text.trimEnd());
  return /.*id: (\S+)/s.exec(text)?.[1] ?? '';
}

async function main(): Promise<void> {
  const manager = await openManager({ drivers: [createMemoryDriver()] });
  const server = createServer(serve(manager));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  const first = read(port, 1);
  await once(server, 'request');
  await lastValueFrom(manager.create({ name: 'web', image: 'any' }));
  const lastId = await first;
  await lastValueFrom(manager.standby('web'));
  await read(port, 1, lastId);
  await manager.close();
  server.close();
}

void main();
