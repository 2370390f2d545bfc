import { Counter, Gauge } from 'prom-client';
import type { DoorStats } from '../instances/doorStats.js';
import type { Named } from './named.js';

/** Tells what the front door does: read when it is scraped, so that connections pay nothing. */
export function doorMetrics(named: Named, stats: () => DoorStats): void {
  const gauge = (name: string, help: string, read: (stats: DoorStats) => number) =>
    new Gauge({
      ...named(name),
      help,
      collect() {
        this.set(read(stats()));
      },
    });

  // What is read is the sum so far, so each scrape begins at 0.
  const counter = <Label extends string>(
    name: string,
    labelNames: readonly Label[],
    help: string,
    read: (stats: DoorStats) => readonly (readonly [Record<Label, string>, number])[],
  ) =>
    new Counter<Label>({
      ...named(name),
      help,
      labelNames,
      collect() {
        this.reset();
        for (const [labels, count] of read(stats())) this.inc(labels, count);
      },
    });

  gauge('front_door_connections', 'Current number of connections to the front door', ({ open }) => open);
  gauge(
    'front_door_connections_waiting',
    'Current number of connections to the front door that are not handed through yet',
    ({ waiting }) => waiting,
  );
  gauge(
    'front_door_held_bytes',
    'Memory that what clients of the front door have said takes until it is answered',
    ({ heldBytes }) => heldBytes,
  );
  gauge(
    'front_door_ports',
    'Current number of ports on which the front door listens',
    ({ listening }) => listening,
  );
  gauge(
    'front_door_ports_retrying',
    'Current number of ports on which the front door can not listen for now',
    ({ retrying }) => retrying,
  );
  counter(
    'front_door_connections_accepted_total',
    [],
    'Total number of connections that the front door took, those over the limit of a port left out',
    ({ accepted }) => [[{}, accepted]],
  );
  counter(
    'front_door_connections_refused_total',
    ['reason'],
    'Total number of connections that the front door reset instead of handing them through, by why',
    ({ refused }) => Object.entries(refused).map(([reason, count]) => [{ reason }, count]),
  );
  counter(
    'front_door_wakes_total',
    ['result'],
    'Total number of times that the front door woke an instance, by what came of it',
    ({ woken, failedWakes }) => [
      [{ result: 'ok' }, woken],
      [{ result: 'failed' }, failedWakes],
    ],
  );
}
