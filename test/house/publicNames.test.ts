import { resolve } from 'node:path';
import ts from 'typescript';

const { exports } = jest.requireActual<{ exports: Record<string, unknown> }>('../../package.json');
const doors = Object.keys(exports)
  .filter((path) => !path.endsWith('.json'))
  .map((path) => resolve('src', `${path === '.' ? 'index' : path.slice(2)}.ts`));

const program = ts.createProgram(doors, { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022 });
const checker = program.getTypeChecker();

/** What a door gives, a line each: values first, then types. */
function namesOf(door: string): string {
  const file = program.getSourceFile(door);
  const symbol = file && checker.getSymbolAtLocation(file);
  const lines = (symbol ? checker.getExportsOfModule(symbol) : []).map((exported) => {
    const alias = (exported.flags & ts.SymbolFlags.Alias) !== 0;
    const { flags, name } = alias ? checker.getAliasedSymbol(exported) : exported;
    return `${(flags & ts.SymbolFlags.Value) !== 0 ? 'value' : 'type '} ${name}`;
  });
  return lines.sort().reverse().join('\n');
}

describe('the public names', () => {
  // A name that comes or goes is a promise to users: `npx jest publicNames -u` writes it down.
  it('of rx-instances are these', () => {
    expect(namesOf(resolve('src/index.ts'))).toMatchInlineSnapshot(`
     "value waitForState
     value transition
     value toTaskEither
     value states
     value openManager
     value loadConfig
     value fromEither
     value describeFault
     value describeConfigErrors
     value decodeConfig
     value createLifecycleBus
     value byInstance
     value boundedMergeMap
     value boundedIterable
     value actions
     value TooManyConsumers
     value SubscriberLagged
     value StateUnreadable
     value NotSupported
     value NameTaken
     value ManagerClosed
     value LogNotFound
     value LaunchFailed
     value InvalidState
     value InvalidRequest
     value InstanceNotFound
     value DriverFailed
     value AmbiguousName
     type  WorkBuffering
     type  WatchBuffering
     type  WaitOutcome
     type  WaitOptions
     type  UpdateRequest
     type  TableView
     type  Store
     type  StateSource
     type  State
     type  StartOverrides
     type  Signal
     type  Readiness
     type  PreparePlan
     type  Overflow
     type  Move
     type  Measurement
     type  ManagerOptions
     type  MachineStatus
     type  MachineHandle
     type  Machine
     type  Logger
     type  LogOptions
     type  ListFilter
     type  LifecycleEvent
     type  LifecycleBusOptions
     type  LifecycleBus
     type  LaunchPlan
     type  Lag
     type  Kept
     type  Json
     type  InstanceSpec
     type  InstanceManager
     type  InstanceChange
     type  Instance
     type  Freezing
     type  ForkRequest
     type  Fault
     type  Exit
     type  EventsOptions
     type  Environment
     type  DropReason
     type  DriverFields
     type  Driver
     type  Cursor
     type  CreateRequest
     type  ConsumerStats
     type  ConfigErrors
     type  Config
     type  Commands
     type  CloseOptions
     type  Change
     type  Capabilities
     type  Buffering
     type  BaseSpec
     type  Action"
    `);
  });

  it('are listed for every door', () => {
    expect(doors).toStrictEqual([resolve('src/index.ts')]);
  });
});
