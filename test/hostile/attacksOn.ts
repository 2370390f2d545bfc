import type { Attack } from './attack.js';
import { attacks } from './attacks.js';
import { isRoot } from './ground.js';

/** As whom the manager is attacked: as the superuser and as an ordinary user where both can be had. */
export const manager: { readonly users: readonly ManagerUser[] } = {
  users: isRoot ? ['root', 'nobody'] : ['me'],
};

/** The user of a manager. `me` is one who can become nobody else. */
export type ManagerUser = 'root' | 'nobody' | 'me';

/** The attacks that can be played against a manager of this user. */
export const attacksOn = (user: ManagerUser): readonly Attack[] =>
  attacks.filter(({ only }) => only !== 'root' || user === 'root');
