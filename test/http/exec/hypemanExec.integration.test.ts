import { once } from 'node:events';
import { createSigner } from 'fast-jwt';
import type { Instance, InstanceManager } from 'rx-instances';
import { firstValueFrom, from, timeout } from 'rxjs';
import { processesLeft } from '../../instances/executionsContract.js';
import { dial, head } from '../rawClient.js';
import { type ExecStage, openExecStage } from './execStage.js';
import { tokenProtocol } from '../../../src/codecs/wire/wireExec.js';
import { openTalk, type Talk } from './talk.js';

const secret = 'a secret that nobody can guess, 42';
const bearer = (permissions?: readonly string[]) => ({
  authorization: `Bearer ${createSigner({ key: secret })({ sub: 'tester', ...(permissions && { permissions }) })}`,
});

let stage: ExecStage;
let web: Instance;

const createWeb = (manager: InstanceManager) =>
  firstValueFrom(
    manager.create({ driver: 'process', name: 'web', image: 'scratch', entrypoint: ['sleep', '600'] }),
  );

/** As hypeman's client opens one: with its token in a header. */
async function exec(request: object, name = 'web'): Promise<Talk> {
  const talk = await openTalk(stage.address, `/instances/${name}/exec`, { headers: bearer() });
  talk.socket.send(JSON.stringify(request));
  return talk;
}

const shell = (line: string, others: object = {}) => exec({ command: ['sh', '-c', line], ...others });

beforeEach(async () => {
  stage = await openExecStage({ secret });
  web = await createWeb(stage.manager);
});
afterEach(() => stage[Symbol.asyncDispose]());

it('sends what is written as bytes, and last the exit code as a text', async () => {
  const { closed, texts, bytes } = await shell('echo $A; pwd; echo oops >&2; exit 3', {
    ...{ tty: false, env: { A: 'given' }, cwd: '/', timeout: 60, wait_for_agent: 5 },
  });
  expect(await closed).toEqual([1000, 'it has ended']);
  expect(bytes().split('\n').sort()).toEqual(['', '/', 'given', 'oops']);
  expect(texts).toEqual(['{"exitCode":3}']);
});

it('takes its token as a protocol too, where a client sets no headers', async () => {
  const { authorization } = bearer();
  const [, token = ''] = authorization.split(' ');
  const { socket, closed, bytes } = await openTalk(stage.address, '/instances/web/exec', {
    protocols: [`${tokenProtocol}${Buffer.from(token).toString('base64url')}`],
  });
  socket.send(JSON.stringify({ command: ['echo', 'on'] }));
  expect((await closed)[0]).toBe(1000);
  expect(bytes()).toBe('on\n');
});

it('runs a shell where nothing else is said, which reads texts and bytes, of an instance by the beginning of its id', async () => {
  const { socket, closed, untilBytes, texts } = await exec({}, web.id.slice(0, 8));
  socket.send('echo one\n');
  await untilBytes('one\n');
  socket.send(Buffer.from('echo two; exit 4\n'));
  expect((await closed)[0]).toBe(1000);
  await untilBytes('one\ntwo\n');
  expect(texts).toEqual(['{"exitCode":4}']);
});

it.each([
  ['a signal', { command: ['sh', '-c', 'kill -TERM $$'] }, '', 143],
  ['the end of its time', { command: ['sleep', '600'], timeout: 1 }, '', 124],
  ['a program that is not there', { command: ['/none'] }, 'Error: there is no such program\r\n', 127],
  ['one that is none', { command: ['/etc/passwd'] }, 'Error: the program cannot be run\r\n', 126],
])('tells %s by a code', async (_, request, said, code) => {
  const { closed, texts, bytes } = await exec(request);
  expect((await closed)[0]).toBe(1000);
  expect([bytes(), texts]).toEqual([said, [`{"exitCode":${String(code)}}`]]);
});

it('has no terminals, and says so', async () => {
  const { closed, bytes, texts } = await exec({ command: ['true'], tty: true });
  await closed;
  expect(bytes()).toMatch(/^Error: .*tty.*no terminals/);
  expect(texts).toEqual(['{"exitCode":127}']);
});

it('kills the program when its client goes, also one that it does not listen to', async () => {
  const { socket, untilBytes } = await shell('echo on; sleep 600');
  await untilBytes('on\n');
  socket.close();
  await processesLeft(web.id, 1);
  const other = await shell('echo on; sleep 600');
  await other.untilBytes('on\n');
  other.socket.terminate();
  await processesLeft(web.id, 1);
});

it('a client that reads nothing holds the program up, and one that sends too much is held up', async () => {
  const reading = await shell('head -c 100000000 /dev/zero; echo done > done; cat > /dev/null');
  reading.socket.pause();
  const feeding = await shell('read line; exec wc -c');
  let sent = 0;
  for (let round = 0; round < 400; round += 1) feeding.socket.send(Buffer.alloc(65_536), () => (sent += 1));
  const look = await shell('for i in 1 2 3 4 5 6; do sleep 0.1; ls; done');
  await look.closed;
  expect(look.bytes()).toBe('');
  feeding.socket.send('\n');
  reading.socket.resume();
  const ended = await shell('until test -e done; do sleep 0.01; done');
  expect((await ended.closed)[0]).toBe(1000);
  feeding.socket.terminate();
  reading.socket.terminate();
  await processesLeft(web.id, 1);
});

it('refuses before anything is opened: whom it does not know, who may not, what is not there, what does not run', async () => {
  const refused = async (path: string, headers: Record<string, string> = bearer()) => {
    const opening = openTalk(stage.address, path, { headers });
    return opening.then(() => 'opened').catch((error: unknown) => String(error).replace(/^.*: /, ''));
  };
  expect(await refused('/instances/web/exec', {})).toBe('401');
  expect(await refused('/instances/web/exec', bearer(['instance:read']))).toBe('403');
  expect(await refused('/instances/nobody/exec')).toBe('404');
  expect(await refused('/instances/web')).toBe('400');
  expect(await refused('/nothing')).toBe('404');
  await firstValueFrom(stage.manager.stop('web'));
  expect(await refused('/instances/web/exec')).toBe('409');
  const plain = await fetch(`${stage.address}/instances/web/exec`, {
    headers: { ...bearer(), connection: 'close' },
  });
  expect([plain.status, await plain.json()]).toEqual([
    426,
    { code: 'upgrade_required', message: 'a WebSocket is needed' },
  ]);
});

it('without a secret refuses pages of other places', async () => {
  await using open = await openExecStage();
  await createWeb(open.manager);
  const from = (origin: string) =>
    openTalk(open.address, '/instances/web/exec', { headers: { origin } }).then(({ socket }) => {
      socket.terminate();
      return 'opened';
    });
  await expect(from('http://evil.example')).rejects.toThrow('403');
  expect(await from(open.address)).toBe('opened');
});

it('ends who breaks the rules', async () => {
  const talk = await openTalk(stage.address, '/instances/web/exec', { headers: bearer() });
  talk.socket.send('{');
  expect(await talk.closed).toEqual([1008, 'this is not understood']);
  const early = await openTalk(stage.address, '/instances/web/exec', { headers: bearer() });
  early.socket.send(Buffer.from('x'));
  expect((await early.closed)[0]).toBe(1008);
  const large = await shell('cat > /dev/null');
  large.socket.send(Buffer.alloc(2 ** 20 + 1));
  expect((await large.closed)[0]).toBe(1009);
  await processesLeft(web.id, 1);
});

it.each(['/instances/web/exec', '/%zz', `/instances/${'x'.repeat(300)}/exec`])(
  'leaves no connection open that asks for a WebSocket at %s, and may not, or where there is none',
  async (path) => {
    const socket = dial(stage.address);
    socket.write(`${head('GET', path)}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n`);
    const heard: string[] = [];
    socket.setEncoding('utf8').on('data', (text: string) => heard.push(text));
    await once(socket, 'close');
    expect(heard.join('')).toMatch(/^HTTP\/1.1 4(00|01|14) /);
  },
);

it('nor one that asks for a WebSocket while it waits for an earlier answer', async () => {
  const socket = dial(stage.address);
  const { authorization } = bearer();
  const headOf = (path: string) => `${head('GET', path)}\r\nauthorization: ${authorization}\r\n`;
  socket.write(`${headOf('/instances/web/wait?state=Stopped&timeout=5m')}\r\n`);
  socket.write(`${headOf('/instances/web/exec')}connection: upgrade\r\nupgrade: websocket\r\n\r\n`);
  // Sooner than who only waits to be taken.
  await firstValueFrom(from(once(socket, 'close')).pipe(timeout(5_000)));
});

it('counts as an open stream', async () => {
  await using few = await openExecStage({ maxStreams: 1 });
  await createWeb(few.manager);
  const first = await openTalk(few.address, '/instances/web/exec');
  await expect(openTalk(few.address, '/instances/web/exec')).rejects.toThrow('429');
  first.socket.close();
  await once(first.socket, 'close');
});

it('a server that stops says why, kills the program, and waits no longer than for that', async () => {
  const { closed, untilBytes } = await shell('echo on; sleep 600');
  await untilBytes('on\n');
  const stalled = await shell('yes');
  stalled.socket.pause();
  const stopping = stage.app.close();
  expect(await closed).toEqual([1001, 'the server stops']);
  await stopping;
  await processesLeft(web.id, 1);
  stalled.socket.terminate();
});
