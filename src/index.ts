// What instances are.
export {
  type Action,
  actions,
  type InstanceAction,
  type SnapshotAction,
  type Transition,
  type State,
  states,
  transition,
} from './lifecycle/state.js';
export type {
  BaseSpec,
  HeldSecrets,
  DriverFields,
  ExitStatus,
  LimitName,
  ForwardedPort,
  Instance,
  InstanceSpec,
  Json,
  MachineHandle,
  Readiness,
} from './lifecycle/instance.js';
export type { Endpoint } from './lifecycle/endpoint.js';
export type { Cause } from './lifecycle/cause.js';
export type {
  CausedChange,
  Change,
  ChangeOfInstance,
  ChangeOfSnapshot,
  Cursor,
  LifecycleEvent,
} from './lifecycle/event.js';
export type {
  CopiedIn,
  FileReader,
  FileWriter,
  MkdirOptions,
  RemoveOptions,
  WriteOptions,
} from './lifecycle/fileAccess.js';
export type { FileStat } from './lifecycle/fileStat.js';
export type { FileAttributes, FileTree, NewFile, OpenFile, TreeEntry } from './lifecycle/fileTree.js';
export type { LogLine, LogOptions } from './lifecycle/logLine.js';
export type { ExecExit, ExecOutput, Execution, ExecProgram } from './lifecycle/execution.js';
export type { Snapshot } from './lifecycle/snapshot.js';

// What can go wrong.
export {
  AmbiguousName,
  ApiFailed,
  Conflict,
  ConsumerTaken,
  CursorExpired,
  DataDirLocked,
  describeFault,
  DriverFailed,
  ExecFailed,
  FileFailed,
  type Fault,
  type InstanceError,
  InstanceNotFound,
  InvalidRequest,
  InvalidState,
  isInstanceError,
  LaunchFailed,
  type LockHolder,
  LogNotFound,
  LogUnreadable,
  ManagerClosed,
  NameTaken,
  NotSupported,
  SnapshotDamaged,
  SnapshotIncompatible,
  SnapshotNotFound,
  WebhookNotFound,
  StateUnreadable,
  StoreFailed,
  SubscriberLagged,
  TooManyConsumers,
} from './lifecycle/errors.js';

// What can be done with them, here and from afar.
export type { Instances } from './instances/instances.js';
export type { LifecycleStreams } from './instances/lifecycleStreams.js';
export type {
  AutoStandbyRequest,
  CreateRequest,
  ForkRequest,
  HealthCheckRequest,
  ListOptions,
  PolicyRequests,
  RestartPolicyRequest,
  StartOverrides,
  UpdateRequest,
} from './instances/instanceRequests.js';
export type {
  CallOptions,
  ChangeAndLaunchOptions,
  EnsureOptions,
  ChangeOptions,
  LaunchOptions,
  MutationOptions,
} from './instances/callOptions.js';
export type { RunOptions, RunOutcome, RunRequest } from './instances/runRequest.js';
export type { ExecRequest, Executions } from './instances/execRequest.js';
export type { Files, InstanceFiles } from './instances/instanceFiles.js';
export type { Pullable } from './streams/pullable.js';
export type { ExecInput } from './streams/feedInput.js';
export type {
  CreateSnapshotRequest,
  ForkSnapshotRequest,
  RestoreSnapshotRequest,
  SnapshotFilter,
  Snapshots,
} from './instances/snapshots.js';

// How to run them.
export { openManager, type OpenManagerOptions } from './assembly/openManager.js';
export type { InstanceManager } from './manager/instanceManager.js';
export { closeOnSignals } from './manager/closeOnSignals.js';
export type { CloseOptions, ManagerOptions } from './manager/options.js';
export type { Logger } from './instances/logger.js';
export type { Measurement } from './manager/measurement.js';

// Who is sent what happens.
export type {
  AddedWebhook,
  DisabledReason,
  RotationRequest,
  Webhook,
  WebhookFailure,
  WebhookReport,
  WebhookRequest,
  Webhooks,
  WebhookStats,
  WebhookStatus,
} from './instances/webhooks.js';
export type { EventCriteria } from './streams/eventCriteria.js';

// What acts on them by policies.
export { createController } from './controllers/controller.js';
export type { Act, ControllerRules, Occasion, Sight, Verdict } from './controllers/controller.js';
export { Withdrawn } from './controllers/withdrawn.js';
export { ConntrackFailed } from './controllers/conntrack/conntrackFailed.js';
export {
  type ConntrackSource,
  type ConntrackSourceOptions,
  createConntrackSource,
} from './controllers/conntrack/conntrackSource.js';
export type {
  Controller,
  ControllerPort,
  Decision,
  Remembered,
  RunningController,
} from './instances/controller.js';
export type { KeptTable } from './instances/keptTable.js';
export type {
  AutoStandbyStatus,
  ExpirationStatus,
  HealthStatus,
  InstanceStatus,
  PortStatus,
  RestartStatus,
} from './instances/instanceStatus.js';
export type { CheckOutcome, CheckProgram } from './lifecycle/checkProgram.js';
export type { AutoStandby } from './lifecycle/autoStandby.js';
export type { HealthCheck } from './lifecycle/healthCheck.js';
export type { RestartPolicy } from './lifecycle/restartPolicy.js';

// The front door.
export type { FrontDoorOptions } from './instances/frontDoorOptions.js';
export type { DoorStats, Refusal } from './instances/doorStats.js';
export type {
  Connection,
  ConnectionChange,
  ConnectionEnd,
  ConnectionSource,
  ConnectionSourceFactory,
  ConnectionSourceState,
  InstanceNetwork,
} from './instances/connectionSource.js';

// Streams that can be used alone.
export { boundedIterable } from './streams/boundedIterable.js';
export { boundedMergeMap } from './streams/boundedMergeMap.js';
export { fromEither, toTaskEither } from './streams/bridges.js';
export type { Buffering, DropReason, Lag, Overflow, WorkBuffering } from './streams/buffering.js';
export type { ConsumerStats, LabelStats } from './streams/consumers.js';
export { createLifecycleBus, type LifecycleBus, type LifecycleBusOptions } from './streams/lifecycleBus.js';
export {
  type ConsumeOptions,
  type EventsOptions,
  type IterateOptions,
  latestByInstance,
  type SubscriberLabel,
  type WatchBuffering,
  type WatchOptions,
} from './streams/eventOptions.js';
export type { EventStreams } from './streams/eventStreams.js';
export type { EventFilter, InstanceFilter } from './streams/instanceFilter.js';
export type { LifecycleLog } from './streams/lifecycleLog.js';
export type { InstanceChange } from './lifecycle/instanceChange.js';
export type { TableView } from './streams/tableThenChanges.js';
export { type StateSource, waitForState } from './streams/waitForState.js';
export type { WaitOptions, WaitTarget } from './streams/waitOptions.js';
export type { WaitEnd, WaitOutcome } from './streams/waits.js';

// What machines run on, and where instances are kept.
export { createProcessDriver, type ProcessDriverOptions } from './drivers/process/processDriver.js';
export type {
  Capabilities,
  Driver,
  DriverFiles,
  Freezing,
  AdoptPlan,
  LaunchPlan,
  LogReading,
  Machine,
  MachineStatus,
  PreparePlan,
  Ports,
  Replacement,
  MachineSignal,
  SnapshotContent,
  SnapshotPlan,
  Snapshotting,
} from './drivers/driver.js';
export type {
  AskedRequest,
  ConcludedRequest,
  DamagedRecord,
  LogPage,
  RecordTables,
  RequestOutcome,
  Store,
  StoredState,
} from './store/store.js';
