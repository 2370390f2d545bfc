import * as E from 'fp-ts/lib/Either.js';
import { pipe } from 'fp-ts/lib/function.js';
import { millisecondsOf } from '../codecs/duration.js';
import { deepFreeze } from '../lifecycle/deepFreeze.js';
import { describeFault, type Fault } from '../lifecycle/errors.js';
import { defaultRetention } from '../store/logSpan.js';
import { decodeSettings, type Settings } from './settings.js';

/** What can be set from outside; deeply frozen. Keys and defaults are hypeman's where it has them. */
export interface Config {
  /** `auto_standby:` */
  readonly autoStandby: {
    /** `max_concurrent`: how many instances are put on standby at a time, from 1 to 1024. @defaultValue 16 */
    readonly maxConcurrent: number;
  };
  /** `http:`, what `rx-instances serve` serves; each is the option of that name of `instancesApi`, but for where it listens. */
  readonly http: {
    /** `listen_address`: IP address or host name on which the API is served. @defaultValue `'127.0.0.1'` */
    readonly listenAddress: string;
    /** `port`: TCP port on which the API is served, from 1 to 65535. @defaultValue 4973 */
    readonly port: number;
    /** `secret`: the secret of tokens, 32 characters or more; better in a file of its own, or in the environment. @defaultValue none */
    readonly secret?: string;
    /** `secret_file`: a file that holds the secret. @defaultValue none */
    readonly secretFile?: string;
    /** `max_requests_per_second`: of one address, from 1 to 1000000. @defaultValue 10000 */
    readonly maxRequestsPerSecond: number;
    /** `max_connections`, from 1 to 1000000. @defaultValue 10000 */
    readonly maxConnections: number;
    /** `max_streams`: answers that go on, from 1 to 1000000. @defaultValue 5000 */
    readonly maxStreams: number;
    /** `drain_timeout`: how long a server that ends waits for its clients, to `1h`. Here in milliseconds. @defaultValue `10s` */
    readonly drainMs: number;
  };
  /** `instances:` */
  readonly instances: {
    /**
     * `lifecycle_event_buffer_size`: how many events may wait for one subscriber that works on them or pulls them, from
     * 1 to 2^24.
     *
     * @defaultValue 256
     */
    readonly lifecycleEventBufferSize: number;
    /**
     * `max_request_bytes`: how large a request may be, and the spec that it leads to, from 1024 to 2^30 bytes.
     *
     * @defaultValue 1048576, 1 MiB
     */
    readonly maxRequestBytes: number;
    /**
     * `launch_timeout`: how long a driver may take to launch a machine, written as Go writes durations, to `24h`; `0s` is no bound.
     * Here in milliseconds.
     *
     * @defaultValue `5m`
     */
    readonly launchTimeoutMs: number;
    /**
     * `max_wait_timeout`: how long a `waitForState` may take at most, written as Go writes durations, from `1s` to `596h`. Here in
     * milliseconds.
     *
     * @defaultValue `5m`
     */
    readonly maxWaitTimeoutMs: number;
  };
  /** `metrics:` */
  readonly metrics: {
    /** `listen_address`: IP address or host name on which metrics are served. @defaultValue `'127.0.0.1'` */
    readonly listenAddress: string;
    /** `port`: TCP port on which metrics are served, from 1 to 65535. @defaultValue 9464 */
    readonly port: number;
  };
  /** `serve:`, what `rx-instances serve` opens its manager with. */
  readonly serve: {
    /** `data_dir`: the folder in which everything is kept. @defaultValue none: memory, for as long as the program runs */
    readonly dataDir?: string;
    /** `process`: whether there are processes. @defaultValue true */
    readonly process: boolean;
    /** `qemu`: whether there are virtual machines. @defaultValue false */
    readonly qemu: boolean;
  };
  /** `storage:` */
  readonly storage: {
    /**
     * `log_max_events`: how many events the log keeps at most, from 1 to 2^24.
     *
     * @defaultValue 100000; without a data directory 10000
     */
    readonly logMaxEvents?: number;
    /**
     * `log_max_age`: how old the events of the log get, written as Go writes durations, from `1s` to `87600h`; here in
     * milliseconds.
     *
     * @defaultValue `168h`, a week
     */
    readonly logMaxAgeMs: number;
    /**
     * `log_max_bytes`: how many bytes the events of the log take at most, from 1 to 2^40; the last event always stays. The
     * file of the store takes somewhat more.
     *
     * @defaultValue 268435456, 256 MiB; without a data directory 33554432, 32 MiB
     */
    readonly logMaxBytes?: number;
  };
}

/** All that is wrong with a configuration, in the order of the file, then of the environment; never empty. */
export type ConfigErrors = readonly Fault[];

/**
 * Decodes a configuration: an object of sections as it stands in a YAML or JSON file, keys in snake_case. What it leaves
 * open has its default; an unknown key is a fault. On the left is every fault at once, with its path, the value found and
 * what was expected. The environment is not looked at: that does {@link loadConfig}.
 *
 * @example
 * ```ts
 * import { decodeConfig, describeConfigErrors } from 'rx-instances/config';
 * import { match } from 'fp-ts/lib/Either.js';
 * import { pipe } from 'fp-ts/lib/function.js';
 *
 * const portOf = (value: unknown) =>
 *   pipe(
 *     decodeConfig(value),
 *     match(describeConfigErrors, ({ metrics }) => String(metrics.port)),
 *   );
 * portOf({}); // => '9464'
 * portOf({ metrics: { port: 80 } }); // => '80'
 * portOf({ metrics: { port: '80' } }); // => "metrics.port: found '80', expected TCP port (a whole number from 1 to 65535)"
 * ```
 *
 * @see hypeman `cmd/api/config/config.go`
 */
export const decodeConfig = (value: unknown): E.Either<ConfigErrors, Config> =>
  pipe(decodeSettings(value), E.map(configOf));

/** Writes what is wrong with a configuration for a person to read: a line for each fault. */
export const describeConfigErrors = (errors: ConfigErrors): string => errors.map(describeFault).join('\n');

/** Fills in what settings leave open. */
export const configOf = ({
  auto_standby: autoStandby = {},
  http = {},
  instances = {},
  metrics = {},
  serve = {},
  storage = {},
}: Settings): Config =>
  deepFreeze({
    autoStandby: { maxConcurrent: autoStandby.max_concurrent ?? 16 },
    http: {
      listenAddress: http.listen_address ?? '127.0.0.1',
      port: http.port ?? 4973,
      ...(http.secret !== undefined && { secret: http.secret }),
      ...(http.secret_file !== undefined && { secretFile: http.secret_file }),
      maxRequestsPerSecond: http.max_requests_per_second ?? 10_000,
      maxConnections: http.max_connections ?? 10_000,
      maxStreams: http.max_streams ?? 5_000,
      drainMs: millisecondsOf(http.drain_timeout ?? '10s'),
    },
    instances: {
      lifecycleEventBufferSize: instances.lifecycle_event_buffer_size ?? 256,
      maxRequestBytes: instances.max_request_bytes ?? 2 ** 20,
      launchTimeoutMs: millisecondsOf(instances.launch_timeout ?? '5m'),
      maxWaitTimeoutMs: millisecondsOf(instances.max_wait_timeout ?? '5m'),
    },
    metrics: { listenAddress: metrics.listen_address ?? '127.0.0.1', port: metrics.port ?? 9464 },
    serve: {
      ...(serve.data_dir !== undefined && { dataDir: serve.data_dir }),
      process: serve.process ?? true,
      qemu: serve.qemu ?? false,
    },
    storage: {
      // Which defaults hold is known where the data directory is.
      ...(storage.log_max_events !== undefined && { logMaxEvents: storage.log_max_events }),
      ...(storage.log_max_bytes !== undefined && { logMaxBytes: storage.log_max_bytes }),
      logMaxAgeMs:
        storage.log_max_age === undefined ? defaultRetention.maxAgeMs : millisecondsOf(storage.log_max_age),
    },
  });
