import * as E from 'fp-ts/lib/Either.js';
import { createHash } from 'node:crypto';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import type { Fault } from '../lifecycle/errors.js';
import type { InstanceSpec } from '../lifecycle/instance.js';
import type { Database } from './database.js';
import type { Transaction } from './groupCommit.js';
import { specs, specUses } from './tables.js';

/**
 * The specs of events that are too large to be written with each: every one is kept once, for as long as an event in the log has
 * it. Updates beside a large spec so do not fill the log with copies of it.
 */
export interface SharedSpecs {
  /** The hash of a spec that is kept apart; undefined for one that is small enough to be written with its events. */
  hashOf(spec: InstanceSpec): string | undefined;
  /** Keeps the spec for one event more; gives how many bytes that takes. */
  use(transaction: Transaction<unknown>, hash: string, spec: InstanceSpec): number;
  /** Keeps the spec for one event less; gives how many bytes that frees. */
  release(transaction: Transaction<unknown>, hash: string): number;
  read(hash: string): E.Either<readonly Fault[], InstanceSpec>;
}

/** From so many characters on a spec is kept apart. */
const shareFrom = 1_024;

/** Creates the {@link SharedSpecs} of a database. */
export function createSharedSpecs(database: Database): SharedSpecs {
  const hashes = new WeakMap<InstanceSpec, { readonly hash: string | undefined }>();

  const usesOf = ({ get }: Transaction<unknown>, hash: string): number => {
    const key = specUses.keyOf(hash);
    const bytes = get(key);
    const uses = bytes === undefined ? undefined : specUses.decode({ key, bytes });
    return uses !== undefined && E.isRight(uses) ? uses.right : 0;
  };

  return {
    hashOf: (spec) => {
      const known = hashes.get(spec);
      if (known !== undefined) return known.hash;
      const text = JSON.stringify(spec);
      const hash =
        text.length < shareFrom ? undefined : createHash('sha256').update(text).digest('base64url');
      hashes.set(spec, { hash });
      return hash;
    },

    use: (transaction, hash, spec) => {
      const uses = usesOf(transaction, hash);
      transaction.put(specUses.encode(hash, uses + 1));
      if (uses > 0) return 0;
      const row = specs.encode(hash, spec);
      transaction.put(row);
      return row.bytes.length;
    },

    release: (transaction, hash) => {
      const uses = usesOf(transaction, hash);
      if (uses > 1) {
        transaction.put(specUses.encode(hash, uses - 1));
        return 0;
      }
      const bytes = transaction.get(specs.keyOf(hash))?.length ?? 0;
      transaction.remove(specUses.keyOf(hash));
      transaction.remove(specs.keyOf(hash));
      return bytes;
    },

    read: (hash) => {
      const key = specs.keyOf(hash);
      const bytes = database.get(key);
      if (bytes === undefined)
        return E.left([{ path: 'spec_hash', found: hash, expected: 'the hash of a spec' }]);
      const spec = specs.decode({ key, bytes });
      if (E.isRight(spec)) hashes.set(deepFreeze(spec.right), { hash });
      return spec;
    },
  };
}
