import * as E from 'fp-ts/lib/Either.js';
import assert from 'node:assert/strict';
import type { Driver } from '../driver.js';
import type { DriverSubject } from '../driverSubject.js';
import type { ContractSuite } from './contractSuite.js';

/** Declares the sentences of the contract about what a request may say to a driver. */
export function fieldContract<D extends Driver>(
  { describe, it }: ContractSuite<D>,
  { fields }: DriverSubject<D>,
): void {
  describe('decodes fields:', () => {
    it('those it knows are accepted, and what came out goes in again', async ({ driver }) => {
      const decoded = driver.decode(fields);
      assert.ok(E.isRight(decoded), 'the fields are accepted');
      assert.deepEqual(driver.decode({ ...decoded.right }), decoded);
      return Promise.resolve();
    });

    it('one that it does not know is a fault, named by its path', async ({ driver }) => {
      const decoded = driver.decode({ ...fields, noSuchField: true });
      assert.ok(E.isLeft(decoded), 'the fields are refused');
      assert.deepEqual(
        decoded.left.map(({ path }) => path),
        ['noSuchField'],
      );
      return Promise.resolve();
    });
  });
}
