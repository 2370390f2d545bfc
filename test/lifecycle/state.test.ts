import {
  actions,
  instanceActions,
  states,
  transition,
  type InstanceAction as Action,
  type Transition,
  type State,
} from '../../src/lifecycle/state.js';

/**
 * The rule a second time, written from hypeman's preconditions and no-ops and not from the source; but a stop goes further, and Unknown is no dead end: `-` is refused, `=`
 * is nothing to do, `up` is Initializing or Running, `off` is Stopped, `gone` is no state any more.
 */
const rule = `
            absent  Created  Initializing  Running  Paused   Shutdown  Stopped  Standby  Unknown
  create    up      -        -             -        -        -         -        -        -
  fork      made    -        -             -        -        -         -        -        -
  update    -       any      any           any      any      any       any      any      any
  start     -       -        =             =        -        -         up       -        -
  stop      -       -        off           off      off      off       =        off      off
  standby   -       -        -             Standby  -        -         -        =        -
  restore   -       -        =             =        up       -         -        up       up
  delete    -       gone     gone          gone     gone     gone      gone     gone     gone
  ready     -       -        Running       -        -        -         -        -        -
  exit      -       off      off           off      off      off       =        off      off
  lost      -       Unknown  Unknown       Unknown  Unknown  Unknown   -        Unknown  =
`;

const targets: Readonly<Record<string, readonly State[]>> = {
  up: ['Initializing', 'Running'],
  made: ['Initializing', 'Running', 'Stopped', 'Standby'],
  off: ['Stopped'],
  gone: [],
  any: states,
  Standby: ['Standby'],
  Running: ['Running'],
  Unknown: ['Unknown'],
};

const meaning = (cell: string): Transition => {
  if (cell === '-') return { kind: 'refused' };
  if (cell === '=') return { kind: 'noop' };
  return { kind: 'move', to: targets[cell] ?? [] };
};

const [head = [], ...rows] = rule
  .trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/));

const cells = rows.flatMap(([action, ...row]) =>
  row.map((cell, index) => [action as Action, head[index] as State | 'absent', cell] as const),
);

test('the states are those of hypeman, to the letter', () => {
  expect(states).toEqual([
    'Created',
    'Initializing',
    'Running',
    'Paused',
    'Shutdown',
    'Stopped',
    'Standby',
    'Unknown',
  ]);
});

test("the actions are hypeman's eight and the three that instances do by themselves", () => {
  const hypemans = ['create', 'update', 'start', 'stop', 'standby', 'restore', 'delete', 'fork'];
  expect(instanceActions).toEqual([...hypemans, 'ready', 'exit', 'lost']);
  expect(actions).toEqual([...instanceActions, 'create_snapshot', 'delete_snapshot']);
});

test('the rule below speaks of every action in every state', () => {
  expect(rows.map(([action]) => action).toSorted()).toEqual([...instanceActions].toSorted());
  expect(head).toEqual(['absent', ...states]);
  expect(cells).toHaveLength(instanceActions.length * (states.length + 1));
});

test.each(cells)('%s of an instance that is %s: %s', (action, from, cell) => {
  expect(transition(action, from)).toEqual(meaning(cell));
});

test('what is Unknown can be stopped, let go on or deleted, and is started by none', () => {
  const verbs = instanceActions.filter((action) => transition(action, 'Unknown').kind === 'move');
  expect(verbs).toEqual(['update', 'stop', 'restore', 'delete', 'exit']);
});

test('what is nothing to do in a state leads nowhere but to that state from any other', () => {
  // Initializing and Running are one goal of start and restore: who asks to start wants it up.
  const goals = cells
    .filter(([, , cell]) => cell === '=')
    .map(
      ([action, state]) =>
        [action, state, cells.filter(([a, , cell]) => a === action && cell !== '=')] as const,
    );
  for (const [, state, others] of goals) {
    for (const [action, from] of others) {
      const move = transition(action, from);
      if (move.kind === 'move') expect(move.to).toContain(state);
    }
  }
  expect(goals.length).toBe(8);
});

it.each([
  ['fly', 'Running'],
  ['constructor', 'Running'],
  ['start', 'Flying'],
  ['start', 'toString'],
  ['toString', 'length'],
])('%s in %s, of which one does not exist, is refused', (action, from) => {
  expect(transition(action as never, from as never)).toEqual({ kind: 'refused' });
});
