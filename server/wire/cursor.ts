import { Problem } from './problem.ts';
import { Id } from './schemas.ts';

/**
 * The cursor of a list whose pages are continued behind an id.
 * @throws Problem `invalid-request` for anything that we did not give out
 */
export function idCursor(cursor: string | undefined): string | undefined {
  if (cursor !== undefined && !Id.safeParse(cursor).success) throw new Problem('invalid-request', 'the cursor is not one of ours', { errors: [{ pointer: '/query/cursor', message: 'Not a cursor of this list' }] });
  return cursor;
}
