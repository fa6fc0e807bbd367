import { useEffect, useState } from 'react';

/** The present in milliseconds since 1970, told anew at every beat. */
export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const beat = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(beat);
  }, [everyMs]);
  return now;
}
