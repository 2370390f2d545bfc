import { ReceiveWindow } from '../../src/streams/receiveWindow.js';
import { SendWindow } from '../../src/streams/sendWindow.js';

/** Lets what waits for Promises go on. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('who sends waits while nothing is granted, and goes beyond it by one message at most', async () => {
  const window = new SendWindow(10);
  const sent: number[] = [];
  const send = async (bytes: number): Promise<void> => {
    await window.take(bytes);
    sent.push(bytes);
  };
  await send(8);
  await send(8);
  const waiting = send(1);
  await turn();
  expect(sent).toEqual([8, 8]);
  window.grant(6);
  await turn();
  expect(sent).toEqual([8, 8]);
  window.grant(1);
  await waiting;
  expect(sent).toEqual([8, 8, 1]);
});

it('who sends goes on once nobody takes anything any more', async () => {
  const window = new SendWindow();
  const waiting = window.take(5);
  window.close();
  await waiting;
  await window.take(5);
});

it('who receives grants what was taken, not each time, and knows who sends too much', () => {
  const granted: number[] = [];
  const window = new ReceiveWindow(10, (bytes) => granted.push(bytes));
  expect([window.receive(6), window.receive(6), window.receive(1)]).toEqual([true, true, false]);
  window.take(4);
  expect(granted).toEqual([]);
  window.take(2);
  expect(granted).toEqual([6]);
  expect(window.receive(1)).toBe(true);
});

it('never stops where both sides keep to it, however large messages are', async () => {
  for (const size of [1, 3, 10, 11, 100]) {
    const window = new SendWindow(10);
    const other = new ReceiveWindow(10, (bytes) => {
      window.grant(bytes);
    });
    for (let round = 0; round < 100; round += 1) {
      await window.take(size);
      expect(other.receive(size)).toBe(true);
      other.take(size);
    }
  }
});
