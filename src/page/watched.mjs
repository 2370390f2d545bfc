import { useEffect, useState } from 'preact/hooks';
import { eventsOf, follow, placeOf } from './api.mjs';

/** How much of the log is read when the page opens, and how many events are shown at most. */
const mostEvents = 200;

const nothing = { instances: new Map(), causes: new Map(), events: [], head: undefined, state: 'connecting' };

/** The table as a watch begins with it, of which no more is read. */
async function readTable(signal) {
  for await (const { event, data } of eventsOf('instances?watch=true', { signal })) {
    const change = event === undefined ? JSON.parse(data) : {};
    if (change.kind === 'snapshot') return change;
  }
  throw new Error('the server told no table');
}

/**
 * The instances, the events that flow, and why each instance is what it is: kept level with the server by one stream, over its restarts too. Changes that come
 * together are shown together.
 */
export function useWatched(round, onRefused) {
  const [shown, show] = useState(nothing);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    const now = { ...nothing, instances: new Map(), causes: new Map() };
    let frame;
    // Not by animation frames: a page in the background has none.
    const changed = () => {
      frame ??= setTimeout(() => {
        frame = undefined;
        show({ ...now });
      }, 16);
    };
    const become = (state) => {
      now.state = state;
      changed();
    };

    const hear = (event) => {
      const { instance_id: id, action, cause, time, sequence, instance, previous_state: from } = event;
      const [newest] = now.events;
      if (newest?.epoch === event.epoch && sequence <= newest.sequence) return;
      now.events = [event, ...now.events.slice(0, mostEvents - 1)];
      // It is what it is since its state changed, whatever else did.
      if (instance !== undefined && instance.state !== from) now.causes.set(id, { action, cause, time });
      // The table knows already what was before it.
      if (sequence <= now.head.sequence) return;
      if (instance !== undefined) now.instances.set(id, instance);
      if (action !== 'delete') return;
      now.instances.delete(id);
      now.causes.delete(id);
    };

    let place;
    let back = mostEvents;
    /** Reads the table first, then the log from a little before the table on, and then on after what it heard last. */
    const path = async () => {
      if (place === undefined) {
        const { instances, cursor } = await readTable(signal);
        now.instances = new Map(instances.map((instance) => [instance.id, instance]));
        now.head = cursor;
        place = placeOf({ ...cursor, sequence: Math.max(0, cursor.sequence - back) });
        changed();
      }
      return `events?after=${place}`;
    };

    void follow(path, {
      signal,
      onOpen: () => become('live'),
      onWait: () => become('waiting'),
      onAway: () => become('away'),
      onEvent: ({ id, event = 'message', data }) => {
        if (id !== undefined) place = encodeURIComponent(id);
        if (event !== 'message') return;
        hear(JSON.parse(data));
        changed();
      },
      onRefused: (error) => {
        if (error.status === 410 || error.status === 400) {
          // What is older is not kept any more, or the log is another one.
          place = undefined;
          back = 0;
          return 'again';
        }
        become('refused');
        onRefused(error);
      },
    });
    return () => {
      controller.abort();
      clearTimeout(frame);
    };
  }, [round]);
  return shown;
}
