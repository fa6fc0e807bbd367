/** Whether a caller may call an operation. */
import type { Access, Caller } from '../wire/contract.ts';
import { Problem } from '../wire/problem.ts';

/** @throws Problem `unauthenticated` without a caller, `forbidden` without one of the roles or the scope */
export function authorise(access: Access, caller: Caller | undefined): void {
  if (access === 'anyone') return;
  if (!caller) throw new Problem('unauthenticated');
  if (!access.roles.some((role) => caller.roles.includes(role))) throw new Problem('forbidden', `This needs one of the roles ${access.roles.join(', ')}`);
  if (!caller.scopes.includes(access.scope)) throw new Problem('forbidden', `This needs the scope ${access.scope}`);
}
