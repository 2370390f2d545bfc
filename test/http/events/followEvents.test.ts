import * as fc from 'fast-check';
import { firstValueFrom, NEVER, of, Subject, Subscription, take, TimeoutError } from 'rxjs';
import type { LifecycleStreams } from '../../../src/instances/lifecycleStreams.js';
import { CursorExpired } from '../../../src/lifecycle/errors.js';
import type { LifecycleEvent } from '../../../src/lifecycle/event.js';
import { cursorOf } from '../../../src/codecs/cursorText.js';
import type { EventSink } from '../../../src/http/sse/eventSink.js';
import { followEvents } from '../../../src/http/events/followEvents.js';
import type { EventClient } from '../../../src/http/events/follower.js';
import { liveEvents } from '../../../src/http/events/liveEvents.js';
import { createLoggedBus, numbers, place } from '../../support/loggedBus.js';
import { until } from '../../support/until.js';

type Options = Parameters<typeof createLoggedBus>[0];

/** A bus, and clients who follow it. */
function createStage(options: Options = {}, joinMs = 0) {
  const logged = createLoggedBus(options);
  const { bus, log } = logged;
  const streams: LifecycleStreams = {
    ...bus,
    watch: (consumer, watchOptions) =>
      bus.watch(consumer, () => of({ instances: [], ...log.head() }), watchOptions),
    waitForState: () => NEVER,
  };
  const live = liveEvents(streams, NEVER, { consumer: 'http', joinMs });
  const subscriptions = new Subscription();

  const follow = (client: Partial<EventClient> = {}) => {
    const sink = createSink();
    const follower = { ...sink, isOpen: false, error: undefined as unknown, isComplete: false };
    const followed$ = followEvents(
      {
        key: 'all',
        wants: () => true,
        open: () => {
          follower.isOpen = true;
          return sink.sink;
        },
        ...client,
      },
      { live, streams, consumer: 'http' },
    );
    const subscription = followed$.subscribe({
      error: (error: unknown) => (follower.error = error),
      complete: () => (follower.isComplete = true),
    });
    subscriptions.add(subscription);
    return Object.assign(follower, { leave: () => subscription.unsubscribe() });
  };
  return { ...logged, live, streams, follow, leaveAll: () => subscriptions.unsubscribe() };
}

/** A client that takes what it is sent when it is told to. */
function createSink() {
  const drained$ = new Subject<void>();
  let waiting = 0;
  let isSlow = false;
  const taken: string[] = [];
  const sink: EventSink = {
    write: (bytes) => {
      taken.push(Buffer.from(bytes).toString());
      if (isSlow) waiting += bytes.length;
    },
    get waiting() {
      return waiting;
    },
    drained$: drained$.pipe(take(1)),
  };
  /** The blocks that were sent: type and sequence of each. */
  const heard = () =>
    taken
      .join('')
      .split('\n\n')
      .filter((block) => block !== '')
      .map((block) => {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
        return { type: field('event') ?? 'message', at: cursorOf(field('id') ?? '')?.sequence };
      });
  return {
    sink,
    taken,
    heard,
    sequences: () =>
      heard()
        .filter(({ type }) => type === 'message')
        .map(({ at }) => at),
    stall: (bytes = 100_000) => {
      isSlow = true;
      waiting += bytes;
    },
    drain: () => {
      isSlow = false;
      waiting = 0;
      drained$.next();
    },
  };
}

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

describe('followEvents', () => {
  let stage: ReturnType<typeof createStage>;
  afterEach(() => {
    stage.leaveAll();
    stage.bus.close();
  });

  it('sends what is published from now on, in a turn of its own', async () => {
    stage = createStage({ before: 3 });
    const client = stage.follow();
    expect(client.isOpen).toBe(true);
    stage.publish(2);
    expect(client.taken).toEqual([]);
    await turn();
    expect(client.sequences()).toEqual([4, 5]);
    expect(client.taken).toHaveLength(1);
  });

  it('sends what the log has after a place, then what is published, without gap or double', async () => {
    stage = createStage({ before: 300, isSlow: true });
    const client = stage.follow({ after: place(7) });
    stage.publish(100);
    await until(client.sequences, (heard) => heard.length === 393);
    stage.publish(3);
    await until(client.sequences, (heard) => heard.length === 396);
    expect(client.sequences()).toEqual(numbers(8, 403));
  });

  it('opens at once for a client that has all', async () => {
    stage = createStage({ before: 3 });
    await firstValueFrom(stage.live.head$);
    const client = stage.follow({ after: place(3) });
    expect(client.isOpen).toBe(true);
    expect(stage.reads).toEqual([]);
  });

  it('fails before it opens for a place that the log does not have', async () => {
    stage = createStage({ before: 10, keeps: 2 });
    const client = stage.follow({ after: place(3) });
    await until(
      () => client.error,
      (error) => error !== undefined,
    );
    expect(client.error).toBeInstanceOf(CursorExpired);
    expect(client.isOpen).toBe(false);
  });

  it('sends a client that is behind nothing live, tells it so, and goes on from the log once it has taken all', async () => {
    stage = createStage();
    const client = stage.follow();
    stage.publish(2);
    await turn();
    client.stall();
    stage.publish(500);
    await turn();
    expect(client.heard().slice(2)).toEqual([{ type: 'lagged', at: 2 }, ...client.heard().slice(3)]);
    const most = client.taken.join('').length;
    for (let round = 0; round < 500; round += 1) {
      stage.publish(1);
      await turn();
    }
    expect(client.taken.join('')).toHaveLength(most);
    client.drain();
    await until(client.sequences, (heard) => heard.length === 1_002);
    expect(client.sequences()).toEqual(numbers(1, 1_002));
  });

  it('encodes an event once for all who want it', async () => {
    stage = createStage();
    const clients = [stage.follow(), stage.follow(), stage.follow({ key: 'too' })];
    stage.publish(1);
    await turn();
    const [one] = clients;
    for (const { taken } of clients) expect(taken).toEqual(one?.taken);
  });

  it('sends only what is wanted, and reads past the rest', async () => {
    stage = createStage({ before: 200 });
    const wants = ({ sequence }: LifecycleEvent) => sequence % 50 === 0;
    const client = stage.follow({ key: 'fifties', wants, after: place(0) });
    await until(client.sequences, (heard) => heard.length === 4);
    stage.publish(100);
    await turn();
    expect(client.sequences()).toEqual([50, 100, 150, 200, 250, 300]);
  });

  it('completes when the manager closes, with all that was published before', async () => {
    stage = createStage();
    const client = stage.follow();
    await turn();
    stage.publish(3);
    stage.bus.close();
    await turn();
    expect(client.sequences()).toEqual([1, 2, 3]);
    expect(client.isComplete).toBe(true);
  });

  it('hears nothing more once it has left', async () => {
    stage = createStage();
    const client = stage.follow();
    client.leave();
    stage.publish(3);
    await turn();
    expect(client.taken).toEqual([]);
  });

  describe('as time goes by', () => {
    beforeEach(() => jest.useFakeTimers());
    afterEach(() => jest.useRealTimers());

    it('sends together what comes within 10 ms after others, and at once what comes after a quiet spell', async () => {
      stage = createStage({}, 10);
      const client = stage.follow();
      const sent = async (ms: number) => {
        await jest.advanceTimersByTimeAsync(ms);
        return client.taken.length;
      };
      stage.publish(1);
      await expect(sent(0)).resolves.toBe(1);
      stage.publish(2);
      await expect(sent(5)).resolves.toBe(1);
      stage.publish(2);
      await expect(sent(5)).resolves.toBe(2);
      await sent(10);
      stage.publish(1);
      await expect(sent(0)).resolves.toBe(3);
      expect(client.sequences()).toEqual(numbers(1, 6));
    });

    it('tells every 15 s that the stream lives, and how far it is, also when nothing came that was wanted', async () => {
      stage = createStage({ before: 3 });
      const client = stage.follow({ key: 'none', wants: () => false });
      await jest.advanceTimersByTimeAsync(14_999);
      stage.publish(4);
      expect(client.taken).toEqual([]);
      await jest.advanceTimersByTimeAsync(1);
      expect(client.heard()).toEqual([{ type: 'heartbeat', at: 7 }]);
      await jest.advanceTimersByTimeAsync(15_000);
      expect(client.heard()).toHaveLength(2);
    });

    it('tells no place beyond what was sent', async () => {
      stage = createStage({}, 10);
      const client = stage.follow();
      await jest.advanceTimersByTimeAsync(14_995);
      stage.publish(1);
      await jest.advanceTimersByTimeAsync(2);
      stage.publish(1);
      await jest.advanceTimersByTimeAsync(3);
      expect(client.heard()).toEqual([
        { type: 'message', at: 1 },
        { type: 'heartbeat', at: 1 },
      ]);
      await jest.advanceTimersByTimeAsync(10);
      expect(client.sequences()).toEqual([1, 2]);
    });

    it('tells nothing to a client for which something waits', async () => {
      stage = createStage();
      const client = stage.follow();
      client.stall(1);
      await jest.advanceTimersByTimeAsync(45_000);
      expect(client.taken).toEqual([]);
    });

    it('fails for a client that is behind and takes nothing for a minute', async () => {
      stage = createStage();
      const client = stage.follow();
      client.stall();
      stage.publish(1);
      await jest.advanceTimersByTimeAsync(59_999);
      expect(client.error).toBeUndefined();
      await jest.advanceTimersByTimeAsync(1);
      expect(client.error).toBeInstanceOf(TimeoutError);
    });

    it('leaves no timer behind once the client has left', async () => {
      stage = createStage();
      const client = stage.follow();
      stage.publish(1);
      await jest.advanceTimersByTimeAsync(0);
      client.leave();
      expect(jest.getTimerCount()).toBe(0);
    });
  });

  it('sends each event once and in order, whatever a client does', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ publish: fc.integer({ min: 1, max: 90 }) }) },
      { weight: 2, arbitrary: fc.constant({ turn: true }) },
      { weight: 1, arbitrary: fc.constant({ stall: true }) },
      { weight: 2, arbitrary: fc.constant({ drain: true }) },
      {
        weight: 1,
        arbitrary: fc.record({ join: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }) }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, isSlow) => {
        stage = createStage({ before: 20, isSlow });
        const clients = [{ from: 21, client: stage.follow() }];
        for (const what of steps) {
          if ('publish' in what) stage.publish(what.publish);
          else if ('turn' in what) await turn();
          else if ('stall' in what) for (const { client } of clients) client.stall();
          else if ('drain' in what) for (const { client } of clients) client.drain();
          else {
            const { join } = what;
            const from = (join ?? stage.events.length) + 1;
            clients.push({ from, client: stage.follow(join === undefined ? {} : { after: place(join) }) });
          }
        }
        const last = stage.events.length;
        for (const { from, client } of clients) {
          const wanted = last - from + 1;
          const heard = await until(
            () => {
              client.drain();
              return client.sequences();
            },
            (found) => found.length >= wanted,
          );
          expect(heard).toEqual(numbers(from, last));
        }
        stage.leaveAll();
        stage.bus.close();
      }),
      { numRuns: 100, endOnFailure: true },
    );
  });
});
