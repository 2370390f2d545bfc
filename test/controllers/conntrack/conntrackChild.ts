/** Watches real connections in a network of its own, and prints what it is told, a line of JSON for each step. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { catchError, filter, firstValueFrom, of, ReplaySubject, take, toArray } from 'rxjs';
import { createConntrackSource } from '../../../src/controllers/conntrack/conntrackSource.js';
import { messageOf } from '../../../src/lifecycle/messageOf.js';
import type { Connection, ConnectionChange } from '../../../src/instances/connectionSource.js';

const print = (step: string, ...said: readonly unknown[]): void => {
  console.log(JSON.stringify([step, ...said]));
};
const run = (program: string, ...args: readonly string[]): void => {
  execFileSync(program, args, { stdio: 'inherit' });
};

const accepted: Socket[] = [];
async function listen(host: string): Promise<number> {
  const server: Server = createServer((socket) => accepted.push(socket));
  await once(server.listen({ host, port: 0 }), 'listening');
  return (server.address() as AddressInfo).port;
}

async function connected(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port });
  await once(socket.resume(), 'connect');
  return socket;
}

const conntrackPid = (): number => {
  const children = `/proc/${String(process.pid)}/task/${String(process.pid)}/children`;
  const pids = readFileSync(children, 'utf8').trim().split(' ');
  return Number(pids.find((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'conntrack\n'));
};

async function main(): Promise<void> {
  run('ip', 'link', 'set', 'lo', 'up');
  const [web, six, other] = [await listen('127.0.0.1'), await listen('::1'), await listen('127.0.0.1')];
  const source = createConntrackSource()({
    isOwn: () => false,
    portAt: ({ port }) => {
      if (port === web) return { instanceId: 'web', guest: 80 };
      return port === six ? { instanceId: 'six', guest: 443 } : undefined;
    },
  });
  const told = (
    { instanceId, guest, source: { address, port }, since }: Connection,
    client: number | undefined,
  ) => [...[instanceId, guest, address, port === client], Math.abs(Date.now() - since) < 60_000];
  const table = async (): Promise<readonly string[]> =>
    (await firstValueFrom(source.read())).map(({ instanceId }) => instanceId).toSorted();

  const old = await connected('127.0.0.1', web);
  print(
    'without a rule',
    await firstValueFrom(source.read().pipe(catchError((error: unknown) => of(messageOf(error))))),
  );

  run('nft', 'add table inet t');
  run('nft', 'add chain inet t c { type filter hook input priority 0; }');
  run('nft', 'add rule inet t c ct state established accept');
  print('with one', await table());

  const changes$ = new ReplaySubject<ConnectionChange>(Infinity);
  const watching = source.changes$.subscribe(changes$);
  let seen = 0;
  const next = async (): Promise<ConnectionChange> => {
    const changes = await firstValueFrom(changes$.pipe(take((seen += 1)), toArray()));
    return changes.at(-1) as ConnectionChange;
  };
  const portsOf = new Map<Socket, number | undefined>();
  const change = async (client: Socket): Promise<unknown> => {
    // A closed one has none any more.
    const port = portsOf.get(client) ?? client.localPort;
    portsOf.set(client, port);
    const said = await next();
    return said.kind === 'reset' ? said : [said.kind, ...told(said.connection, port)];
  };
  print('listening', await next(), await firstValueFrom(source.state$));

  accepted[0]?.write('the server speaks first');
  print('older than the rule', await change(old), await table());

  const first = await connected('127.0.0.1', web);
  print('opened', await change(first), await table());
  const elsewhere = await connected('127.0.0.1', other);
  const second = await connected('::1', six);
  print('opened by IPv6', await change(second), await table());

  for (const socket of accepted) socket.on('end', () => socket.end());
  first.end();
  print('closed', await change(first), await table());
  second.end();
  print('closed by IPv6', await change(second), await table());

  process.kill(conntrackPid(), 'SIGKILL');
  print('lost', (await firstValueFrom(source.state$.pipe(filter(({ kind }) => kind !== 'connected')))).kind);
  print('found again', await next(), await table());

  watching.unsubscribe();
  for (const socket of [old, elsewhere]) socket.destroy();
  process.exit();
}

void main();
