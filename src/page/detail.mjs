import { useEffect, useState } from 'preact/hooks';
import { follow, placeOf } from './api.mjs';
import { Events } from './events.mjs';
import { Exec } from './exec.mjs';
import { html } from './html.mjs';
import { Verbs } from './verbs.mjs';
import { whyOf } from './words.mjs';

const mostLines = 500;
const mostEvents = 500;

/** How far back of the log history is looked for, where it does not begin at its beginning any more. */
const backs = [Infinity, 50_000, 5_000, 500, 0];

/** Shows what comes together at once. */
function useList(read, dependency) {
  const [list, show] = useState({ items: [] });
  useEffect(() => {
    const controller = new AbortController();
    let now = { items: [] };
    let timer;
    const set = (changed) => {
      now = { ...now, ...changed };
      timer ??= setTimeout(() => {
        timer = undefined;
        show(now);
      }, 16);
    };
    read({ signal: controller.signal, set, items: () => now.items });
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [dependency]);
  return list;
}

const readLog =
  (id) =>
  ({ signal, set, items }) =>
    follow(() => `instances/${encodeURIComponent(id)}/logs?tail=200&follow=true`, {
      signal,
      // It begins anew with its end.
      onOpen: () => set({ items: [], fault: undefined }),
      onWait: () =>
        set({ fault: 'Too many windows show this page: this waits until one of them is closed.' }),
      onEvent: ({ event, data }) => {
        if (event === undefined) set({ items: [...items(), JSON.parse(data)].slice(-mostLines) });
      },
      onRefused: ({ message }) => set({ fault: message }),
    });

const readHistory =
  (id, head) =>
  ({ signal, set, items }) => {
    let tried = 0;
    const start = () => ({ epoch: head.epoch, sequence: Math.max(0, head.sequence - backs[tried]) });
    let after = start();
    return follow(() => `instances/${encodeURIComponent(id)}/events?after=${placeOf(after)}`, {
      signal,
      onEvent: ({ event, data }) => {
        if (event !== undefined) return;
        const told = JSON.parse(data);
        after = told;
        set({ items: [told, ...items()].slice(0, mostEvents) });
      },
      onRefused: ({ status, message }) => {
        tried += 1;
        if (status !== 410 || tried >= backs.length) return set({ fault: message });
        after = start();
        set({ fault: 'What is older is not kept any more.' });
        return 'again';
      },
    });
  };

/** One instance: what to do with it, its log, its history. */
export function Detail({ instance, why, head, onClose }) {
  const { id, name, state, driver, image } = instance;
  const log = useList(readLog(id), id);
  const history = useList(readHistory(id, head), id);
  return html`
    <section class="detail" aria-labelledby="detail">
      <div class="head">
        <h2 id="detail">${name}</h2>
        <span class=${`state ${state}`}>${state}</span>
        <button type="button" onClick=${onClose}>Close</button>
      </div>
      <${Verbs} instance=${instance} />
      <dl>
        <div>
          <dt>Id</dt>
          <dd>${id}</dd>
        </div>
        <div>
          <dt>Driver</dt>
          <dd>${driver}</dd>
        </div>
        <div>
          <dt>Image</dt>
          <dd>${image}</dd>
        </div>
        <div>
          <dt>Why</dt>
          <dd>${whyOf(instance, why)}</dd>
        </div>
      </dl>
      <${Exec} key=${id} instance=${instance} />
      <h3 id="log">Log</h3>
      ${log.fault !== undefined && html`<p>${log.fault}</p>`}
      <pre tabindex="0" role="region" aria-labelledby="log">${log.items.join('\n')}</pre>
      ${history.fault !== undefined && html`<p>${history.fault}</p>`}
      <${Events} events=${history.items} title="History" isOfOne />
    </section>
  `;
}
