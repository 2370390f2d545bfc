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
  idOrName.length >= shortest
    ? instances.get(idOrName)
    : instances
        .get(idOrName)
        .pipe(
          catchError((error: unknown) =>
            hasTag(error, 'InstanceNotFound')
              ? byShortBeginning(instances, idOrName, error)
              : throwError(() => error),
          ),
        );

const byShortBeginning = (
  instances: Pick<Instances, 'list'>,
  beginning: string,
  notFound: unknown,
): Observable<Instance> =>
  instances.list().pipe(
    map((all) => {
      const [found, ...others] = all.filter(({ id }) => id.startsWith(beginning));
      if (found === undefined) throw notFound;
      if (others.length > 0)
        throw new AmbiguousName({
          idOrName: beginning,
          matches: [found, ...others].map(({ id }) => id),
        });
      return found;
    }),
  );
