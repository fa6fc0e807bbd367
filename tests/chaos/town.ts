/** A platform that can be broken: its processes, what it stands on, and the networks in between. */
import type { EventLog } from '../../server/infra/events/port.ts';
import type { HttpProxy } from './http-proxy.ts';
import type { Street } from './street.ts';
import type { TcpProxy } from './tcp-proxy.ts';

/** A process or a server: it is killed, and whoever watches over it starts it again. */
export interface Part {
  name: string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Asks it to stop; undefined where that makes no difference. */
  stop?(): Promise<void>;
  start(): Promise<void>;
}

/** What a large installation stands on besides its database. */
export interface EngineParts {
  /** Kafka: the event log. */
  broker: Part;
  /** Redis. */
  cache: Part & { link: TcpProxy; flush(): Promise<void> };
  /** Before DynamoDB. */
  keyValueDoor: HttpProxy;
  /** Before S3. */
  objectDoor: HttpProxy;
}

export interface Town {
  url: string;
  street: Street;
  /** Processes of the platform. */
  processes: readonly Part[];
  database: Part & { link: TcpProxy; url: string };
  /** Opened beside the platform, as another of its processes would. */
  events: EventLog;
  engines?: EngineParts;
  /** Where the platform keeps its files. */
  disk: { fill(): Promise<void>; free(): Promise<void> } | undefined;
  /** Moves the clock of the platform, not that of the world around it. */
  moveClock(offsetSeconds: number): Promise<void>;
  clockOffsetSeconds(): number;
  /** The end of what the processes have printed. */
  output(): string;
  close(): Promise<void>;
}
