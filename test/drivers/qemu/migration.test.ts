import { defer, EMPTY, ignoreElements, map, mergeMap, type Observable, of, Subject, timer } from 'rxjs';
import { giveUpState, readState, sendState } from '../../../src/drivers/qemu/migration.js';
import type { Qmp, QmpEvent } from '../../../src/drivers/qemu/qmp.js';
import { marbles } from '../../support/marbles.js';

/** A QEMU that answers each command after a millisecond, with what is given for the first, the second… of its name. */
function play(answers: Record<string, readonly object[]> = {}) {
  const events$ = new Subject<QmpEvent>();
  const sent: string[] = [];
  const times = new Map<string, number>();

  const answer = (command: string, parameters?: object): Observable<object> =>
    defer(() => {
      sent.push(parameters === undefined ? command : `${command} ${JSON.stringify(parameters)}`);
      const time = times.get(command) ?? 0;
      times.set(command, time + 1);
      const known = answers[command] ?? [{}];
      return timer(1).pipe(map(() => known[Math.min(time, known.length - 1)] ?? {}));
    });

  const qmp: Qmp = {
    version: '7.2.22',
    events$,
    run: (command, parameters) => answer(command, parameters).pipe(ignoreElements()),
    ask: (command, returns) =>
      answer(command).pipe(
        mergeMap((value) => {
          const decoded = returns.decode(value);
          return decoded._tag === 'Right' ? of(decoded.right) : EMPTY;
        }),
      ),
    close: () => undefined,
  };
  const tellAt = (ms: number, event: string, data?: object): void => {
    timer(ms).subscribe(() => {
      events$.next({ event, data });
    });
  };
  return { qmp, sent, tellAt };
}

const names = (sent: readonly string[]): readonly string[] => sent.map((each) => each.split(' ')[0] ?? '');

describe('a state that is sent', () => {
  it('is on its way once QEMU has told so, and stands still after it', () => {
    marbles(({ expectObservable, flush }) => {
      const { qmp, sent, tellAt } = play({
        'query-status': [
          { status: 'finish-migrate' },
          { status: 'finish-migrate' },
          { status: 'postmigrate' },
        ],
      });
      for (const [ms, status] of [
        [3, 'setup'],
        [4, 'active'],
        [500, 'completed'],
      ] as const)
        tellAt(ms, 'MIGRATION', { status });
      // 500, and three answers with 5 ms between them.
      expectObservable(sendState(qmp, 'state.sock', true)).toBe('513ms |');
      flush();
      expect(names(sent)).toEqual([
        'migrate-set-capabilities',
        'migrate-set-parameters',
        'migrate',
        ...['query-status', 'query-status', 'query-status'],
      ]);
    });
  });

  it.each([true, false])('leaves out the memory where that lies in a file: %p', (leaveOutRam) => {
    marbles(({ expectObservable, flush }) => {
      const { qmp, sent, tellAt } = play({ 'query-status': [{ status: 'postmigrate' }] });
      tellAt(3, 'MIGRATION', { status: 'completed' });
      expectObservable(sendState(qmp, 'state.sock', leaveOutRam)).toBe('4ms |');
      flush();
      expect(sent[0]).toContain(`{"capability":"x-ignore-shared","state":${String(leaveOutRam)}}`);
      expect(sent[0]).toContain('{"capability":"events","state":true}');
    });
  });

  it('goes to the socket that is named, by no other program', () => {
    marbles(({ expectObservable, flush }) => {
      const { qmp, sent, tellAt } = play({ 'query-status': [{ status: 'postmigrate' }] });
      tellAt(3, 'MIGRATION', { status: 'completed' });
      expectObservable(sendState(qmp, 'state.sock', true)).toBe('4ms |');
      flush();
      expect(sent[2]).toBe('migrate {"uri":"unix:state.sock"}');
    });
  });

  it.each([
    [{ status: 'failed', 'error-desc': 'no room' }, 'no room'],
    [{ status: 'cancelled' }, 'QEMU does not say why'],
  ])('fails with what QEMU says of it, once it has told that it ended: %p', (answer, words) => {
    marbles(({ expectObservable }) => {
      const { qmp, tellAt } = play({ 'query-migrate': [answer] });
      tellAt(20, 'MIGRATION', { status: answer.status });
      const error = new Error(`the state was not moved: ${words}`);
      expectObservable(sendState(qmp, 'state.sock', true)).toBe('21ms #', {}, error);
    });
  });

  it('heeds neither other events nor those that it does not understand', () => {
    marbles(({ expectObservable }) => {
      const { qmp, tellAt } = play({ 'query-status': [{ status: 'postmigrate' }] });
      tellAt(3, 'STOP', { status: 'completed' });
      tellAt(4, 'MIGRATION');
      tellAt(5, 'MIGRATION', { status: 7 });
      tellAt(6, 'MIGRATION', { status: 'none' });
      tellAt(30, 'MIGRATION', { status: 'completed' });
      expectObservable(sendState(qmp, 'state.sock', true)).toBe('31ms |');
    });
  });

  it('is asked for each second, should QEMU not tell', () => {
    marbles(({ expectObservable, flush }) => {
      const { qmp, sent } = play({
        'query-migrate': [{ status: 'active' }, { status: 'completed' }],
        'query-status': [{ status: 'postmigrate' }],
      });
      // 2 until it has begun, 2,000, and two answers.
      expectObservable(sendState(qmp, 'state.sock', true)).toBe('2004ms |');
      flush();
      expect(names(sent).filter((name) => name === 'query-migrate')).toHaveLength(2);
    });
  });
});

describe('a state that is read', () => {
  it('is taken from descriptor 3, and is there once QEMU has told so', () => {
    marbles(({ expectObservable, flush }) => {
      const { qmp, sent, tellAt } = play();
      tellAt(40, 'MIGRATION', { status: 'completed' });
      expectObservable(readState(qmp, true)).toBe('40ms |');
      flush();
      expect(sent[1]).toBe('migrate-incoming {"uri":"fd:3"}');
    });
  });
});

describe('a state that is given up', () => {
  it.each([{}, { status: 'none' }, { status: 'completed' }, { status: 'failed' }, { status: 'cancelled' }])(
    'is none where nothing goes on: %p',
    (answer) => {
      marbles(({ expectObservable, flush }) => {
        const { qmp, sent } = play({ 'query-migrate': [answer] });
        expectObservable(giveUpState(qmp)).toBe('1ms |');
        flush();
        expect(sent).toEqual(['query-migrate']);
      });
    },
  );

  it('is cancelled, and waited for until nothing goes on', () => {
    marbles(({ expectObservable, flush }) => {
      const { qmp, sent } = play({
        'query-migrate': [{ status: 'active' }, { status: 'cancelling' }, { status: 'cancelled' }],
      });
      // Four answers, and 5 ms between the last two.
      expectObservable(giveUpState(qmp)).toBe('9ms |');
      flush();
      expect(sent).toEqual(['query-migrate', 'migrate_cancel', 'query-migrate', 'query-migrate']);
    });
  });
});
