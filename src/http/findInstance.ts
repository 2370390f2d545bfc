import { catchError, map, type Observable, throwError } from 'rxjs';
import type { Instances } from '../instances/instances.js';
import { AmbiguousName, hasTag } from '../lifecycle/errors.js';
import type { Instance } from '../lifecycle/instance.js';

/** Shorter beginnings of an id a manager does not look for, and hypeman does. */
const shortest = 4;

/** Emits the instance of an id, a name, or the beginning of one id only, in this order. */
export const findInstance = (
  instances: Pick<Instances, 'get' | 'list'>,
  idOrName: string,
): Observable<Instance> =>
  instances.get(idOrName).pipe(
    catchError((error: unknown) => {
      if (idOrName.length >= shortest || !hasTag(error, 'InstanceNotFound')) return throwError(() => error);
      return instances.list().pipe(
        map((all) => {
          const [found, ...others] = all.filter(({ id }) => id.startsWith(idOrName));
          if (found === undefined) throw error;
          if (others.length > 0)
            throw new AmbiguousName({ idOrName, matches: [found, ...others].map(({ id }) => id) });
          return found;
        }),
      );
    }),
  );
