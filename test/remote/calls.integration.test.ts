import { createSigner } from 'fast-jwt';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import type { LogLine } from 'rx-instances';
import { openRemote, type RemoteInstances } from 'rx-instances/remote';
import { openStage, type Stage, type StageOptions } from '../http/apiStage.js';
import { until } from '../support/until.js';
import { type BrokenProxy, openBrokenProxy } from './brokenProxy.js';

const failureOf = (ended: Promise<unknown>): Promise<unknown> =>
  ended.then(
    (value) => ({ came: value }),
    (error: unknown) => error,
  );

describe('a verb from afar', () => {
  let stage: Stage;
  let proxy: BrokenProxy;
  let remote: RemoteInstances;
  /** How many of the next connections are cut: once a request has come, before any of its answer. */
  let cutting = 0;
  let cutAfter = 0;
  /** What was asked of `/calls`. */
  let asked: { readonly verb: string; readonly given: readonly Record<string, unknown>[] }[];

  /** Each call has a connection of its own. */
  const ask: typeof fetch = (input, init) => {
    const { pathname } = new URL(input);
    const headers: Record<string, string> = {
      ...(init?.headers as Record<string, string>),
      connection: 'close',
    };
    if (pathname.startsWith('/calls/')) {
      const { arguments: given } = JSON.parse(init?.body as string) as { arguments: never };
      asked.push({ verb: pathname.replace('/calls/', ''), given });
    }
    return fetch(input, { ...init, headers });
  };

  const open = async (options: StageOptions = {}) => {
    stage = await openStage(options);
    proxy = await openBrokenProxy(stage.address, () => {
      cutting -= 1;
      return cutting >= 0 ? { cutAfter, delayMs: 0 } : undefined;
    });
    remote = await openRemote({ baseUrl: proxy.address, fetch: ask });
    // Its stream has a connection from the beginning, so that those that are cut are those of calls.
    const heard = firstValueFrom(remote.events('test'));
    await firstValueFrom(stage.manager.create({ name: 'first', image: 'any' }));
    await heard;
  };
  beforeEach(() => {
    [cutting, cutAfter, asked] = [0, 0, []];
  });
  afterEach(async () => {
    await remote.close();
    await proxy.close();
    await stage[Symbol.asyncDispose]();
  });

  const requestIds = () => asked.map(({ given }) => given.at(-1)?.['requestId']);

  it('is asked for again under its name when its answer is cut off, and done once', async () => {
    await open();
    cutting = 2;
    const told: string[] = [];
    stage.manager
      .events('test')
      .subscribe(({ action, cause }) => told.push(`${action} ${String(cause.requestId)}`));
    await firstValueFrom(remote.create({ name: 'web', image: 'any' }));
    const [id] = requestIds();
    expect(requestIds()).toEqual([id, id, id]);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(told).toEqual([`create ${String(id)}`]);
    expect(proxy.cuts).toBe(2);
  });

  it('keeps the name that its caller gave it', async () => {
    await open();
    cutting = 1;
    await firstValueFrom(remote.stop('first', { requestId: 'order-17' }));
    expect(requestIds()).toEqual(['order-17', 'order-17']);
  });

  it('that only reads is asked for again without one', async () => {
    await open();
    cutting = 2;
    expect((await firstValueFrom(remote.get('first'))).name).toBe('first');
    expect(asked).toEqual(Array.from({ length: 3 }, () => ({ verb: 'get', given: ['first'] })));
  });

  it('that would be done twice is asked for once: it may have been done', async () => {
    await open();
    cutting = 1;
    expect(await failureOf(firstValueFrom(remote.signal('first', 'SIGTERM')))).toMatchObject({
      _tag: 'ApiFailed',
    });
    expect(asked).toHaveLength(1);
  });

  it('that has begun is left to itself by a signal, and is done', async () => {
    await open({ memory: { launchMs: 50 } });
    const leaving = new AbortController();
    const ended = failureOf(
      firstValueFrom(remote.create({ name: 'web', image: 'any' }, { signal: leaving.signal })),
    );
    await until(
      () => stage.driver.homes().length,
      (count) => count === 2,
    );
    leaving.abort(new Error('enough'));
    expect(await ended).toMatchObject({ message: 'enough' });
    await firstValueFrom(remote.waitForState('web', 'Running', { mayBeAbsent: true }));
    const { signal } = leaving;
    const never = failureOf(firstValueFrom(remote.stop('web', { signal })));
    expect(await never).toMatchObject({ message: 'enough' });
    expect(asked.filter(({ verb }) => verb === 'stop')).toEqual([]);
  });

  it('that a driver fails at comes to that, once, and to nothing of what the driver says', async () => {
    let failing: string | undefined;
    const fail = (operation: string) =>
      operation === failing ? new Error('/srv/secret is not there') : undefined;
    await open({ memory: { fail } });
    failing = 'launch';
    const launch = await failureOf(firstValueFrom(remote.create({ name: 'web', image: 'any' })));
    expect(launch).toMatchObject({ _tag: 'LaunchFailed', reason: 'the log of its server says why' });
    failing = 'stop';
    const stop = await failureOf(firstValueFrom(remote.stop('first')));
    const { id } = await firstValueFrom(stage.manager.get('first'));
    expect(stop).toMatchObject({
      _tag: 'DriverFailed',
      message: `cannot stop instance ${id}: the log of its server says why`,
      ...{ instanceId: id, verb: 'stop' },
    });
    failing = 'launch';
    const run = await failureOf(lastValueFrom(remote.run({ image: 'any' })));
    expect(run).toMatchObject({ _tag: 'LaunchFailed' });
    expect(JSON.stringify([launch, stop, run])).not.toContain('secret');
    expect(asked.map(({ verb }) => verb)).toEqual(['create', 'stop', 'run']);
  });

  it('that takes too long to launch comes to that', async () => {
    await open({ memory: { launchMs: 20 } });
    const request = { name: 'web', image: 'any' };
    const late = await failureOf(firstValueFrom(remote.create(request, { timeoutMs: 1 })));
    expect(late).toMatchObject({ _tag: 'LaunchFailed', reason: 'timeout' });
  });

  it('runs to the end, and tells the lines as they come', async () => {
    await open();
    const lines: string[] = [];
    const outcome = firstValueFrom(
      remote.run({ name: 'job', image: 'any' }, { onLine: ({ text }) => lines.push(text) }),
    );
    const { id } = (await firstValueFrom(remote.waitForState('job', 'Running', { mayBeAbsent: true })))
      .instance;
    stage.driver.machine(id).print('one');
    await until(
      () => lines.length,
      (count) => count === 1,
    );
    stage.driver.machine(id).exit({ code: 3, signal: null });
    expect(await outcome).toMatchObject({ exit: { code: 3, signal: null }, stdout: 'one\n' });
    expect(lines).toEqual(['one']);
  });

  it('is given up by the server where its run is cut off, and not run again', async () => {
    await open();
    [cutting, cutAfter] = [1, 150];
    const ended = failureOf(firstValueFrom(remote.run({ name: 'job', image: 'any' })));
    expect(await ended).toMatchObject({ _tag: 'ApiFailed' });
    const names = async () => (await firstValueFrom(stage.manager.list())).map(({ name }) => name);
    for (let left = await names(); left.includes('job');) left = await names();
    expect(asked.map(({ verb }) => verb)).toEqual(['run']);
  });

  it('tells each line of a log once, also where it is cut off in the middle', async () => {
    await open();
    const { id } = await firstValueFrom(stage.manager.get('first'));
    for (let line = 0; line < 20; line += 1) stage.driver.machine(id).print(`line ${String(line)}`);
    [cutting, cutAfter] = [2, 900];
    const lines: LogLine[] = [];
    const reading = remote.logs('first', { follow: true, tail: 100 }).subscribe((line) => lines.push(line));
    await until(
      () => lines.length,
      (count) => count >= 20,
    );
    stage.driver.machine(id).print('last');
    const texts = await until(
      () => lines.map(({ text }) => text),
      ({ length }) => length >= 21,
    );
    reading.unsubscribe();
    expect(texts).toEqual([...Array.from({ length: 20 }, (_, line) => `line ${String(line)}`), 'last']);
    expect(proxy.cuts).toBe(2);
  });
});

describe('a token that is refused', () => {
  const secret = 'a secret that nobody can guess, 42';
  const good = createSigner({ key: secret })({ sub: 'app', permissions: ['*'] });

  it('opens nothing, and is not tried again', async () => {
    await using stage = await openStage({ secret });
    let asked = 0;
    const counted: typeof fetch = (input, init) => {
      asked += 1;
      return fetch(input, init);
    };
    const opened = openRemote({ baseUrl: stage.address, token: 'a.b.c', fetch: counted });
    expect(await failureOf(opened)).toMatchObject({ _tag: 'ApiFailed', status: 401 });
    expect(asked).toBe(1);
  });

  it('later on ends verbs and streams with that', async () => {
    await using stage = await openStage({ secret });
    await using proxy = await openBrokenProxy(stage.address, () => undefined);
    let token = good;
    const bearing: typeof fetch = (input, init) => {
      const headers = { ...(init?.headers as object), authorization: `Bearer ${token}`, connection: 'close' };
      return fetch(input, { ...init, headers });
    };
    await using remote = await openRemote({ baseUrl: proxy.address, token, fetch: bearing });
    const events = failureOf(lastValueFrom(remote.events('test')));
    const waited = failureOf(firstValueFrom(remote.waitForState('web', 'Running', { mayBeAbsent: true })));
    await firstValueFrom(remote.list());
    token = 'a.b.c';
    proxy.cut();
    const refused = { _tag: 'ApiFailed', status: 401 };
    expect(await failureOf(firstValueFrom(remote.list()))).toMatchObject(refused);
    expect(await events).toMatchObject(refused);
    expect(await waited).toMatchObject(refused);
  });
});
