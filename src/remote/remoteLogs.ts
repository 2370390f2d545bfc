import { defer, EMPTY, map, mergeMap, of } from 'rxjs';
import type { Instances } from '../instances/instances.js';
import type { LogOptions } from '../lifecycle/logLine.js';
import type { Api } from './api.js';
import { lineOf, saidOf } from './callEvents.js';
import { again, told } from './retries.js';
import { refuseUnsendable } from './sendable.js';

/** Creates `logs`: cut off, it goes on after the last line; where it follows, for as long as it takes. */
export const createRemoteLogs =
  (api: Api, mostFailures: number): Instances['logs'] =>
  (idOrName, options) =>
    defer(() => {
      refuseUnsendable([idOrName, options]);
      let asked: LogOptions | undefined = options;
      const isFollowed = options?.follow === true;
      return defer(() => saidOf(api, { verb: 'logs', given: [idOrName, asked] })).pipe(
        mergeMap((event) => (event.type === 'line' ? of(lineOf(event.data)) : EMPTY)),
        map((line) => {
          const { tail, ...rest } = asked ?? {};
          asked = { ...rest, after: line.cursor };
          return line;
        }),
        again(isFollowed ? Infinity : mostFailures),
        told,
      );
    });
