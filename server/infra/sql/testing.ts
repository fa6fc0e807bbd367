/** For tests and benches: a way to a database without an installation's keys. */
import { type DatabaseAccess, databaseAccess } from './access.ts';

/** Every process that calls this logs in with the same passwords. */
export const accessForTests = (url: string): DatabaseAccess => databaseAccess(url, { secret: async (purpose) => `${purpose} of a test` });
