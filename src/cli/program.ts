import { Command, InvalidArgumentError, Option } from 'commander';
import { millisecondsOf } from '../codecs/duration.js';
import { permissions } from '../http/scopes.js';
import { version } from '../http/version.js';
import { CliFault } from './cliFault.js';
import { missingPackage } from './missingPackage.js';
import { readSettings } from './settings.js';

/** What the program understands. Commands load what they need when they run, so that help needs none of it. */
export function createProgram(): Command {
  const program = new Command('rx-instances');
  program
    .description('Runs instances (processes, virtual machines), and serves them by an HTTP API and a page.')
    .version(version)
    .showHelpAfterError('(rx-instances --help tells what there is)');
  program.addCommand(serveCommand());
  program.addCommand(tokenCommand());
  return program;
}

const configOption = (): Option =>
  new Option(
    '-c, --config <file>',
    'the configuration, in YAML or JSON; without one there is the environment only',
  );

const serveHelp = `
It ends on SIGINT and SIGTERM: clients are told, what they asked for is answered, and the manager closes;
at the second signal at once. With serve.data_dir instances run on, and the next serve takes them over.

Each key of the configuration is a variable of the environment too, which wins:
  http.port                RX_INSTANCES__HTTP__PORT                4973
  http.listen_address      RX_INSTANCES__HTTP__LISTEN_ADDRESS      127.0.0.1
  http.secret_file         RX_INSTANCES__HTTP__SECRET_FILE         none: this host only, without tokens
  metrics.port             RX_INSTANCES__METRICS__PORT             9464
  serve.data_dir           RX_INSTANCES__SERVE__DATA_DIR           none: instances end with the program
  serve.qemu               RX_INSTANCES__SERVE__QEMU               false
All of them: src/config/README.md in the package.

Example:
  $ rx-instances serve --config rx-instances.yaml`;

const serveCommand = (): Command =>
  new Command('serve')
    .description('serve the API, its page and metrics')
    .addOption(configOption())
    .addHelpText('after', serveHelp)
    .action(async ({ config }: { readonly config?: string }) => {
      const settings = await readSettings(config);
      const { serve } = await import('./serve.js').catch(missingPackage);
      await serve(settings);
    });

interface TokenOptions {
  readonly config?: string;
  readonly sub: string;
  readonly permissions: readonly string[];
  readonly expiresIn: number;
}

const tokenHelp = `
Examples:
  $ rx-instances token --sub ci --permissions instance:read instance:write -c rx-instances.yaml
  $ rx-instances token --sub me --permissions '*' --expires-in 1h -c rx-instances.yaml`;

const tokenCommand = (): Command =>
  new Command('token')
    .description('sign a token with the secret of the configuration, and print it')
    .addOption(configOption())
    .requiredOption('--sub <name>', 'who brings it: the `by` of the events that come of it')
    .addOption(
      new Option('--permissions <scope...>', "what it permits; '*' is all")
        .choices(['*', ...permissions])
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--expires-in <duration>', 'how long it is valid, such as 30m or 720h')
        .default(millisecondsOf('24h'), '24h')
        .argParser(lifetimeOf),
    )
    .addHelpText('after', tokenHelp)
    .action(async ({ config, sub, permissions: permitted, expiresIn }: TokenOptions) => {
      const { secret } = await readSettings(config);
      if (secret === undefined)
        throw new CliFault('there is no secret: set http.secret_file, or http.secret');
      const { signToken } = await import('./signToken.js').catch(missingPackage);
      process.stdout.write(
        `${signToken(secret, { subject: sub, permissions: permitted, lifetimeMs: expiresIn })}\n`,
      );
    });

function lifetimeOf(text: string): number {
  const milliseconds = millisecondsOf(text);
  if (milliseconds >= 1_000) return milliseconds;
  throw new InvalidArgumentError('Expected a duration such as 1h30m, of 1s at least.');
}
