/** Begins a trace at the tap: the platform's own work on it, down to the vehicle and back, joins it (W3C Trace Context). */
import { v7 } from 'uuid';

/** 16 hex digits: the random end of an id. */
const randomHex = (): string => v7().replaceAll('-', '').slice(-16);

/** Its id begins with the second, which AWS X-Ray wants and nobody else minds. Whether it is recorded is for the platform to say. */
export function newTraceparent(): string {
  const second = Math.floor(Date.now() / 1000).toString(16).padStart(8, '0');
  return `00-${second}${randomHex()}${randomHex().slice(8)}-${randomHex()}-01`;
}
