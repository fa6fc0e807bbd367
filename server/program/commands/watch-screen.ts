/** What `mobility watch` shows, as text. Pure: the same view is always the same frame. */
import { stripVTControlCharacters } from 'node:util';
import type { z } from 'zod';
import type { iotContract } from '../../iot/contract.ts';
import type { Incident } from '../../services/incident/contract.ts';
import type { Rollout } from '../../services/rollout/contract.ts';
import type { telemetryContract } from '../../services/telemetry/contract.ts';

/** What a part of the platform answered, or why it did not. */
type Part<Value> = { value: Value } | { error: string };
type Answer<Operation extends { response: z.ZodType }> = z.output<Operation['response']>;

export interface View {
  at: string;
  devices: Part<Answer<typeof iotContract.operations.getStatistics>>;
  telemetry: Part<Answer<typeof telemetryContract.operations.getStatistics>>;
  incidents: Part<Incident[]>;
  rollouts: Part<Rollout[]>;
}

interface Style {
  /** With colours, for a terminal. */
  colours: boolean;
  columns: number;
}

type Colour = 'bold' | 'dim' | 'red' | 'yellow' | 'green';
const codes: Record<Colour, number> = { bold: 1, dim: 2, red: 31, yellow: 33, green: 32 };
type Paint = (colour: Colour, text: string) => string;

const count = (value: number): string => Math.round(value).toLocaleString('en');
const milliseconds = (value: number | null): string => (value === null ? '–' : value < 10_000 ? `${count(value)} ms` : `${count(value / 1000)} s`);
const mebibytes = (bytes: number): string => `${count(bytes / 1024 / 1024)} MiB`;

function byReason(reasons: Record<string, number>): string {
  const named = Object.entries(reasons).filter(([, times]) => times > 0).toSorted(([, a], [, b]) => b - a);
  return named.length === 0 ? 'none' : named.map(([reason, times]) => `${reason} ${count(times)}`).join(', ');
}

function section<Value>(title: string, part: Part<Value>, lines: (value: Value) => string[], paint: Paint): string[] {
  return [paint('bold', title), ...('error' in part ? [paint('red', `no answer: ${part.error}`)] : lines(part.value)).map((line) => `  ${line}`), ''];
}

const row = (name: string, value: string): string => `${name.padEnd(16)}${value}`;

function telemetryLines({ vehicles, online, recordsReceived, recordsPerSecond, duplicates, late, dropped, liveP50Ms, liveP99Ms, lagEvents, recordsWritten, history }: Extract<View['telemetry'], { value: unknown }>['value'], paint: Paint): string[] {
  return [
    row('vehicles', `${count(online)} heard of lately, ${count(vehicles)} known`),
    row('records', `${paint('green', `${count(recordsPerSecond)}/s`)}, ${count(recordsReceived)} received, ${count(duplicates)} twice, ${count(late)} late`),
    row('live', `p50 ${milliseconds(liveP50Ms)}, p99 ${milliseconds(liveP99Ms)}`),
    row('lag', lagEvents > 1000 ? paint('yellow', `${count(lagEvents)} events`) : `${count(lagEvents)} events`),
    row('history', `${count(recordsWritten)} written; ${count(history.rows)} rows in ${history.partitions} partitions, ${mebibytes(history.bytes)} (${mebibytes(history.compressedBytes)} compressed)`),
    row('dropped', byReason(dropped)),
  ];
}

function ago(instant: string, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(instant)) / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}

const severityColours: Record<Incident['severity'], Colour> = { low: 'dim', medium: 'yellow', high: 'red', critical: 'red' };

function incidentLines(incidents: readonly Incident[], nowMs: number, paint: Paint): string[] {
  if (incidents.length === 0) return ['none open'];
  return incidents.map(({ severity, state, kind, vehicleId, peakG, tamper, riderAnswer, assignee, occurredAt }) => {
    const more = [peakG === null ? undefined : `${peakG.toFixed(1)} g`, tamper ?? undefined, riderAnswer === null ? undefined : `rider: ${riderAnswer}`, assignee === null ? undefined : `for ${assignee}`].filter((part) => part !== undefined);
    return `${paint(severityColours[severity], severity.padEnd(9))}${state.padEnd(12)}${kind.padEnd(10)}${vehicleId}  ${more.join(', ')}  ${paint('dim', ago(occurredAt, nowMs))}`;
  });
}

const gateColours = { 'not-reached': 'dim', waiting: 'yellow', passed: 'green', failed: 'red' } as const;

function rolloutLines(rollouts: readonly Rollout[], paint: Paint): string[] {
  if (rollouts.length === 0) return ['none yet'];
  return rollouts.flatMap(({ bundle, state, stage, stages, reason }) => [
    `${bundle.kind} ${bundle.version}: ${paint('bold', state)}${reason === null ? '' : paint('red', ` (${reason})`)}`,
    ...stages.map(({ percent, vehicles, succeeded, failed, queued, inProgress, gate, reasons, health }, index) => {
      const figures = gate === 'not-reached' ? '' : `${count(succeeded)} of ${count(vehicles)} installed, ${count(failed)} failed, ${count(queued + inProgress)} to go${health ? `; ${count(health.silent)} silent, ${count(health.crashing)} crashing` : ''}`;
      return `  ${index === stage ? '▸' : ' '} ${`${percent}%`.padEnd(6)}${paint(gateColours[gate], gate.padEnd(12))}${figures}${reasons.length === 0 ? '' : `  ${reasons.join(', ')}`}`;
    }),
  ]);
}

function cut(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length <= columns ? line : `${plain.slice(0, Math.max(1, columns - 1))}…`;
}

/** One frame, ending in a line break. */
export function renderFrame(view: View, { colours, columns }: Style): string {
  const paint: Paint = (colour, text) => (colours ? `\u001B[${codes[colour]}m${text}\u001B[0m` : text);
  const nowMs = Date.parse(view.at);
  const lines = [
    `${paint('bold', 'mobility')} ${paint('dim', view.at)}`, '',
    ...section('Devices', view.devices, ({ connected, messagesPerSecond, messagesReceived, refused, dropped }) => [
      row('connected', count(connected)),
      row('messages', `${count(messagesPerSecond)}/s, ${count(messagesReceived)} received`),
      row('refused', byReason(refused)),
      row('dropped', byReason(dropped)),
    ], paint),
    ...section('Telemetry', view.telemetry, (value) => telemetryLines(value, paint), paint),
    ...section('Incidents', view.incidents, (value) => incidentLines(value, nowMs, paint), paint),
    ...section('Rollouts', view.rollouts, (value) => rolloutLines(value, paint), paint),
  ];
  return `${lines.map((line) => cut(line, columns)).join('\n')}\n`;
}
