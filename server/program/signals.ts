/** Being asked to stop: SIGTERM, or SIGINT from a terminal. */
export interface AskedToStop {
  /** Resolves with the first signal. */
  asked: Promise<string>;
  /** Aborts at the same moment. */
  signal: AbortSignal;
}

export function untilAskedToStop(): AskedToStop {
  const stopping = new AbortController();
  const asked = new Promise<string>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        stopping.abort();
        resolve(signal);
      });
    }
  });
  return { asked, signal: stopping.signal };
}
