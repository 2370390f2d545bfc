import { reception } from '../../src/door/reception.js';
import { states } from '../../src/lifecycle/state.js';

describe('the reception of a client', () => {
  it('is decided by the state of the instance, and by whether it may be woken', () => {
    const rows = states.map((state) =>
      [state, reception(state, 'never'), reception(state, 'standby'), reception(state, 'stopped')].join(' '),
    );
    expect(rows).toStrictEqual([
      'Created wait wait wait',
      'Initializing wait wait wait',
      'Running connect connect connect',
      'Paused wait wait wait',
      'Shutdown refuse refuse refuse',
      'Stopped refuse refuse start',
      'Standby refuse restore restore',
      'Unknown refuse refuse refuse',
    ]);
  });
});
