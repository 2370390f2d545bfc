import { NEVER, of, VirtualTimeScheduler } from 'rxjs';
import { type EventBatch, liveEvents } from '../../../src/http/events/liveEvents.js';
import type { LifecycleStreams } from '../../../src/instances/lifecycleStreams.js';
import { createLoggedBus } from '../../support/loggedBus.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Live events of a bus, in virtual time, and who hears them: each time for so long. */
function createStage(sendMs: number) {
  const { bus, log, publish } = createLoggedBus();
  const streams: LifecycleStreams = {
    ...bus,
    watch: (consumer, options) => bus.watch(consumer, () => of({ instances: [], ...log.head() }), options),
    waitForState: () => NEVER,
  };
  const scheduler = new VirtualTimeScheduler();
  const live = liveEvents(streams, NEVER, { consumer: 'http', joinMs: 10, scheduler });
  const sent: string[] = [];
  const clients = live.batches({ key: 'all', wants: () => true }).subscribe(({ first, last }: EventBatch) => {
    sent.push(`${String(first.sequence)}-${String(last.sequence)}`);
    scheduler.frame += sendMs;
  });
  return { publish, scheduler, sent, clients };
}

it('the first event after a quiet spell is sent at once, those that come soon after it together', async () => {
  const { publish, scheduler, sent, clients } = createStage(0);
  publish(1);
  await turn();
  publish(2);
  await turn();
  expect(sent).toEqual(['1-1']);
  scheduler.flush();
  expect(sent).toEqual(['1-1', '2-3']);
  clients.unsubscribe();
});

it('what comes while events are sent for long is sent together, and after as long again', async () => {
  const { publish, scheduler, sent, clients } = createStage(40);
  publish(1);
  await turn();
  publish(2);
  await turn();
  expect(sent).toEqual(['1-1']);
  scheduler.maxFrames = 79;
  scheduler.flush();
  expect(sent).toEqual(['1-1']);
  scheduler.maxFrames = Infinity;
  scheduler.flush();
  expect(sent).toEqual(['1-1', '2-3']);
  clients.unsubscribe();
});
