import { StoreFailed } from '../lifecycle/errors.js';
import type { SecretStore, SecretValues } from './secretStore.js';

/** Creates a {@link SecretStore} that is gone with this process. */
export function createMemorySecrets(): SecretStore {
  const versions = new Map<string, SecretValues>();
  return {
    save: (version, values) => {
      versions.set(version, values);
      return Promise.resolve();
    },
    read: (version) => {
      const values = versions.get(version);
      return values === undefined
        ? Promise.reject(new StoreFailed({ reason: `there are no secrets ${version}` }))
        : Promise.resolve(values);
    },
    remove: (version) => {
      versions.delete(version);
      return Promise.resolve();
    },
    retain: (retained) => {
      for (const version of versions.keys()) if (!retained.has(version)) versions.delete(version);
      return Promise.resolve();
    },
  };
}
