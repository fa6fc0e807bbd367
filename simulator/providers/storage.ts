/** What a sandbox remembers: tables in LMDB that survive a kill of the process. */
import { open } from 'lmdb';

export interface Table<Row> {
  get(id: string): Row | undefined;
  put(id: string, row: Row): void;
  delete(id: string): void;
  /** Rows whose id begins with the prefix, in the order of their ids. */
  list(prefix?: string): Row[];
}

export interface Storage {
  table<Row>(name: string): Table<Row>;
  /** Runs `work` alone; resolves when everything that it put is kept. `work` decides before it writes. */
  transaction<T>(work: () => T): Promise<T>;
  close(): Promise<void>;
}

/** @param folder created when it does not exist; one process at a time */
export function openStorage(folder: string): Storage {
  // Without fsync a commit survives the death of the process, not of the machine: enough for a sandbox.
  const root = open({ path: folder, noSync: true, maxDbs: 12 });
  return {
    table<Row>(name: string): Table<Row> {
      const table = root.openDB<Row, string>({ name });
      return {
        get: (id) => table.get(id),
        put: (id, row) => void table.put(id, row),
        delete: (id) => void table.remove(id),
        list: (prefix = '') => [...table.getRange({ start: prefix, end: `${prefix}\u{10FFFF}` })].map(({ value }) => value),
      };
    },
    async transaction(work) {
      type Ended = { value: ReturnType<typeof work> } | { error: unknown };
      const ended = await root.transaction((): Ended => {
        try {
          return { value: work() };
        } catch (error) {
          return { error };
        }
      });
      if ('error' in ended) throw ended.error;
      return ended.value;
    },
    close: () => root.close(),
  };
}
