import * as fc from 'fast-check';
import { Fifo } from '../../src/streams/fifo.js';
import { released } from '../support/released.js';

test('a fifo gives what an array would, whatever is put in and taken', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat()), { maxLength: 100 }), (steps) => {
      const fifo = new Fifo<number>();
      const array: number[] = [];
      for (const step of steps) {
        if (step === null) {
          expect(fifo.shift()).toBe(array.shift());
        } else {
          fifo.push(step);
          array.push(step);
        }
      }
      while (array.length > 0) expect(fifo.shift()).toBe(array.shift());
      expect(fifo.shift()).toBeUndefined();
    }),
  );
});

test('a fifo holds on to nothing that was taken', async () => {
  const fifo = new Fifo<object>();
  const isReleased = await released(() => {
    fifo.push({});
    fifo.push({});
    return fifo.shift() as object;
  });
  expect([isReleased, fifo.shift(), fifo.shift()]).toEqual([true, {}, undefined]);
});
