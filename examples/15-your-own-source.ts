/** The streams work without a manager too: here they tell of child processes that this program starts by itself. */
import { spawn } from 'node:child_process';
import { createLifecycleBus, type Instance, type State, type StateSource, waitForState } from 'rx-instances';
import { defer, delay, lastValueFrom, of } from 'rxjs';

const bus = createLifecycleBus();
const table = new Map<string, Instance>();
let sequence = 0;

/** The table first, then the event: whoever hears of it and looks finds it done. */
function tell(
  id: string,
  action: 'create' | 'ready' | 'exit',
  state: State,
  rest: Partial<Instance> = {},
): void {
  const spec = { driver: 'child_process', image: 'none', env: {}, tags: {} };
  const former = table.get(id);
  const base = former ?? { id, name: id, spec, createdAt: Date.now() };
  const instance: Instance = { ...base, ...rest, state, revision: (former?.revision ?? 0) + 1 };
  table.set(id, instance);
  sequence += 1;
  const cause = { by: 'machine' };
  const what = { epoch: 'this-run', sequence, time: Date.now(), instanceId: id, instance, cause };
  if (action === 'create') bus.publish({ ...what, action });
  else bus.publish({ ...what, action, previousState: former?.state ?? 'Unknown' });
}

function run(id: string, script: string): void {
  tell(id, 'create', 'Initializing');
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.once('data', () => {
    tell(id, 'ready', 'Running');
  });
  child.once('close', (code, signal) => {
    tell(id, 'exit', 'Stopped', { exit: { code, signal } });
  });
}

async function main(): Promise<void> {
  const source: StateSource = {
    events: (instanceId) => bus.events('waits', { instanceId }),
    read: (id) => defer(() => of(table.get(id) as Instance)),
  };

  // Work of its own speed, behind a queue with a bound.
  const slowly = (action: string) => of(action).pipe(delay(100));
  const slow$ = bus.consume('audit', (event) => slowly(event.action), { overflow: 'dropOldest' });
  slow$.subscribe(console.log);

  run('database', 'sleep 0.2; echo accepting connections; sleep 0.3; exit 3');
  const { via } = await lastValueFrom(waitForState(source, 'database', 'Running'));
  console.log(`it is ready, an ${via} told`);
  const { instance } = await lastValueFrom(waitForState(source, 'database', 'Stopped'));
  console.log('it ended with', instance.exit);
}

void main();
