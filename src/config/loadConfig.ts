import { sequenceS } from 'fp-ts/lib/Apply.js';
import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import * as RA from 'fp-ts/lib/ReadonlyArray.js';
import * as T from 'fp-ts/lib/Task.js';
import * as TE from 'fp-ts/lib/TaskEither.js';
import type { Fault } from '../lifecycle/errors.js';
import { type Config, type ConfigErrors, configOf } from './config.js';
import { readConfigFile } from './configFile.js';
import { decodeEnvironment, type Environment, type EnvironmentOptions } from './environment.js';
import { decodeSettings, type Settings } from './settings.js';

/**
 * Loads the configuration: the environment beats the file, the file beats the defaults. Nothing is read before the task
 * is run; each run reads anew. It never rejects: on the left is every fault of file and environment at once.
 *
 * The file is one document of YAML 1.2 or JSON, in UTF-8, of at most 64 KiB; an empty one leaves all open. Tags of
 * applications, keys that stand twice, and aliases that unfold to more than 100 values are faults. The path of a fault is
 * the key as it stands in the file, or the file itself, with line and column where the parser tells them.
 *
 * For each key the environment has a variable: `RX_INSTANCES__`, then its name in upper case with `__` between section and key,
 * such as `RX_INSTANCES__INSTANCES__LIFECYCLE_EVENT_BUFFER_SIZE`. Numbers are whole and decimal; an empty variable counts as
 * absent; one that begins with `RX_INSTANCES__` and names no key is a fault. No other variable is looked at.
 *
 * @param path - the file; without one there is the environment only
 * @param env - such as `process.env`
 * @param options - whether to read hypeman's names too
 *
 * @example
 * ```ts
 * import { isLeft } from 'fp-ts/lib/Either.js';
 * import { describeConfigErrors, loadConfig } from 'rx-instances/config';
 *
 * const loaded = await loadConfig(undefined, { RX_INSTANCES__INSTANCES__LIFECYCLE_EVENT_BUFFER_SIZE: '1024' })();
 * if (isLeft(loaded)) throw new Error(describeConfigErrors(loaded.left));
 * const { instances, metrics } = loaded.right;
 * instances.lifecycleEventBufferSize; // => 1024
 * metrics.port; // => 9464
 * ```
 *
 * @see hypeman `cmd/api/config/config.go`
 */
export const loadConfig = (
  path: string | undefined,
  env: Environment,
  options?: EnvironmentOptions,
): TE.TaskEither<ConfigErrors, Config> =>
  pipe(
    path === undefined ? TE.right({}) : readSettings(path),
    T.map((file) => combine(file, decodeEnvironment(env, options))),
  );

const readSettings = (path: string): TE.TaskEither<ConfigErrors, Settings> =>
  pipe(
    readConfigFile(path),
    TE.chainEitherK((value) => pipe(decodeSettings(value), E.mapLeft(nameFile(path)))),
  );

/** A fault of the file as a whole has no path of its own. */
const nameFile =
  (file: string) =>
  (errors: ConfigErrors): ConfigErrors =>
    errors.map((fault) => (fault.path === '' ? { ...fault, path: file } : fault));

const combine = (
  file: E.Either<ConfigErrors, Settings>,
  environment: E.Either<ConfigErrors, Settings>,
): E.Either<ConfigErrors, Config> =>
  pipe(
    sequenceS(everyFault)({ file, environment }),
    E.map((said) =>
      configOf({
        auto_standby: { ...said.file.auto_standby, ...said.environment.auto_standby },
        http: { ...said.file.http, ...said.environment.http },
        instances: { ...said.file.instances, ...said.environment.instances },
        metrics: { ...said.file.metrics, ...said.environment.metrics },
        serve: { ...said.file.serve, ...said.environment.serve },
        storage: { ...said.file.storage, ...said.environment.storage },
      }),
    ),
  );

const everyFault = E.getApplicativeValidation(RA.getSemigroup<Fault>());
