import { firstValueFrom, NEVER, Observable, throwError, toArray } from 'rxjs';
import type { ExecOutput, Execution } from '../../src/lifecycle/execution.js';
import { pullable } from '../../src/streams/pullable.js';

const line = (text: string): ExecOutput => ({ kind: 'stdout', data: Buffer.from(text) });
const exit: ExecOutput = { kind: 'exit', code: 0, signal: null };

interface Play {
  /** How often it was started, read, and ended. */
  readonly counts: { started: number; read: number; ended: number };
  readonly starting$: Observable<Execution>;
  /** Fails what runs. */
  fail(error: Error): void;
}

/** A program that writes these, and then is silent for ever, or has ended. */
function play(outputs: readonly ExecOutput[], then: 'ended' | 'silent' = 'ended'): Play {
  const counts = { started: 0, read: 0, ended: 0 };
  let fail: (error: Error) => void = () => undefined;
  const starting$ = new Observable<Execution>((subscriber) => {
    counts.started += 1;
    fail = (error) => {
      subscriber.error(error);
    };
    const left = [...outputs];
    subscriber.next({
      read: () => {
        counts.read += 1;
        const next = left.shift();
        return next === undefined && then === 'silent' ? new Promise(() => undefined) : Promise.resolve(next);
      },
      write: () => Promise.resolve(),
      endInput: () => undefined,
      kill: () => undefined,
    });
    return () => (counts.ended += 1);
  });
  return {
    counts,
    starting$,
    fail: (error) => {
      fail(error);
    },
  };
}

it('is cold: each subscriber, and each loop, starts a program of its own', async () => {
  const { counts, starting$ } = play([line('a'), exit]);
  const exec = pullable(starting$);
  expect(counts.started).toBe(0);
  await expect(firstValueFrom(exec.pipe(toArray()))).resolves.toEqual([line('a'), exit]);
  const read: ExecOutput[] = [];
  for await (const output of exec) read.push(output);
  expect(read).toEqual([line('a'), exit]);
  expect(counts).toMatchObject({ started: 2, ended: 2 });
});

it('a loop reads what it asks for, and no more', async () => {
  const { counts, starting$ } = play([line('a'), line('b'), exit]);
  const outputs = pullable(starting$)[Symbol.asyncIterator]();
  expect(counts).toEqual({ started: 0, read: 0, ended: 0 });
  await outputs.next();
  expect(counts).toEqual({ started: 1, read: 1, ended: 0 });
  await outputs.return?.();
  expect(counts).toEqual({ started: 1, read: 1, ended: 1 });
  await expect(outputs.next()).resolves.toEqual({ done: true, value: undefined });
});

it('reads asked for at once are answered in their order', async () => {
  const outputs = pullable(play([line('a'), line('b'), exit]).starting$)[Symbol.asyncIterator]();
  const results = await Promise.all(Array.from({ length: 5 }, () => outputs.next()));
  expect(results.map(({ value }) => value as unknown)).toEqual([
    line('a'),
    line('b'),
    exit,
    undefined,
    undefined,
  ]);
});

it('whoever leaves while he waits is answered at once, and the program ends', async () => {
  const { counts, starting$ } = play([], 'silent');
  const outputs = pullable(starting$)[Symbol.asyncIterator]();
  const waiting = outputs.next();
  await Promise.resolve();
  await outputs.return?.();
  await expect(waiting).resolves.toEqual({ done: true, value: undefined });
  expect(counts.ended).toBe(1);
});

it('a subscriber that unsubscribes ends the program, and hears no more', () => {
  const { counts, starting$ } = play([line('a')], 'silent');
  pullable(starting$).subscribe().unsubscribe();
  expect(counts).toMatchObject({ started: 1, ended: 1 });
});

it('one that cannot be started fails so, once, for both', async () => {
  const exec = pullable(throwError(() => new Error('no such program')));
  await expect(firstValueFrom(exec)).rejects.toThrow('no such program');
  const outputs = exec[Symbol.asyncIterator]();
  await expect(outputs.next()).rejects.toThrow('no such program');
  await expect(outputs.next()).resolves.toEqual({ done: true, value: undefined });
});

it('one that fails while it is read fails so for both', async () => {
  const [one, other] = [play([], 'silent'), play([], 'silent')];
  const subscribed = firstValueFrom(pullable(one.starting$));
  const read = pullable(other.starting$)[Symbol.asyncIterator]().next();
  await Promise.resolve();
  for (const { fail } of [one, other]) fail(new Error('it is gone'));
  await expect(subscribed).rejects.toThrow('it is gone');
  await expect(read).rejects.toThrow('it is gone');
});

it('one that fails while nobody reads tells so to the next that reads', async () => {
  const { fail, counts, starting$ } = play([line('a')], 'silent');
  const outputs = pullable(starting$)[Symbol.asyncIterator]();
  await outputs.next();
  fail(new Error('it is gone'));
  await expect(outputs.next()).rejects.toThrow('it is gone');
  await expect(outputs.next()).resolves.toEqual({ done: true, value: undefined });
  expect(counts.ended).toBe(1);
});

it('whoever leaves before it is started starts nothing', async () => {
  const exec = pullable(NEVER);
  const outputs = exec[Symbol.asyncIterator]();
  await outputs.return?.();
  await outputs.return?.();
  await expect(outputs.next()).resolves.toEqual({ done: true, value: undefined });
});
