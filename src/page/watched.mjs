import { useEffect, useState } from 'preact/hooks';
import { follow, placeOf } from './api.mjs';

/** How much of the log is read when the page opens, and how many events are shown at most. */
const mostEvents = 200;

const nothing = { instances: new Map(), causes: new Map(), events: [], head: undefined, state: 'connecting' };

/**
 * The instances, the events that flow, and why each instance is what it is: kept level with the server, over its restarts too. Changes that come
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
    const refused = (error) => {
      now.state = 'refused';
      changed();
      onRefused(error);
    };

    const hear = (event) => {
      if (now.events[0]?.epoch === event.epoch && event.sequence <= now.events[0].sequence) return;
      now.events = [event, ...now.events.slice(0, mostEvents - 1)];
      explain(event);
    };
    const explain = ({ instance_id: id, action, cause, time, sequence, instance }) => {
      if (instance !== undefined) now.causes.set(id, { action, cause, time, sequence });
    };

    let isReading = false;
    /** Reads the log from a little before the table on, and then after what it heard last. */
    const read = (head) => {
      if (isReading) return;
      isReading = true;
      let after = { epoch: head.epoch, sequence: Math.max(0, head.sequence - mostEvents) };
      void follow(() => `events?after=${placeOf(after)}`, {
        signal,
        onEvent: ({ event = 'message', data }) => {
          if (event !== 'message') return;
          const told = JSON.parse(data);
          after = told;
          hear(told);
          changed();
        },
        onRefused: (error) => {
          if (error.status !== 410 && error.status !== 400) return refused(error);
          // What is older is not kept any more, or the log is another one.
          after = now.head;
          return 'again';
        },
      });
    };

    void follow(() => 'instances?watch=true', {
      signal,
      onOpen: () => {
        now.state = 'live';
        changed();
      },
      onEvent: ({ event = 'message', data }) => {
        if (event !== 'message') return;
        const change = JSON.parse(data);
        if (change.kind === 'snapshot') {
          now.instances = new Map(change.instances.map((instance) => [instance.id, instance]));
          now.head = change.cursor;
          read(change.cursor);
        } else if (change.kind === 'upsert') {
          now.instances.set(change.event.instance.id, change.event.instance);
          explain(change.event);
        } else if (change.kind === 'removed') {
          now.instances.delete(change.instance_id);
          now.causes.delete(change.instance_id);
        }
        changed();
      },
      onAway: () => {
        now.state = 'away';
        changed();
      },
      onRefused: refused,
    });
    return () => {
      controller.abort();
      clearTimeout(frame);
    };
  }, [round]);
  return shown;
}
