// A browser opens six connections to a server over HTTP/1.1, for all its tabs together: what comes after waits until one of them ends. So a tab
// that nobody sees reads no stream, and no more than five are read: one connection is left for what is asked.

const places = [1, 2, 3, 4, 5].map((number) => `rx-instances stream ${number}`);

/**
 * Does some work, a stream, in one of the places that all tabs share; waits for one, and says so, where there is none. A browser has
 * no locks where the page came neither by https nor from its own host: then nobody waits.
 */
export async function withRoom(work, { signal, onWait }) {
  const { locks } = navigator;
  if (locks === undefined) return work();
  const { held } = await locks.query();
  if (places.every((place) => held.some(({ name }) => name === place))) onWait?.();
  const found = new AbortController();
  const options = { signal: AbortSignal.any([signal, found.signal]) };
  let done;
  const enter = () => {
    if (done !== undefined) return;
    done = work();
    found.abort();
    return done;
  };
  await Promise.allSettled(places.map((place) => locks.request(place, options, enter)));
  return done;
}

/** Resolves once the page is seen, or the signal is aborted. */
export const untilSeen = (signal) =>
  new Promise((done) => {
    if (!document.hidden || signal.aborted) return done();
    const changed = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener('visibilitychange', changed);
      done();
    };
    document.addEventListener('visibilitychange', changed);
    signal.addEventListener('abort', changed, { once: true });
  });

/** Is aborted once the page is seen no more; who aborts it itself ends the listening. */
export function untilUnseen() {
  const controller = new AbortController();
  const { signal } = controller;
  document.addEventListener('visibilitychange', () => document.hidden && controller.abort(), { signal });
  return controller;
}
