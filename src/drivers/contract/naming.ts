import { defer, isObservable, map } from 'rxjs';
import { isRecord } from '../../codecs/closed.js';

/**
 * A driver, or a part of one, that tells the name of what is subscribed to, such as `driver.launch` or `machine.freezing.thaw`; so do
 * the machines that come of it.
 */
export const naming = <T extends object>(target: T, name: string, tell: (call: string) => void): T =>
  new Proxy(target, {
    get: (_, key) => {
      const value: unknown = Reflect.get(target, key);
      const call = `${name}.${String(key)}`;
      if (typeof value === 'function') {
        return (...args: unknown[]): unknown => named(Reflect.apply(value, target, args), call, tell);
      }
      return key === 'freezing' || key === 'snapshots' || isObservable(value)
        ? named(value, call, tell)
        : value;
    },
  });

function named(value: unknown, call: string, tell: (call: string) => void): unknown {
  if (isObservable(value)) {
    return defer(() => {
      tell(call);
      return value;
    }).pipe(map((it) => (isMachine(it) ? naming(it, 'machine', tell) : it)));
  }
  return isRecord(value) && /\.(freezing|snapshots)$/.test(call) ? naming(value, call, tell) : value;
}

const isMachine = (value: unknown): value is object => isRecord(value) && isObservable(value['signals$']);
