/** The yardstick: COPY in the binary format, one row each, written as quickly as JavaScript can. */
import type { Sql } from 'postgres';
import { copyInto } from '../../server/infra/series/copy.ts';
import type { SeriesDefinition, SeriesRows } from '../../server/infra/series/port.ts';

/** `keyed` has a primary key on subject, time and sequence; `bare` has no index at all. */
export type BareCopyMode = 'bare' | 'keyed';

const types = { real: 'real', double: 'double precision', integer: 'integer', smallint: 'smallint' } as const;
const widths = { real: 4, double: 8, integer: 4, smallint: 2 } as const;
const header = Buffer.from('PGCOPY\n\u00FF\r\n\0\0\0\0\0\0\0\0\0', 'latin1');

/** The subject as a number, the time and the sequence, then the columns: the same bytes for both modes. */
function encode(rows: SeriesRows, numbers: ReadonlyMap<string, number>, columns: SeriesDefinition['columns']): Buffer {
  const kinds = Object.entries(columns);
  const rowBytes = 2 + 8 + 12 + 12 + kinds.reduce((sum, [, kind]) => sum + 4 + widths[kind], 0);
  const bytes = Buffer.allocUnsafe(header.length + rows.subject.length * rowBytes + 2);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = header.copy(bytes);
  const put = (length: number): number => {
    view.setInt32(at, length);
    at += 4 + length;
    return at - length;
  };
  for (let row = 0; row < rows.subject.length; row++) {
    view.setInt16(at, kinds.length + 3);
    at += 2;
    view.setInt32(put(4), numbers.get(rows.subject[row] ?? '') ?? 0);
    for (const value of [rows.timeMs[row] ?? 0, rows.sequence[row] ?? 0]) {
      const place = put(8);
      view.setInt32(place, Math.floor(value / 2 ** 32));
      view.setUint32(place + 4, value % 2 ** 32);
    }
    for (const [name, kind] of kinds) {
      const value = rows.columns[name]?.[row] ?? 0;
      const place = put(widths[kind]);
      if (kind === 'real') view.setFloat32(place, value);
      else if (kind === 'double') view.setFloat64(place, value);
      else if (kind === 'integer') view.setInt32(place, value);
      else view.setInt16(place, value);
    }
  }
  view.setInt16(at, -1);
  return bytes;
}

export async function bareCopy(sql: Sql, mode: BareCopyMode, { columns }: SeriesDefinition): Promise<{ copy(rows: SeriesRows): Promise<void> }> {
  const table = `bare_copy_${mode}`;
  const numbers = new Map<string, number>();
  await sql.unsafe(`create table ${table} (subject integer not null, time_ms bigint not null, sequence bigint not null, ${Object.entries(columns).map(([name, kind]) => `${name} ${types[kind]}`).join(', ')}${mode === 'keyed' ? ', primary key (subject, time_ms, sequence)' : ''})`);
  return {
    async copy(rows) {
      for (const subject of rows.subject) if (!numbers.has(subject)) numbers.set(subject, numbers.size);
      const bytes = encode(rows, numbers, columns);
      await sql.begin((transaction) => copyInto(transaction, `copy ${table} from stdin (format binary)`, bytes));
    },
  };
}
