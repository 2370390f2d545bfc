import { wireTime } from '../codecs/wire/wireTime.js';
import type { Snapshot } from '../lifecycle/snapshot.js';

/** Writes a snapshot as hypeman does. Spec, hash and what its driver needs stay here. */
export const hypemanSnapshot = (snapshot: Snapshot): object => ({
  id: snapshot.id,
  ...(snapshot.name !== undefined && { name: snapshot.name }),
  kind: snapshot.kind,
  source_instance_id: snapshot.instanceId,
  source_instance_name: snapshot.instanceName,
  source_hypervisor: snapshot.spec.driver,
  created_at: wireTime.encode(snapshot.createdAt),
  size_bytes: snapshot.size,
  compression_state: 'none',
  ...(Object.keys(snapshot.tags).length > 0 && { tags: snapshot.tags }),
});
