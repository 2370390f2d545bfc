import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import ts from 'typescript';

const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly exports: object };
const doors = Object.keys(exports).filter((path) => !path.endsWith('.json'));

const fileOf = (door: string): string => resolve('src', `${door === '.' ? 'index' : door}.ts`);
const options = { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: ['node'] };
const program = ts.createProgram(doors.map(fileOf), options);
const checker = program.getTypeChecker();

/** What a door gives, a line each, first its values, then its types. */
function namesOf(door: string): string {
  const file = program.getSourceFile(fileOf(door));
  const symbol = file && checker.getSymbolAtLocation(file);
  const names = { values: [''], types: [''] };
  for (const exported of symbol ? checker.getExportsOfModule(symbol) : []) {
    const alias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
    const { flags, name } = alias ? checker.getAliasedSymbol(exported) : exported;
    names[(flags & ts.SymbolFlags.Value) !== 0 ? 'values' : 'types'].push(name);
  }
  return `values${names.values.sort().join('\n  ')}\ntypes${names.types.sort().join('\n  ')}`;
}

// A name that comes or goes is a promise to users: `npx jest publicNames -u` writes it down.
describe('the public names', () => {
  it('are those of these doors', () => {
    expect(doors).toStrictEqual([
      '.',
      './config',
      './http',
      './metrics',
      './promises',
      './qemu',
      './remote',
      './testing',
      './webhooks',
      './wire',
    ]);
  });

  it('of rx-instances are these', () => {
    expect(namesOf('.')).toMatchInlineSnapshot(`
     "values
       AmbiguousName
       ApiFailed
       Conflict
       ConntrackFailed
       ConsumerTaken
       CursorExpired
       DataDirLocked
       DriverFailed
       ExecFailed
       FileFailed
       InstanceNotFound
       InvalidRequest
       InvalidState
       LaunchFailed
       LogNotFound
       LogUnreadable
       ManagerClosed
       NameTaken
       NotSupported
       SnapshotDamaged
       SnapshotIncompatible
       SnapshotNotFound
       StateUnreadable
       StoreFailed
       SubscriberLagged
       TooManyConsumers
       WebhookNotFound
       Withdrawn
       actions
       boundedIterable
       boundedMergeMap
       closeOnSignals
       createConntrackSource
       createController
       createLifecycleBus
       createProcessDriver
       describeFault
       fromEither
       isInstanceError
       latestByInstance
       openManager
       states
       toTaskEither
       transition
       waitForState
     types
       Act
       Action
       AddedWebhook
       AdoptPlan
       AskedRequest
       AutoStandby
       AutoStandbyRequest
       AutoStandbyStatus
       BaseSpec
       Buffering
       CallOptions
       Capabilities
       Cause
       CausedChange
       Change
       ChangeAndLaunchOptions
       ChangeOfInstance
       ChangeOfSnapshot
       ChangeOptions
       CheckOutcome
       CheckProgram
       CloseOptions
       ConcludedRequest
       Connection
       ConnectionChange
       ConnectionEnd
       ConnectionSource
       ConnectionSourceFactory
       ConnectionSourceState
       ConntrackSource
       ConntrackSourceOptions
       ConsumeOptions
       ConsumerStats
       Controller
       ControllerPort
       ControllerRules
       CopiedIn
       CreateRequest
       CreateSnapshotRequest
       Cursor
       DamagedRecord
       Decision
       DisabledReason
       DoorStats
       Driver
       DriverFields
       DriverFiles
       DropReason
       Endpoint
       EnsureOptions
       EventCriteria
       EventFilter
       EventStreams
       EventsOptions
       ExecExit
       ExecInput
       ExecOutput
       ExecProgram
       ExecRequest
       Execution
       Executions
       ExitStatus
       ExpirationStatus
       Fault
       FileAttributes
       FileReader
       FileStat
       FileTree
       FileWriter
       Files
       ForkRequest
       ForkSnapshotRequest
       ForwardedPort
       Freezing
       FrontDoorOptions
       HealthCheck
       HealthCheckRequest
       HealthStatus
       HeldSecrets
       Instance
       InstanceAction
       InstanceChange
       InstanceError
       InstanceFiles
       InstanceFilter
       InstanceManager
       InstanceNetwork
       InstanceSpec
       InstanceStatus
       Instances
       IterateOptions
       Json
       KeptTable
       LabelStats
       Lag
       LaunchOptions
       LaunchPlan
       LifecycleBus
       LifecycleBusOptions
       LifecycleEvent
       LifecycleLog
       LifecycleStreams
       LimitName
       ListOptions
       LockHolder
       LogLine
       LogOptions
       LogPage
       LogReading
       Logger
       Machine
       MachineHandle
       MachineSignal
       MachineStatus
       ManagerOptions
       Measurement
       MkdirOptions
       MutationOptions
       NewFile
       Occasion
       OpenFile
       OpenManagerOptions
       Overflow
       PolicyRequests
       PortStatus
       Ports
       PreparePlan
       ProcessDriverOptions
       Pullable
       Readiness
       RecordTables
       Refusal
       Remembered
       RemoveOptions
       Replacement
       RequestOutcome
       RestartPolicy
       RestartPolicyRequest
       RestartStatus
       RestoreSnapshotRequest
       RotationRequest
       RunOptions
       RunOutcome
       RunRequest
       RunningController
       Sight
       Snapshot
       SnapshotAction
       SnapshotContent
       SnapshotFilter
       SnapshotPlan
       Snapshots
       Snapshotting
       StartOverrides
       State
       StateSource
       Store
       StoredState
       SubscriberLabel
       TableView
       Transition
       TreeEntry
       UpdateRequest
       Verdict
       WaitEnd
       WaitOptions
       WaitOutcome
       WaitTarget
       WatchBuffering
       WatchOptions
       Webhook
       WebhookFailure
       WebhookReport
       WebhookRequest
       WebhookStats
       WebhookStatus
       Webhooks
       WorkBuffering
       WriteOptions"
    `);
  });

  it('of rx-instances/config are these', () => {
    expect(namesOf('./config')).toMatchInlineSnapshot(`
     "values
       decodeConfig
       describeConfigErrors
       loadConfig
     types
       Config
       ConfigErrors
       Environment
       EnvironmentOptions"
    `);
  });

  it('of rx-instances/http are these', () => {
    expect(namesOf('./http')).toMatchInlineSnapshot(`
     "values
       apiServerOptions
       instancesApi
       instancesPage
     types
       ApiManager
       ApiServerOptions
       InstancesApiOptions
       ServedDriver
       ServedMetrics"
    `);
  });

  it('of rx-instances/metrics are these', () => {
    expect(namesOf('./metrics')).toMatchInlineSnapshot(`
     "values
       createMetrics
     types
       MetricsOptions"
    `);
  });

  it('of rx-instances/promises are these', () => {
    expect(namesOf('./promises')).toMatchInlineSnapshot(`
     "values
       promised
     types
       ExecOutcome
       GatheredExecRequest
       PromisedInstances"
    `);
  });

  it('of rx-instances/qemu are these', () => {
    expect(namesOf('./qemu')).toMatchInlineSnapshot(`
     "values
       createQemuDriver
       hostPortOf
     types
       QemuDriverOptions"
    `);
  });

  it('of rx-instances/remote are these', () => {
    expect(namesOf('./remote')).toMatchInlineSnapshot(`
     "values
       openRemote
     types
       RemoteInstances
       RemoteOptions
       WebSocketClass"
    `);
  });

  it('of rx-instances/testing are these', () => {
    expect(namesOf('./testing')).toMatchInlineSnapshot(`
     "values
       createMemoryDriver
       driverContract
     types
       ContractFramework
       DriverSubject
       ExecSpecimens
       HomeContent
       LimitSpecimens
       MemoryDriver
       MemoryDriverOptions
       MemoryMachine
       MemoryOperation
       Specimen"
    `);
  });

  it('of rx-instances/webhooks are these', () => {
    expect(namesOf('./webhooks')).toMatchInlineSnapshot(`
     "values
       openWebhooks
     types
       WebhookManager
       WebhookOptions"
    `);
  });

  it('of rx-instances/wire are these', () => {
    expect(namesOf('./wire')).toMatchInlineSnapshot(`
     "values
       wireChange
       wireError
       wireEvent
       wireInstance
       wireSnapshot
     types
       WireObject"
    `);
  });
});
