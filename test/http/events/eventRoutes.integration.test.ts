import { firstValueFrom } from 'rxjs';
import { wireEvent } from 'rx-instances/wire';
import { openStage, type Stage, type StageOptions } from '../apiStage.js';
import { until } from '../../support/until.js';
import { type EventReader, readEvents } from './readEvents.js';

describe('GET /events', () => {
  let stage: Stage;
  const readers: EventReader[] = [];

  const open = async (options?: StageOptions) => {
    stage = await openStage(options);
  };
  const read = async (path: string, headers?: Record<string, string>) => {
    const reader = await readEvents(`${stage.address}${path}`, headers);
    readers.push(reader);
    return reader;
  };
  const create = (name: string, tags: Record<string, string> = {}) =>
    firstValueFrom(stage.manager.create({ name, image: 'any', tags }));
  const eventStream = { accept: 'text/event-stream' };

  afterEach(async () => {
    await Promise.all(readers.splice(0).map((reader) => reader.leave()));
    await stage[Symbol.asyncDispose]();
  });

  const actionsOf = async (reader: EventReader, count: number) => {
    const heard: string[] = [];
    while (heard.length < count) {
      const { data } = (await reader.next()) ?? {};
      const { action, instance, last } = data as {
        action: string;
        instance?: { name: string };
        last?: { name: string };
      };
      heard.push(`${action} ${(instance ?? last)?.name ?? ''}`);
    }
    return heard;
  };

  it('streams what happens from now on, each event in its wire form', async () => {
    await open();
    await create('before');
    const reader = await read('/events');
    expect(reader.headers.get('content-type')).toBe('text/event-stream');
    const { id } = await create('web');
    const { data } = (await reader.next()) ?? {};
    expect(wireEvent.decode(data)).toMatchObject({ right: { action: 'create', instanceId: id } });
  });

  it('goes on after a place that is asked for, and after one that a client names when it reconnects', async () => {
    await open();
    const reader = await read('/events');
    await create('one');
    const { id = '' } = (await reader.next()) ?? {};
    await reader.leave();
    await create('two');
    for (const [path, headers] of [
      [`/events?after=${id}&action=create`, {}],
      ['/events?action=create', { 'last-event-id': id }],
      ['/events?action=create&after=nonsense:0', { 'last-event-id': id }],
    ] as const) {
      const again = await read(path, headers);
      await expect(actionsOf(again, 1)).resolves.toEqual(['create two']);
    }
  });

  it('streams those of some actions, states, names and tags', async () => {
    await open();
    const some = await Promise.all([
      read('/events?action=stop&action=delete'),
      read('/events?state=Stopped'),
      read('/events?name=two&action=create&action=delete'),
      read('/events?tags[team]=a&action=create'),
    ]);
    await create('one');
    await create('two', { team: 'a' });
    for (const name of ['one', 'two']) {
      await firstValueFrom(stage.manager.stop(name));
      await firstValueFrom(stage.manager.delete(name), { defaultValue: undefined });
    }
    const heard = await Promise.all([
      actionsOf(some[0], 4),
      actionsOf(some[1], 4),
      actionsOf(some[2], 2),
      actionsOf(some[3], 1),
    ]);
    expect(heard).toEqual([
      ['stop one', 'delete one', 'stop two', 'delete two'],
      ['stop one', 'delete one', 'stop two', 'delete two'],
      ['create two', 'delete two'],
      ['create two'],
    ]);
  });

  it('streams those of one instance, also of one that has been deleted', async () => {
    await open();
    const all = await read('/events');
    await create('one');
    const { id: before = '' } = (await all.next()) ?? {};
    const { id } = await create('two');
    const ofTwo = await read('/instances/two/events');
    await firstValueFrom(stage.manager.stop('one'));
    await firstValueFrom(stage.manager.delete('two'), { defaultValue: undefined });
    await expect(actionsOf(ofTwo, 1)).resolves.toEqual(['delete two']);
    const late = await read(`/instances/${id}/events?after=${before}&action=create&action=delete`);
    await expect(actionsOf(late, 2)).resolves.toEqual(['create two', 'delete two']);
    const absent = await stage.ask('GET', `/instances/${id}/events`);
    expect(absent.status).toBe(404);
  });

  it('tells of a place that the log does not have by 410, and to an EventSource by an event, after which it goes on', async () => {
    await open();
    await create('one');
    const refused = await stage.ask('GET', '/events?after=other:1');
    expect([refused.status, refused.body['code']]).toEqual([410, 'cursor_expired']);
    const reader = await read('/events', { ...eventStream, 'last-event-id': 'other:1' });
    expect(await reader.next()).toMatchObject({
      type: 'cursor_expired',
      data: { _tag: 'CursorExpired', cursor: { epoch: 'other', sequence: 1 } },
    });
    await create('two');
    await expect(actionsOf(reader, 1)).resolves.toEqual(['create two']);
  });

  it('names a place with which an EventSource that lost its own can reconnect', async () => {
    await open();
    await create('one');
    const reader = await read('/events?after=other:1', eventStream);
    const { id = '' } = (await reader.next()) ?? {};
    await create('two');
    const again = await read('/events?action=create', { ...eventStream, 'last-event-id': id });
    await expect(actionsOf(again, 1)).resolves.toEqual(['create two']);
  });

  it.each([
    ['/events?after=12', 'after'],
    ['/events?after[]=a:1', 'after'],
    ['/events?action=explode', 'action'],
    ['/events?state=Running&state=Odd', 'state[1]'],
    ['/events?watch=1', 'watch'],
  ])('refuses %s, and names %s', async (path, name) => {
    await open();
    const { status, body } = await stage.ask('GET', path);
    expect(status).toBe(400);
    expect(body['message']).toContain(`${name}: `);
  });

  it('refuses a place of which a client says that it was there, and was not', async () => {
    await open();
    const { status, body } = await stage.ask('GET', '/events', undefined, { 'last-event-id': 'x' });
    expect(status).toBe(400);
    expect(body['message']).toContain('last-event-id: ');
  });

  it('leaves nothing of a client that has gone', async () => {
    await open();
    const subscribers = () => stage.manager.stats()['http_events']?.subscribers;
    const before = subscribers();
    const slow = await read('/events?after=other:1', eventStream);
    await slow.next();
    await slow.leave();
    const watching = await read('/instances?watch=true');
    await watching.next();
    expect(stage.manager.stats()['http_watch']?.subscribers).toBe(1);
    await watching.leave();
    await expect(
      until(
        () => stage.manager.stats()['http_watch']?.subscribers,
        (count) => count === 0,
      ),
    ).resolves.toBe(0);
    expect(subscribers()).toBe(before);
  });

  it('tells its clients why it ends when the server stops, after all that was published before', async () => {
    await open();
    const [events, table] = await Promise.all([read('/events'), read('/instances?watch=true')]);
    await table.next();
    await create('one');
    await stage.app.close();
    const heard = await events.rest();
    expect(heard[0]).toMatchObject({ type: 'message', data: { action: 'create' } });
    for (const { type, data } of [heard[heard.length - 1], (await table.rest()).at(-1)].map(
      (last) => last ?? { type: '', data: {} },
    )) {
      expect(type).toBe('closing');
      expect(data).toEqual({ reason: 'the server stops' });
    }
  });

  it('ends its streams when the manager closes', async () => {
    await open();
    const [events, table] = await Promise.all([read('/events'), read('/instances?watch=true')]);
    await stage.manager.close();
    for (const stream of [events, table]) expect((await stream.rest()).at(-1)?.type).toBe('closing');
  });

  it('has as many streams as it may', async () => {
    await open({ maxStreams: 2 });
    await Promise.all([read('/events'), read('/instances?watch=true')]);
    const one = await stage.ask('GET', '/events');
    const other = await stage.ask('GET', '/instances?watch=true');
    await create('web');
    const third = await stage.ask('GET', '/instances/web/events');
    expect([one.status, other.status, third.status]).toEqual([429, 429, 429]);
  });
});

describe('GET /instances?watch=true', () => {
  it('streams the table, then what changes of it', async () => {
    await using stage = await openStage();
    const create = (name: string) => firstValueFrom(stage.manager.create({ name, image: 'any' }));
    await create('one');
    const reader = await readEvents(`${stage.address}/instances?watch=true&state=Running`);
    const { data: table, id = '' } = (await reader.next()) ?? {};
    expect(table).toMatchObject({ kind: 'snapshot', instances: [{ name: 'one', state: 'Running' }] });
    expect(id).toMatch(/:\d+$/);
    await firstValueFrom(stage.manager.stop('one'));
    expect((await reader.next())?.data).toMatchObject({ kind: 'removed', last: { name: 'one' } });
    await reader.leave();
  });
});
