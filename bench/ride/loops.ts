/** Load: as many as go, or at a fixed rate; and what came of it. */

const percentile = (sorted: readonly number[], share: number): number => Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1));

export interface Latencies {
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
}

export function summary(latenciesMs: readonly number[]): Latencies {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return { p50Ms: percentile(sorted, 0.5), p95Ms: percentile(sorted, 0.95), p99Ms: percentile(sorted, 0.99) };
}

/** As many as `parallel` callers get done. */
export async function closedLoop(work: () => Promise<void>, parallel: number, seconds: number): Promise<{ perSecond: number; latenciesMs: number[] }> {
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  const deadline = startedAt + seconds * 1000;
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (performance.now() < deadline) {
        const before = performance.now();
        await work();
        latenciesMs.push(performance.now() - before);
      }
    }),
  );
  return { perSecond: latenciesMs.length / ((performance.now() - startedAt) / 1000), latenciesMs };
}

/** At a fixed rate, whatever the answers do: waiting in a queue counts. */
export async function openLoop(work: () => Promise<void>, perSecond: number, seconds: number): Promise<number[]> {
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  const calls: Promise<void>[] = [];
  for (let sent = 0; sent < perSecond * seconds; sent++) {
    const dueAt = startedAt + (sent * 1000) / perSecond;
    const waitMs = dueAt - performance.now();
    if (waitMs > 0) await new Promise((resume) => setTimeout(resume, waitMs));
    calls.push(work().then(() => void latenciesMs.push(performance.now() - dueAt)));
  }
  await Promise.all(calls);
  return latenciesMs;
}
