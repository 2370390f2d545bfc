/** The values of secrets, by name. */
export type SecretValues = Readonly<Record<string, string>>;

/**
 * Keeps the values of secrets apart from all records, one version of them after another, none of which ever changes.
 *
 * What fails does so with {@link StoreFailed}.
 */
export interface SecretStore {
  /** Keeps values under a version that is an id, and is not there yet. */
  save(version: string, values: SecretValues): Promise<void>;
  read(version: string): Promise<SecretValues>;
  /** Removes a version; one that is not there is removed already. */
  remove(version: string): Promise<void>;
  /** Removes all versions but these. */
  retain(versions: ReadonlySet<string>): Promise<void>;
}
