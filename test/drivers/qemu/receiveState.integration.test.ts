import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defer, firstValueFrom, ignoreElements, NEVER, type Observable, throwError, timer } from 'rxjs';
import { receiveState } from '../../../src/drivers/qemu/receiveState.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'state-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const socket = (): string => join(folder, 'state.sock');
const file = (): string => join(folder, 'state');

/** Sends some bytes, as a QEMU would. */
const sending = (bytes: Buffer): Observable<never> =>
  defer(async () => {
    const connection = connect(socket());
    connection.end(bytes);
    await once(connection, 'close');
  }).pipe(ignoreElements());

const receive = (send$: Observable<never>) =>
  firstValueFrom(receiveState({ socket: socket(), file: file(), user: undefined }, send$));

const state = Buffer.from('processors and devices\n'.repeat(100_000));

it('is in its file once all of it has come, and told by size and hash', async () => {
  await expect(receive(sending(state))).resolves.toEqual({
    bytes: state.length,
    sha256: createHash('sha256').update(state).digest('hex'),
  });
  expect(readFileSync(file()).equals(state)).toBe(true);
  expect(readdirSync(folder)).toEqual(['state']);
});

it('has no name before it was told that all was sent, and none where that fails', async () => {
  const failing = receive(
    defer(async () => {
      await firstValueFrom(sending(state).pipe(ignoreElements()), { defaultValue: undefined });
      expect(existsSync(file())).toBe(false);
      throw new Error('not all of it');
    }).pipe(ignoreElements()),
  );
  await expect(failing).rejects.toThrow('not all of it');
  expect(readdirSync(folder)).toEqual(['state.part']);
});

it('takes the place of what one that was killed over it has left, also of a link', async () => {
  writeFileSync(join(folder, 'state.part'), 'cut off');
  const left = createServer().listen(join(folder, 'left'));
  await once(left, 'listening');
  writeFileSync(socket(), '');
  await receive(sending(state));
  expect(readFileSync(file()).equals(state)).toBe(true);
  await once(left.close(), 'close');
});

it('fails with what is wrong with its file, and lets go of whoever sends', async () => {
  mkdirSync(file());
  writeFileSync(join(folder, 'state', 'x'), '');
  await expect(receive(sending(state))).rejects.toMatchObject({ syscall: 'rename' });
});

it('listens no more once nobody waits for it', async () => {
  const waiting = receiveState({ socket: socket(), file: file(), user: undefined }, NEVER).subscribe();
  while (!existsSync(socket())) await firstValueFrom(timer(1));
  waiting.unsubscribe();
  expect(existsSync(socket())).toBe(false);
  await expect(receive(throwError(() => new Error('no')))).rejects.toThrow('no');
});
