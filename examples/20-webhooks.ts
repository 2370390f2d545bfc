/** Sends what happens to a receiver of webhooks, which verifies the signatures; it is down at first, and gets all the same. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { filter, firstValueFrom, take, toArray } from 'rxjs';
import { openManager } from 'rx-instances';
import { createMemoryDriver } from 'rx-instances/testing';
import { openWebhooks } from 'rx-instances/webhooks';
import { Webhook } from 'standardwebhooks';

/** Verifies what comes, as a receiver would in whatever language; it answers 503 the first time. */
function receive(secret: () => string) {
  let isUp = false;
  return createServer((request, response) => {
    void text(request).then((body) => {
      if (isUp) {
        const event = new Webhook(secret()).verify(body, request.headers as Record<string, string>);
        const { action, instance } = event as { action: string; instance: { name: string } };
        console.log(`received ${action} of ${instance.name}`);
      }
      response.writeHead(isUp ? 204 : 503).end();
      isUp = true;
    });
  });
}

async function main(): Promise<void> {
  let secret = '';
  const receiver = receive(() => secret);
  await new Promise<void>((listening) => receiver.listen(0, '127.0.0.1', listening));
  const { port } = receiver.address() as AddressInfo;

  await using manager = await openManager({ drivers: [createMemoryDriver()] });
  // Only for a receiver on this host: without them it is https, and public addresses.
  const local = { allowHttp: true, allowedNetworks: ['127.0.0.0/8'] };
  const webhooks = await openWebhooks(manager, local);
  const url = `http://127.0.0.1:${String(port)}/hook`;
  const wanted = { action: ['create', 'stop'] } as const;
  ({ secret } = await firstValueFrom(webhooks.add({ id: 'builds', url, filter: wanted })));

  const delivered$ = webhooks.reports$.pipe(filter(({ kind }) => kind === 'delivered'));
  const both = firstValueFrom(delivered$.pipe(take(2), toArray()));
  await firstValueFrom(manager.create({ name: 'web', image: 'any' }));
  await firstValueFrom(manager.stop('web'));
  await both;
  const { attempts } = webhooks.stats();
  console.log(`${String(attempts.delivered)} taken, ${String(attempts.status)} refused at first`);
  await webhooks.close();
  receiver.close();
}

void main();
