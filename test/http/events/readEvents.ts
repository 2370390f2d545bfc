/** One event of a stream, as it came. */
export interface HeardEvent {
  readonly type: string;
  readonly id: string | undefined;
  readonly data: unknown;
}

/** A stream of events that is being read. */
export interface EventReader {
  readonly status: number;
  readonly headers: Headers;
  /** The next event; none after the last. */
  next(): Promise<HeardEvent | undefined>;
  /** The events until the server ends the stream. */
  rest(): Promise<readonly HeardEvent[]>;
  /** Breaks the connection. */
  leave(): Promise<void>;
}

/** Asks for a stream of events, and reads it as it comes. */
export async function readEvents(url: string, headers: Record<string, string> = {}): Promise<EventReader> {
  const leaving = new AbortController();
  const response = await fetch(url, { headers, signal: leaving.signal });
  const blocks = blocksOf(response.body as AsyncIterable<Uint8Array>);
  const next = async () => {
    const { value, done } = await blocks.next();
    return done === true ? undefined : eventOf(value);
  };
  return {
    status: response.status,
    headers: response.headers,
    next,
    rest: async () => {
      const heard: HeardEvent[] = [];
      for (let event = await next(); event !== undefined; event = await next()) heard.push(event);
      return heard;
    },
    leave: async () => {
      leaving.abort();
      await blocks.next().catch(() => undefined);
    },
  };
}

async function* blocksOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) if (!part.startsWith(':')) yield part;
  }
}

function eventOf(block: string): HeardEvent {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
  return {
    type: field('event') ?? 'message',
    id: field('id'),
    data: JSON.parse(field('data') ?? 'null') as unknown,
  };
}
