/** Brokers in processes of their own, which listen on one port and act as one: the side of the module. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Logger } from '../infra/observability/port.ts';
import type { ModuleContext } from '../module.ts';
import type { Broker } from './broker.ts';
import type { Desk, DeviceCore } from './core.ts';
import type { Peer, TlsMaterial } from './door.ts';
import { Line } from './line.ts';
import type { Counted } from './tally.ts';
import type { ThingMessage } from './thing-messages.ts';

/** What a worker is told to begin with. */
export interface WorkerStart {
  host: string;
  port: number;
  material: TlsMaterial;
  unlockKeys: Uint8Array;
  /** Where the event log is. */
  configuration: ModuleContext['configuration'];
}

export interface WorkersOptions {
  count: number;
  core: DeviceCore;
  logger: Logger;
  /** As things are now: a worker that is started again learns what has changed. */
  begin(): Omit<WorkerStart, 'port'>;
  port: number;
}

/** Chooses the adapters, which is not for a module to do. */
const program = fileURLToPath(new URL('../program/broker-process.ts', import.meta.url));
const firstPauseMs = 100;
const longestPauseMs = 10_000;
const stopWithinMs = 8_000;

/** A broker in a child process. */
class RemoteBroker implements Broker {
  port = 0;
  readonly child: ChildProcess;
  readonly #line: Line;

  constructor(desk: Desk) {
    this.child = fork(program, { execArgv: [], serialization: 'advanced' });
    this.#line = new Line(this.child, {
      admit: (connection: number, peer: Peer) => desk.admit(connection, peer),
      request: (connection: number, topic: string, payload: Uint8Array) => desk.request(connection, topic, payload),
      closed: (connection: number) => desk.closed(connection),
    });
  }

  async start(start: WorkerStart): Promise<void> {
    this.port = (await this.#line.call('start', start)) as number;
  }

  send(connection: number, messages: readonly ThingMessage[]): void {
    this.#line.tell('send', connection, messages);
  }

  end(connection: number): void {
    this.#line.tell('end', connection);
  }

  retainUnlockKeys(payload: Uint8Array): void {
    this.#line.tell('retainUnlockKeys', payload);
  }

  show(material: TlsMaterial): void {
    this.#line.tell('show', material);
  }

  async takeCounted(): Promise<Counted> {
    return (await this.#line.call('takeCounted')) as Counted;
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    const late = setTimeout(() => this.child.kill('SIGKILL'), stopWithinMs);
    this.#line.tell('close');
    await ended;
    clearTimeout(late);
  }
}

class Workers {
  port: number;
  readonly #options: WorkersOptions;
  readonly #brokers = new Set<RemoteBroker>();
  #isClosing = false;

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.port = options.port;
  }

  async open(): Promise<void> {
    // The first one finds the port, the others take the same.
    for (let index = 0; index < this.#options.count; index++) await this.#start(firstPauseMs);
  }

  async #start(pauseMs: number): Promise<void> {
    const { core, begin } = this.#options;
    const desk = core.desk();
    const broker = new RemoteBroker(desk);
    desk.broker = broker;
    this.#brokers.add(broker);
    broker.child.once('exit', (code, signal) => {
      this.#brokers.delete(broker);
      core.drop(desk);
      if (!this.#isClosing && broker.port > 0) this.#startAgain(`ended with ${code ?? signal}`, pauseMs);
    });
    await broker.start({ ...begin(), port: this.port });
    this.port = broker.port;
  }

  /** Its vehicles come back by themselves, to the others or to the new one. */
  #startAgain(reason: string, pauseMs: number): void {
    const { logger } = this.#options;
    logger.error({ reason, pauseMs }, 'a broker process is gone; another is started');
    const nextPauseMs = Math.min(longestPauseMs, pauseMs * 2);
    setTimeout(() => {
      if (this.#isClosing) return;
      this.#start(firstPauseMs).catch((error: unknown) => this.#startAgain(String(error), nextPauseMs));
    }, pauseMs);
  }

  show(material: TlsMaterial): void {
    for (const broker of this.#brokers) broker.show(material);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([...this.#brokers].map((broker) => broker.close()));
  }
}

/** Starts the processes. @throws when one of them cannot start */
export async function openWorkers(options: WorkersOptions): Promise<{ readonly port: number; show(material: TlsMaterial): void; close(): Promise<void> }> {
  const workers = new Workers(options);
  try {
    await workers.open();
  } catch (error) {
    await workers.close();
    throw error;
  }
  return workers;
}
