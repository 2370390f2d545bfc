import { BehaviorSubject, filter, type Observable } from 'rxjs';
import { Refusal } from './refusal.js';

/** An answer that goes on until somebody ends it. */
export interface OpenStream {
  /** Ends it; its client is told why as far as the form of the stream allows. */
  end(reason: string): void;
}

/** The answers of a server that go on: as many as there may be, to be ended together when it stops. */
export class OpenStreams {
  private readonly streams = new Set<OpenStream>();
  private readonly size$ = new BehaviorSubject(0);
  /** Emits once none is open. */
  readonly empty$: Observable<unknown> = this.size$.pipe(filter((size) => size === 0));

  constructor(private readonly most: number) {}

  get size(): number {
    return this.streams.size;
  }

  /** Refuses one more than there may be. To be asked before an answer begins. @throws {@link Refusal} */
  checkRoom(): void {
    if (this.streams.size < this.most) return;
    throw new Refusal(429, 'rate_limited', 'too many streams are open', { 'retry-after': '1' });
  }

  /** Takes one in, and returns how it is taken out once it has ended. */
  add(stream: OpenStream): () => void {
    this.streams.add(stream);
    this.size$.next(this.size);
    return () => {
      this.streams.delete(stream);
      this.size$.next(this.size);
    };
  }

  /** Ends all that there are. */
  endAll(reason: string): void {
    for (const stream of this.streams) stream.end(reason);
  }
}
