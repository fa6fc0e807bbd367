import type { Exception } from './exceptions.ts';

/** Something that a rule speaks against. `subject` is what an exception has to name. */
export interface Finding {
  subject: string;
  line: number;
  message: string;
}

/** A line for each finding without an exception, and for each exception without a finding. */
export function unexcused(findings: readonly Finding[], exceptions: readonly Exception[]): string[] {
  const excused = new Set(exceptions.map(({ finding }) => finding));
  const found = new Set(findings.map(({ subject }) => subject));
  return [
    ...findings.filter(({ subject }) => !excused.has(subject)).map(({ subject, line, message }) => `${subject} (line ${line}): ${message}`),
    ...exceptions.filter(({ finding }) => !found.has(finding)).map(({ finding }) => `${finding}: is excused in tools/tidy/exceptions.ts, but there is nothing to excuse; remove the entry`),
  ];
}
