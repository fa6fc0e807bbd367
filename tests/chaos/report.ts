/** How a run is shown to a person. */
import type { RoundResult } from './run.ts';

const seconds = (ms: number | null): string => (ms === null ? 'never' : `${(ms / 1000).toFixed(1)} s`);

export function table(results: readonly RoundResult[]): string {
  const head = ['round', 'fault', 'first ride after', 'at rest after', 'rides so far', 'invariants'];
  const rows = results.map(({ round, fault, recoveredMs, settledMs, ridesDone, broken }) => [
    String(round), fault, seconds(recoveredMs), seconds(settledMs), String(ridesDone), broken.length === 0 ? 'hold' : `BROKEN: ${broken.map(({ invariant }) => invariant).join('; ')}`,
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}
