/** The server is gone, stopping or starting: nothing is wrong with the work itself. */
const unreachableCodes = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'CONNECTION_CLOSED', 'CONNECTION_ENDED', 'CONNECTION_DESTROYED', 'CONNECT_TIMEOUT',
  '08006', '53300', '55000', '57P01', '57P02', '57P03',
]);

/** Whether an error says that the database is away, so that the same work may succeed later. */
export const isUnreachable = (error: unknown): boolean => unreachableCodes.has(String((error as { code?: unknown } | null)?.code));
