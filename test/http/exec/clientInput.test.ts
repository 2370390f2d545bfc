import { ClientInput } from '../../../src/http/exec/clientInput.js';

it('keeps what waits, and nothing of a message without bytes', async () => {
  const taken: number[] = [];
  const input = new ClientInput((bytes) => taken.push(bytes));
  for (const text of ['', 'abc', '', 'de', '']) input.push(Buffer.from(text));
  expect(input.waiting).toBe(5);
  input.end();
  const read: string[] = [];
  for await (const piece of input) read.push(Buffer.from(piece).toString());
  expect(read).toEqual(['abc', 'de']);
  expect(taken).toEqual([3, 2]);
});
