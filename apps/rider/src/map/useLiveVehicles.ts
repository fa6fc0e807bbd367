/** The vehicles inside a box, as they move: one stream of server-sent events, opened again when it breaks. */
import { useEffect, useRef, useState } from 'react';
import type { Vehicle } from '../api/contract';
import { readEvents } from '../api/serverSentEvents';
import { type Box, containsBox, growBox } from '../domain/distance';
import { useSession } from '../session/session';

export type StreamState = 'connecting' | 'live';

interface StreamEvents {
  snapshot: { items: Vehicle[] };
  upsert: { items: Vehicle[] };
  remove: { ids: string[] };
}

/** Changes are shown together, this often: a busy city would redraw the screen, and drain the phone, without end. */
const showEveryMs = 800;
const firstRetryMs = 1_000;
const lastRetryMs = 20_000;

function apply(known: Map<string, Vehicle>, event: string, data: string): void {
  if (event === 'snapshot') {
    known.clear();
    for (const vehicle of (JSON.parse(data) as StreamEvents['snapshot']).items) known.set(vehicle.id, vehicle);
  } else if (event === 'upsert') {
    for (const vehicle of (JSON.parse(data) as StreamEvents['upsert']).items) known.set(vehicle.id, vehicle);
  } else if (event === 'remove') {
    for (const id of (JSON.parse(data) as StreamEvents['remove']).ids) known.delete(id);
  }
}

/** Keeps a streamed box that is larger than the seen one, so that small moves open no new stream. */
function useStreamedBox(seen: Box | undefined): Box | undefined {
  const [streamed, setStreamed] = useState<Box>();
  useEffect(() => {
    if (!seen) return;
    setStreamed((current) => {
      const muchSmaller = current && (current[2] - current[0]) > 4 * (seen[2] - seen[0]);
      return current && containsBox(current, seen) && !muchSmaller ? current : growBox(seen, 0.4);
    });
  }, [seen]);
  return streamed;
}

export function useLiveVehicles(seen: Box | undefined): { vehicles: readonly Vehicle[]; state: StreamState } {
  const { api, state: sessionState } = useSession();
  const [vehicles, setVehicles] = useState<readonly Vehicle[]>([]);
  const [state, setState] = useState<StreamState>('connecting');
  const known = useRef(new Map<string, Vehicle>());
  const box = useStreamedBox(seen);

  useEffect(() => {
    if (!box || sessionState !== 'signed-in') return undefined;
    const stop = new AbortController();
    let showing: ReturnType<typeof setTimeout> | undefined;
    let retry: ReturnType<typeof setTimeout> | undefined;
    let retryMs = firstRetryMs;
    const show = (): void => {
      showing ??= setTimeout(() => {
        showing = undefined;
        setVehicles([...known.current.values()]);
      }, showEveryMs);
    };
    const open = async (): Promise<void> => {
      try {
        const response = await api.open('streamVehicles', { query: { bbox: box.map((degrees) => degrees.toFixed(5)).join(',') } }, { accept: 'text/event-stream', signal: stop.signal });
        await readEvents(response, ({ event, data }) => {
          apply(known.current, event, data);
          retryMs = firstRetryMs;
          setState('live');
          show();
        });
      } catch (error) {
        if (stop.signal.aborted) return;
        if (!(error instanceof Error)) throw error;
      }
      if (stop.signal.aborted) return;
      setState('connecting');
      retry = setTimeout(() => void open(), retryMs);
      retryMs = Math.min(retryMs * 2, lastRetryMs);
    };
    void open();
    return () => {
      stop.abort();
      clearTimeout(showing);
      clearTimeout(retry);
    };
  }, [api, box, sessionState]);

  return { vehicles, state };
}
