/**
 * Time series in PostgreSQL. Rows are not stored one by one: those of 64 subjects that come together become one
 * segment, so that the server's work for a row, its index entry and its share of the log are divided by as many.
 */
import postgres, { type Sql } from 'postgres';
import type { Clock } from '../clock/port.ts';
import type { Logger, Metrics } from '../observability/port.ts';
import { openPool, type Pool } from '../sql/pool.ts';
import { type DatabaseAccess, explainRefusedLogin, type Login } from '../sql/access.ts';
import { schemaOf } from '../sql/migrations.ts';
import { checkRows, everybody, within } from './batch.ts';
import { type Layout, layoutOf } from './columns.ts';
import { applyPolicies } from './policies.ts';
import type { SeriesDefinition, SeriesStore, SeriesTable } from './port.ts';
import { SeriesReader } from './reading.ts';
import { Subjects } from './subjects.ts';
import { checkDefinition, type PartitionWidths, prepareTables, type SeriesTables, tablesOf } from './tables.ts';
import { SeriesWriter } from './writing.ts';

export interface PostgresSeriesOptions {
  access: DatabaseAccess;
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  /** A call of `applyPolicies` begins nothing new after this long. */
  policyBudgetMs?: number;
  /** For tests: told between the steps of a policy; what it throws ends the step as a cut would. */
  onPolicyStep?: (step: string) => void;
}

const defaultPolicyBudgetMs = 10_000;
const poolSize = 4;
/** Clocks of vehicles go wrong; what is later than this is not history. */
const futureLimitMs = 10 * 60_000;

function connect({ url, ...login }: Login, owner: string, onclose: () => void): Sql {
  return postgres(url, {
    ...login, onclose, max: poolSize, idle_timeout: 10, connect_timeout: 10, onnotice: () => undefined,
    transform: { column: { from: postgres.toCamel, to: postgres.fromCamel } },
    connection: {
      search_path: `${schemaOf(owner)}, public`, application_name: `mobility ${owner} series`, TimeZone: 'UTC',
      // Plans know which partitions are meant; and a process that was stopped in the middle does not hold up the others for ever.
      plan_cache_mode: 'force_custom_plan', idle_in_transaction_session_timeout: '30000',
    } as Record<string, string>,
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
  }) as Sql;
}

interface TableOptions {
  pool: Pool;
  clock: Clock;
  metrics: Metrics;
  definition: SeriesDefinition;
  widths: PartitionWidths;
  policyBudgetMs: number;
  onPolicyStep: (step: string) => void;
  isClosing: () => boolean;
}

class PostgresSeriesTable implements SeriesTable {
  readonly #options: TableOptions;
  readonly #sql: Sql;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #definition: SeriesDefinition;
  readonly #tables: SeriesTables;
  readonly #layout: Layout;
  readonly #subjects: Subjects;
  readonly #writer: SeriesWriter;
  readonly #reader: SeriesReader;

  constructor(tableOptions: TableOptions) {
    const { pool, clock, metrics, definition, widths } = tableOptions;
    const { sql } = pool;
    this.#options = tableOptions;
    this.#sql = sql;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#definition = definition;
    this.#tables = tablesOf(definition.name);
    this.#layout = layoutOf(definition.columns);
    this.#subjects = new Subjects(sql, this.#tables);
    const options = { pool, sql, tables: this.#tables, layout: this.#layout, aggregated: definition.aggregated, widths };
    this.#writer = new SeriesWriter(options);
    this.#reader = new SeriesReader(options);
  }

  write: SeriesTable['write'] = async (rows) => {
    checkRows(rows, this.#layout);
    const nowMs = this.#clock.nowMs();
    const batch = within(rows, await this.#subjects.numbersOf(rows.subject), Math.max(0, nowMs - this.#definition.retainForMs), nowMs + futureLimitMs);
    const outside = rows.subject.length - batch.chosen.length;
    const written = batch.chosen.length > 0 ? await this.#writer.write(batch) : 0;
    const known = batch.chosen.length - written;
    for (const [outcome, count] of Object.entries({ written, known, outside })) {
      if (count > 0) this.#metrics.count('mobility_series_rows_total', 'Rows of time series by what became of them', { series: this.#definition.name, outcome }, count);
    }
    return { written, known, outside };
  };

  read: SeriesTable['read'] = async (subject, fromMs, toMs, options) => {
    const number = await this.#subjects.numberOf(subject);
    return number === undefined ? [] : this.#reader.read(number, fromMs, toMs, options);
  };

  aggregate: SeriesTable['aggregate'] = async (subject, fromMs, toMs, interval) => {
    const number = subject === undefined ? everybody : await this.#subjects.numberOf(subject);
    return number === undefined ? [] : this.#reader.aggregate(number, fromMs, toMs, interval);
  };

  applyPolicies: SeriesTable['applyPolicies'] = ({ signal } = {}) => {
    const deadline = performance.now() + this.#options.policyBudgetMs;
    return applyPolicies({
      pool: this.#options.pool, tables: this.#tables, layout: this.#layout, definition: this.#definition, widths: this.#options.widths, nowMs: this.#clock.nowMs(), onStep: this.#options.onPolicyStep,
      isEnough: () => performance.now() > deadline || signal?.aborted === true || this.#options.isClosing(),
    });
  };

  size: SeriesTable['size'] = async () => {
    const { name, loose, compact, sums, subjects } = this.#tables;
    const bytesOf = (table: string) => this.#sql`(select coalesce(sum(pg_total_relation_size(relid)), 0)::bigint from pg_partition_tree(${table}))`;
    const [size] = await this.#sql<{ rows: number; bytes: number; compressedBytes: number; partitions: number }[]>`
      select rows, ${bytesOf(loose)} + ${bytesOf(compact)} + ${bytesOf(sums)} + pg_total_relation_size(${subjects}) as bytes, ${bytesOf(compact)} as compressed_bytes,
        (select count(*)::integer from pg_inherits where inhparent = to_regclass(${loose})) as partitions
      from time_series where name = ${name}`;
    if (!size) throw new Error(`the series ${name} is gone`);
    return size;
  };
}

/** The connections of an owner, who logs in as itself. */
async function poolFor(access: DatabaseAccess, owner: string): Promise<Pool> {
  await access.prepare(owner);
  const login = await access.loginOf(owner);
  return openPool((onClose) => connect(login, owner, onClose)).catch((error: unknown) => {
    throw explainRefusedLogin(error, login.username);
  });
}

/** Opens no connection before the first table is opened. */
export function openPostgresSeries({ access, clock, metrics, policyBudgetMs = defaultPolicyBudgetMs, onPolicyStep = () => undefined }: PostgresSeriesOptions): SeriesStore {
  let isClosing = false;
  const pools = new Map<string, Promise<Pool>>();
  const poolOf = (owner: string): Promise<Pool> => {
    let pool = pools.get(owner);
    if (!pool) {
      pool = poolFor(access, owner);
      pools.set(owner, pool);
      pool.catch(() => pools.delete(owner));
    }
    return pool;
  };
  return {
    async open(owner, definition) {
      checkDefinition(definition);
      const pool = await poolOf(owner);
      const { sumsPartitionMs } = await prepareTables(pool, definition);
      return new PostgresSeriesTable({ pool, clock, metrics, definition, policyBudgetMs, onPolicyStep, isClosing: () => isClosing, widths: { partitionMs: definition.partitionMs, sumsPartitionMs } });
    },
    async close() {
      isClosing = true;
      const opened = await Promise.allSettled(pools.values());
      await Promise.all(opened.filter((pool) => pool.status === 'fulfilled').map((pool) => pool.value.end(5)));
    },
  };
}
