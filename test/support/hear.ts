import type { EventsOptions } from '../../src/streams/eventOptions.js';
import type { LifecycleBus } from '../../src/streams/lifecycleBus.js';

/** Subscribes to a bus and notes the sequences of what it hears, and the end. */
export function hear(bus: LifecycleBus, consumer = 'app', options: EventsOptions = {}) {
  const heard: (number | 'end')[] = [];
  const subscription = bus.events(consumer, options).subscribe({
    next: ({ sequence }) => heard.push(sequence),
    complete: () => heard.push('end'),
  });
  return { heard, subscription };
}
