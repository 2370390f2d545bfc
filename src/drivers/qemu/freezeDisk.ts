import * as t from 'io-ts';
import { catchError, concat, defer, EMPTY, mergeMap, type Observable, throwError } from 'rxjs';
import { completeAfter } from '../host/completeAfter.js';
import { blockNode } from './args.js';
import type { Disks, Layer } from './disk.js';
import type { Qmp } from './qmp.js';
import type { QemuUser } from './qemuUser.js';

/** Where the disk of a machine lies, and as whom its QEMU runs, where that is not the manager's user. */
export interface DiskPlace {
  readonly disks: Disks;
  readonly folder: string;
  readonly user: QemuUser | undefined;
}

/** Puts an empty layer on top, so that nothing is written any more to the layers below. */
export const freezeDisk = (qmp: Qmp, place: DiskPlace): Observable<never> =>
  qmp.ask('query-block', blockDevices).pipe(
    mergeMap((devices) => {
      const node = devices.map(({ inserted }) => inserted?.['node-name']).find((name) => name !== undefined);
      if (node === undefined) return EMPTY;
      return defer(() => place.disks.add(place.folder, node, place.user)).pipe(
        mergeMap((layer) => (layer === undefined ? EMPTY : addLayer(qmp, place, node, layer))),
      );
    }),
  );

const addLayer = (
  qmp: Qmp,
  { disks, folder, user }: DiskPlace,
  below: string,
  layer: Layer,
): Observable<never> =>
  concat(
    // Whoever was killed over it may have left it open.
    removeLayer(qmp, layer),
    qmp.run('blockdev-add', { ...blockNode(layer), backing: null }),
    qmp.run('blockdev-snapshot', { node: below, overlay: layer.node }),
    // It has it open now, and only reads it once another lies on top.
    completeAfter(() => disks.letIn(folder, layer, user, 'read')),
  ).pipe(
    catchError((error: unknown) =>
      concat(
        removeLayer(qmp, layer),
        completeAfter(() => disks.remove(folder, layer)),
        throwError(() => error),
      ),
    ),
  );

/** Has QEMU close a layer that it opened and never took up: as long as it is open, none can be opened by its name. */
const removeLayer = (qmp: Qmp, { node }: Layer): Observable<never> =>
  qmp.run('blockdev-del', { 'node-name': node }).pipe(catchError(() => EMPTY));

const blockDevices = t.array(t.partial({ inserted: t.partial({ 'node-name': t.string }) }));
