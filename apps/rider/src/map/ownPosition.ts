/** Where this device is, when its owner lets us know. */
import type { Position } from '../domain/distance';

const patienceMs = 8_000;

/** Undefined without permission, without a sensor, or when it takes too long. */
export function findMe(): Promise<Position | undefined> {
  const sensor = typeof navigator === 'undefined' ? undefined : navigator.geolocation;
  if (!sensor) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    sensor.getCurrentPosition(
      ({ coords }) => resolve({ lat: coords.latitude, lon: coords.longitude }),
      () => resolve(undefined),
      { timeout: patienceMs, maximumAge: 30_000, enableHighAccuracy: true },
    );
  });
}
