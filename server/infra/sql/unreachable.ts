/** The server is gone, stopping, starting or full: nothing is wrong with the work itself. */
const unreachableCodes = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT',
  '08006', '53300', '55000', '57P01', '57P02', '57P03',
  // What another module, or a process of ours, says of itself in this case.
  'unavailable',
]);

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code);

/** Whether an error says that the database is away, so that the same work may succeed later. */
export const isUnreachable = (error: unknown): boolean => unreachableCodes.has(codeOf(error));

/** Whether the server runs, and others have all its connections. */
export const isWithoutSlot = (error: unknown): boolean => codeOf(error) === '53300';
