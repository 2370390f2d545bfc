import { untilSeen, untilUnseen, withRoom } from './room.mjs';

// The API that the page came from. A token is kept for this tab only, and stands in a header: in no URL, and in no cookie.

const key = 'rx-instances-token';

export const hasToken = () => sessionStorage.getItem(key) !== null;

export function keepToken(token) {
  if (token === '') sessionStorage.removeItem(key);
  else sessionStorage.setItem(key, token);
}

/** An answer that is none of what was asked for. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function send(method, path, { body, signal, headers } = {}) {
  const token = sessionStorage.getItem(key);
  const answer = await fetch(new URL(path, location.href), {
    method,
    signal,
    cache: 'no-store',
    credentials: 'omit',
    headers: {
      ...headers,
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, told.message ?? `the server answered ${answer.status}`);
}

/** Asks something; emits what was answered as JSON, if anything was. */
export async function ask(method, path, options) {
  const answer = await send(method, path, options);
  return answer.status === 204 ? undefined : answer.json();
}

/** Opens a WebSocket that speaks a language. A browser sets no headers of one, so the token goes as the name of another language: in no URL here either. */
export function openWebSocket(path, language) {
  const token = sessionStorage.getItem(key);
  const named =
    token &&
    `rx-instances.token.${btoa(token).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
  const address = new URL(path, location.href);
  address.protocol = address.protocol.replace('http', 'ws');
  return new WebSocket(address, [language, ...(named ? [named] : [])]);
}

/** A server says something every 15 s: one that says nothing for so long is gone, though its connection may be there. */
const longestSilenceMs = 45_000;

/** Reads a stream of server-sent events until it ends. */
export async function* eventsOf(path, { signal, onOpen }) {
  const silence = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(new Error('the server says nothing')), longestSilenceMs);
  };
  heard();
  try {
    const { body } = await send('GET', path, { signal: AbortSignal.any([signal, silence.signal]) });
    onOpen?.();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const blocks = (text + value).split('\n\n');
      text = blocks.pop();
      yield* blocks.map(eventOf).filter(({ data }) => data !== undefined);
    }
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

/** The server writes each field on one line, and separates them by one blank. */
function eventOf(block) {
  const fields = {};
  for (const line of block.split('\n')) {
    const mark = line.indexOf(': ');
    if (mark > 0) fields[line.slice(0, mark)] = line.slice(mark + 2);
  }
  return fields;
}

const firstDelayMs = 250;
const longestDelayMs = 5_000;

/**
 * Reads a stream while the page is seen, and again whenever it ends, until the signal: `path` says from where. What a token may not is told
 * by `onRefused`, and ends it.
 */
export async function follow(path, { signal, onOpen, onEvent, onAway, onWait, onRefused }) {
  let delay = firstDelayMs;
  while (!signal.aborted) {
    await untilSeen(signal);
    const unseen = untilUnseen();
    const read = { signal: AbortSignal.any([signal, unseen.signal]) };
    let isRefused = false;
    try {
      await withRoom(
        async () => {
          const opened = () => {
            delay = firstDelayMs;
            onOpen?.();
          };
          for await (const event of eventsOf(await path(), { ...read, onOpen: opened })) onEvent(event);
        },
        { ...read, onWait },
      );
    } catch (error) {
      isRefused = error instanceof Refused && error.status < 500 && error.status !== 429;
      if (!signal.aborted && isRefused && onRefused(error) !== 'again') return;
    }
    unseen.abort();
    if (signal.aborted) return;
    // It goes on from there when somebody looks again.
    if (document.hidden) continue;
    if (!isRefused) onAway?.();
    // Not all tabs at once.
    await new Promise((done) => setTimeout(done, delay * (0.5 + Math.random())));
    delay = Math.min(longestDelayMs, delay * 2);
  }
}

/** A place in the log, as the API takes it. */
export const placeOf = ({ epoch, sequence }) =>
  encodeURIComponent(`${encodeURIComponent(epoch)}:${sequence}`);
