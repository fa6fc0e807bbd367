/** Lengths of time, in whole units that people read. */

export interface Clock {
  hours: number;
  minutes: number;
  seconds: number;
}

/** Splits a length of time; a negative one counts as nothing. */
export function splitDuration(totalMs: number): Clock {
  const seconds = Math.max(0, Math.floor(totalMs / 1000));
  return { hours: Math.floor(seconds / 3600), minutes: Math.floor((seconds % 3600) / 60), seconds: seconds % 60 };
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');

/** `4:07`, or `1:04:07` from an hour on: for countdowns and stopwatches. */
export function formatStopwatch(totalMs: number): string {
  const { hours, minutes, seconds } = splitDuration(totalMs);
  return hours > 0 ? `${hours}:${twoDigits(minutes)}:${twoDigits(seconds)}` : `${minutes}:${twoDigits(seconds)}`;
}

/** `45 min`, `1 h 30 min`, `2 d 4 h`: the two largest units, in the words of the locale. */
export function formatMinutes(totalMinutes: number, locale: string): string {
  const whole = Math.max(0, Math.round(totalMinutes));
  const parts: [number, string][] = [
    [Math.floor(whole / 1440), 'day'],
    [Math.floor((whole % 1440) / 60), 'hour'],
    [whole % 60, 'minute'],
  ];
  const shown = parts.filter(([value]) => value > 0).slice(0, 2);
  if (shown.length === 0) shown.push([0, 'minute']);
  return shown.map(([value, unit]) => new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short' }).format(value)).join(' ');
}
