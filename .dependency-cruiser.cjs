/**
 * The floor law, lowest floor first: a file imports from a lower floor or from its own room. Rooms on one floor do not see
 * each other. `uses` names the packages that a room may import; `node:` stands for Node's own modules.
 *
 * A new room is given its floor here, before its first line.
 */
const floors = [
  { lifecycle: { uses: [] } },
  { codecs: { uses: ['io-ts', 'fp-ts', 'ipaddr.js'] } },
  { streams: { uses: ['rxjs', 'io-ts', 'fp-ts'] } },
  {
    drivers: { uses: ['rxjs', 'io-ts', 'fp-ts', 'node:', 're2js'] },
    store: { uses: ['rxjs', 'io-ts', 'fp-ts', 'node:', '@paralleldrive/cuid2', 'lmdb'] },
    instances: { uses: ['rxjs', 'io-ts'] },
  },
  {
    manager: {
      uses: [
        ...['rxjs', 'io-ts', 'fp-ts', 'node:', '@paralleldrive/cuid2', '@opentelemetry/api'],
        'tar-stream',
      ],
      sees: ['drivers/driver.ts'],
    },
    promises: { uses: ['rxjs'] },
    remote: { uses: ['rxjs', 'io-ts', 'fp-ts', 'eventsource-parser'] },
  },
  {
    controllers: { uses: ['rxjs', 'io-ts', 'fp-ts', 'node:', 'ipaddr.js'] },
    door: { uses: ['rxjs', 'io-ts', 'fp-ts', 'node:'] },
    webhooks: {
      uses: [
        ...['rxjs', 'io-ts', 'node:', '@paralleldrive/cuid2'],
        ...['ipaddr.js', 'standardwebhooks', 'undici'],
      ],
    },
  },
  { metrics: { uses: ['rxjs', 'prom-client'] } },
  { assembly: { uses: ['io-ts'] } },
  {
    config: { uses: ['io-ts', 'fp-ts', 'node:', 'yaml'] },
    // Its modules run in a browser, which is given these packages too.
    page: { uses: ['node:', 'preact', 'htm'] },
  },
  {
    http: {
      uses: [
        ...['rxjs', 'io-ts', 'fp-ts', 'node:', 'qs', 'fast-jwt'],
        ...['fastify', '@fastify/rate-limit', '@fastify/swagger', '@fastify/websocket'],
      ],
    },
  },
  { cli: { uses: ['rxjs', 'io-ts', 'fp-ts', 'node:', 'commander', 'fastify', 'fast-jwt', 'prom-client'] } },
];

const rooms = floors.flatMap((floor) => Object.keys(floor));
const anyOf = (names) => `(${names.join('|')})`;
const forbidden = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

const floorRules = floors.flatMap((floor, height) =>
  Object.entries(floor).flatMap(([room, { uses, sees = [] }]) => {
    const from = { path: `^src/${room}/` };
    const below = floors.slice(0, height).flatMap((lower) => Object.keys(lower));
    const packages = uses.filter((name) => name !== 'node:');
    const interfaces = anyOf(sees.map((file) => file.split('/')[0]));
    return [
      forbidden(`${room}-floor`, `${room} stands on ${below.join(', ') || 'nothing'}`, from, {
        path: '^src/',
        pathNot: `^src/${anyOf([room, ...below])}/`,
      }),
      forbidden(`${room}-packages`, `${room} uses ${uses.join(', ') || 'no package'}`, from, {
        dependencyTypesNot: ['local', ...(uses.includes('node:') ? ['core'] : [])],
        pathNot: `^src/|(^|/)node_modules/${anyOf(packages)}/`,
      }),
      ...(sees.length === 0
        ? []
        : [
            forbidden(`${room}-interfaces`, `${room} sees ${sees.join(', ')}, and nothing behind it`, from, {
              path: `^src/${interfaces}/`,
              pathNot: `^src/${anyOf(sees)}$`,
            }),
          ]),
    ];
  }),
);

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...floorRules,
    forbidden('no-circular', 'two files that need each other are one file, or three', {}, { circular: true }),
    forbidden(
      'no-barrel',
      'a room has no index: import the file that you mean',
      {},
      { path: '^src/.+/index\\.ts$' },
    ),
    forbidden('no-way-back', 'doors are for those outside', {}, { path: '^src/[^/]+$' }),
    forbidden(
      'room-has-a-floor',
      'give the new room its floor, above',
      {},
      {
        path: '^src/.+/',
        pathNot: `^src/${anyOf(rooms)}/`,
      },
    ),
    forbidden(
      'instances-types',
      'instances has interfaces and types, and no value: a manager near or far loads nothing for it',
      { path: '^src/instances/' },
      { dependencyTypesNot: ['type-only'] },
    ),
    forbidden(
      'door-apart',
      'the door is handed what it needs of a manager: it sees interfaces, and nobody who has them',
      { path: '^src/door/' },
      { path: '^src/(drivers|store|manager|promises)/' },
    ),
    forbidden(
      'webhooks-apart',
      'webhooks are sent of whatever has a log and a table: they see interfaces, and nobody who has them',
      { path: '^src/webhooks/' },
      { path: '^src/(drivers|store|manager|promises)/' },
    ),
    forbidden(
      'http-apart',
      'the API serves whatever has the interfaces: a manager here, or one from afar',
      { path: '^src/http/' },
      { path: '^src/(drivers|store|manager|promises|controllers|door|webhooks|metrics|assembly|config)/' },
    ),
    forbidden(
      'drivers-apart',
      'a driver does not see another driver; all see host',
      { path: '^src/drivers/([^/]+)/' },
      {
        path: '^src/drivers/[^/]+/',
        pathNot: '^src/drivers/(host|$1)/',
      },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
