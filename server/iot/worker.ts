/** A broker in a process of its own: the side of the worker. It keeps connections and nothing else that somebody would miss. */
import type { Clock } from '../infra/clock/port.ts';
import type { EventLog } from '../infra/events/port.ts';
import type { Logger, Tracer } from '../infra/observability/port.ts';
import { type Admission, type Broker, type BrokerCore, openBroker } from './broker.ts';
import { Line } from './line.ts';
import type { ThingMessage } from './thing-messages.ts';
import type { WorkerStart } from './workers.ts';

/** What the process opens for its broker. */
interface WorkerPorts {
  clock: Clock;
  logger: Logger;
  tracer: Tracer;
  events: EventLog;
}

/** Serves until the module says close, or is gone. @param openPorts opens the adapters that the start names */
export function serveBroker(openPorts: (start: WorkerStart) => Promise<WorkerPorts>): void {
  let broker: Broker | undefined;
  let events: EventLog | undefined;
  let tracer: Tracer | undefined;
  const close = async () => {
    await broker?.close();
    await events?.close();
    await tracer?.close();
    process.exit(0);
  };
  const line = new Line(process, {
    async start(start: WorkerStart) {
      const ports = await openPorts(start);
      events = ports.events;
      tracer = ports.tracer;
      broker = await openBroker({ ...ports, ...start, shared: true, core });
      return broker.port;
    },
    send: (connection: number, messages: readonly ThingMessage[]) => broker?.send(connection, messages),
    end: (connection: number) => broker?.end(connection),
    retainUnlockKeys: (payload: Uint8Array) => broker?.retainUnlockKeys(payload),
    show: (material: WorkerStart['material']) => broker?.show(material),
    takeCounted: () => broker?.takeCounted(),
    close,
  });
  const core: BrokerCore = {
    admit: async (connection, peer) => (await line.call('admit', connection, peer)) as Admission,
    request: async (connection, topic, payload) => (await line.call('request', connection, topic, payload)) as readonly ThingMessage[] | undefined,
    closed: (connection) => line.tell('closed', connection),
  };
  process.on('disconnect', () => void close());
  // The signal of a terminal goes to the whole group: the module says when.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
}
