import { readFileSync, readlinkSync } from 'node:fs';

/**
 * Names this process so that another one on the machine can see whether it is still there: its
 * process namespace, number and start time (a number alone comes again, above all in containers).
 * @returns `undefined` where the system does not tell (no /proc)
 */
export function thisProcess(): string | undefined {
  const namespace = readNamespace();
  const startedAt = startTime('self');
  return namespace && startedAt ? `${namespace} ${process.pid} ${startedAt}` : undefined;
}

/** True only when it is certain: the process was in our own namespace and is no longer there. */
export function isGone(identity: string | undefined): boolean {
  const [namespace, processId, startedAt] = identity?.split(' ') ?? [];
  if (!namespace || !processId || !startedAt || namespace !== readNamespace()) return false;
  return startTime(processId) !== startedAt;
}

function readNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    // Not Linux: then only the expiry of a lease tells.
    return undefined;
  }
}

function startTime(processId: string): string | undefined {
  try {
    // The name in parentheses may hold anything; the fields after it are numbers: state first, start time 20th.
    const stat = readFileSync(`/proc/${processId}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
