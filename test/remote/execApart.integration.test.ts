import { once } from 'node:events';
import { createServer } from 'node:net';
import { createSigner } from 'fast-jwt';
import { openRemote } from 'rx-instances/remote';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { WebSocket } from 'ws';
import { type ExecStage, openExecStage } from '../http/exec/execStage.js';
import { openTalk } from '../http/exec/talk.js';
import { processesLeft, shell } from '../instances/executionsContract.js';

const secret = 'a secret that nobody can guess, 42';
const tokenFor = (permissions: readonly string[]): string =>
  createSigner({ key: secret })({ sub: 'reader', permissions });

const createWeb = ({ manager }: ExecStage) =>
  firstValueFrom(
    manager.create({ driver: 'process', name: 'web', image: 'scratch', entrypoint: ['sleep', '600'] }),
  );

it('a connection that is cut fails the exec, and ends its program', async () => {
  await using stage = await openExecStage();
  const web = await createWeb(stage);
  const sockets: WebSocket[] = [];
  class Kept extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address, protocols);
      sockets.push(this);
    }
  }
  await using remote = await openRemote({ baseUrl: stage.address, WebSocket: Kept });
  const running = lastValueFrom(remote.exec('web', shell('exec sleep 600')));
  await processesLeft(web.id, 2);
  for (const socket of sockets) socket.terminate();
  await expect(running).rejects.toMatchObject({ _tag: 'ApiFailed', reason: 'its connection was cut' });
  await processesLeft(web.id, 1);
});

it('a server that stops says so', async () => {
  await using stage = await openExecStage();
  const web = await createWeb(stage);
  await using remote = await openRemote({ baseUrl: stage.address, WebSocket });
  const running = lastValueFrom(remote.exec('web', shell('exec sleep 600')));
  await processesLeft(web.id, 2);
  const stopping = stage.app.close();
  await expect(running).rejects.toMatchObject({ _tag: 'ApiFailed', reason: 'the server stops' });
  await stopping;
  await processesLeft(web.id, 1);
});

it('a remote that is closed ends what runs, and begins nothing', async () => {
  await using stage = await openExecStage();
  const web = await createWeb(stage);
  const remote = await openRemote({ baseUrl: stage.address, WebSocket });
  const running = lastValueFrom(remote.exec('web', shell('exec sleep 600')));
  await processesLeft(web.id, 2);
  await remote.close();
  await expect(running).rejects.toMatchObject({ _tag: 'ManagerClosed' });
  await expect(lastValueFrom(remote.exec('web', shell('true')))).rejects.toMatchObject({
    _tag: 'ManagerClosed',
  });
  await processesLeft(web.id, 1);
});

it('brings its token without a header, and tells why it is refused', async () => {
  await using stage = await openExecStage({ secret });
  await createWeb(stage);
  const open = (...permissions: string[]) =>
    openRemote({ baseUrl: stage.address, token: tokenFor(permissions), WebSocket });
  await using writer = await open('instance:read', 'instance:write');
  await expect(lastValueFrom(writer.exec('web', shell('exit 7')))).resolves.toMatchObject({ code: 7 });
  await using reader = await open('instance:read');
  await expect(lastValueFrom(reader.exec('web', shell('true')))).rejects.toMatchObject({
    ...{ _tag: 'ApiFailed', status: 403 },
    reason: 'it answered 403: missing required scope: instance:write',
  });
});

it('without a WebSocket fails, and says what is missing', async () => {
  await using stage = await openExecStage();
  await createWeb(stage);
  await using remote = await openRemote({ baseUrl: stage.address });
  const platform = globalThis as { WebSocket?: unknown };
  const before = platform.WebSocket;
  platform.WebSocket = undefined;
  await expect(lastValueFrom(remote.exec('web', shell('true')))).rejects.toMatchObject({
    ...{ _tag: 'ApiFailed', reason: 'this platform has no WebSocket, and openRemote was given none' },
  });
  // Later it has one.
  platform.WebSocket = WebSocket;
  await expect(lastValueFrom(remote.exec('web', shell('exit 2')))).resolves.toMatchObject({ code: 2 });
  platform.WebSocket = before;
});

it('an API that is not reached is ApiFailed', async () => {
  await using stage = await openExecStage();
  await createWeb(stage);
  const deaf = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(deaf, 'listening');
  const { port } = deaf.address() as { port: number };
  class Elsewhere extends WebSocket {
    constructor(address: string, protocols: string[]) {
      super(address.replace(/:\d+/, `:${String(port)}`), protocols);
    }
  }
  await using remote = await openRemote({ baseUrl: stage.address, WebSocket: Elsewhere });
  await expect(lastValueFrom(remote.exec('web', shell('true')))).rejects.toMatchObject({
    ...{ _tag: 'ApiFailed', reason: 'its WebSocket could not be opened: socket hang up' },
  });
  deaf.close();
});

it('a client of its language that sends more than it may is ended, and so is one that speaks another', async () => {
  await using stage = await openExecStage();
  const web = await createWeb(stage);
  const path = '/calls/exec';
  await expect(openTalk(stage.address, path)).rejects.toThrow('400');
  const protocols = ['rx-instances.exec.v1'];
  const { socket, closed } = await openTalk(stage.address, path, { protocols });
  socket.send(
    JSON.stringify({ arguments: ['web', { command: 'sleep', args: ['600'] }], credit: 1, stdin: true }),
  );
  for (let round = 0; round < 8; round += 1) socket.send(Buffer.alloc(2 ** 18));
  expect((await closed)[0]).toBe(1008);
  await processesLeft(web.id, 1);
  const stranger = await openTalk(stage.address, path, { protocols });
  stranger.socket.send('{"arguments": []}');
  expect((await stranger.closed)[0]).toBe(1000);
  expect(JSON.parse(stranger.texts[0] ?? '')).toMatchObject({ type: 'failed', code: 'invalid_request' });
});
