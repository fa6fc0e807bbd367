/** COPY in PostgreSQL's binary format, from one large buffer. */
import type { Writable } from 'node:stream';
import type { TransactionSql } from 'postgres';

const signature = Buffer.from('PGCOPY\n\u00FF\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const word = 2 ** 32;

/** How many bytes a row takes around its variable part. @param wide, narrow how many columns of 8 and of 4 bytes it has */
export const copyRowBytes = (wide: number, narrow: number): number => 2 + wide * 12 + narrow * 8 + 4;

/** Rows of `bigint`, `integer` and one `bytea`, in the order of the calls. */
export class CopyBuffer {
  readonly bytes: Buffer;
  position = signature.length;

  /** @param rowsBytes what all rows take together */
  constructor(rowsBytes: number) {
    this.bytes = Buffer.allocUnsafe(signature.length + rowsBytes + 2);
    signature.copy(this.bytes);
  }

  beginRow(columns: number): void {
    this.position = this.bytes.writeInt16BE(columns, this.position);
  }

  wide(value: number): void {
    const high = Math.floor(value / word);
    this.position = this.bytes.writeInt32BE(8, this.position);
    this.position = this.bytes.writeInt32BE(high, this.position);
    this.position = this.bytes.writeUInt32BE(value - high * word, this.position);
  }

  narrow(value: number): void {
    this.position = this.bytes.writeInt32BE(4, this.position);
    this.position = this.bytes.writeInt32BE(value, this.position);
  }

  /** Announces so many bytes, which `fill` writes. @param fill gets the buffer and where to begin, and returns where it ended */
  variable(length: number, fill: (target: Buffer, at: number) => number): void {
    this.position = fill(this.bytes, this.bytes.writeInt32BE(length, this.position));
  }

  /** @returns the whole, to be sent */
  finish(): Buffer {
    this.position = this.bytes.writeInt16BE(-1, this.position);
    if (this.position !== this.bytes.length) throw new Error(`a COPY of ${this.bytes.length} bytes was announced, and ${this.position} were written`);
    return this.bytes;
  }
}

/** How much goes into one message: enough to be few, little enough that nobody holds a second copy of everything. */
const messageBytes = 1024 * 1024;

/**
 * Sends a COPY and resolves when the server has taken all of it.
 *
 * postgres.js forgets an error that comes after the last byte, as most do: it has resolved the query when the
 * server began to listen, and so hands the error to nobody. It is taken here from where it is handed out.
 */
export async function copyInto(sql: TransactionSql, statement: string, bytes: Buffer): Promise<void> {
  const query = sql.unsafe(statement);
  const refused = Promise.withResolvers<never>();
  refused.promise.catch(() => undefined);
  const hidden = query as unknown as { reject: (error: unknown) => void };
  const reject = hidden.reject;
  hidden.reject = (error) => {
    refused.reject(error);
    reject(error);
  };
  const stream: Writable = await query.writable();
  const finished = new Promise<void>((resolve, fail) => void stream.once('finish', resolve).once('error', fail));
  finished.catch(() => undefined);
  for (let at = 0; at < bytes.length; at += messageBytes) {
    const isTaken = stream.write(bytes.subarray(at, at + messageBytes));
    if (!isTaken) await Promise.race([new Promise((resume) => stream.once('drain', resume)), finished, refused.promise]);
  }
  stream.end();
  await Promise.race([finished, refused.promise]);
}
