import { EMPTY } from 'rxjs';
import { type ChosenPorts, createKeptPorts } from '../../src/door/keptPorts.js';

describe('the ports that are kept', () => {
  it('are those of each instance, the newest of each port, until it is forgotten', () => {
    const saved: unknown[] = [];
    const save = (instanceId: string, ports: ChosenPorts | undefined): typeof EMPTY => {
      saved.push([instanceId, ports]);
      return EMPTY;
    };
    const kept = createKeptPorts(new Map([['a', [{ guest: 80, host: 1_000 }]]]), { save });
    kept.save('a', 81, 1_001).subscribe();
    kept.save('a', 80, 1_002).subscribe();
    expect([kept.of('a', 80), kept.of('a', 81), kept.of('a', 82), kept.of('b', 80)]).toStrictEqual([
      1_002,
      1_001,
      undefined,
      undefined,
    ]);
    const first = { guest: 81, host: 1_001 };
    expect(saved).toStrictEqual([
      ['a', [{ guest: 80, host: 1_000 }, first]],
      ['a', [first, { guest: 80, host: 1_002 }]],
    ]);
    kept.forget('a');
    expect(kept.of('a', 80)).toBe(undefined);
  });
});
