/** The SQL of the Booking service. */
import postgres, { type Sql, type TransactionSql } from 'postgres';
import type { PriceLine, Position, VehicleType } from '../../wire/schemas.ts';
import type { Tariff, VehicleModel } from '../vehicle/contract.ts';
import type { Booking, BookingState, Quote } from './contract.ts';

/** What was agreed on when booking. */
export interface AgreedTerms {
  tariff: Tariff;
  model: VehicleModel;
  cityId: string;
  timeZone: string;
  parking: 'bays-only' | 'free-floating';
  locale: 'en' | 'de';
}

export interface FinalPrice {
  lines: PriceLine[];
  totalMinor: number;
  taxMinor: number;
}

export interface BookingRow {
  id: string;
  riderId: string;
  vehicleId: string;
  vehicleType: VehicleType;
  model: string;
  state: BookingState;
  fixedTime: boolean;
  minutes: number;
  startsAt: Date;
  endsAt: Date;
  reservedUntil: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  pausedSince: Date | null;
  pausedSeconds: number;
  startPosition: Position | null;
  endPosition: Position | null;
  startOdometerMetres: number | null;
  distanceMetres: number | null;
  multiplier: number;
  terms: AgreedTerms;
  price: FinalPrice | null;
  authorisedMinor: number;
  paymentState: Booking['payment']['state'];
  actionUrl: string | null;
  failureCode: string | null;
  tokenExpiresAt: Date | null;
  unlockCommandId: string | null;
  lockCommandId: string | null;
  photoIds: string[];
  feedback: Booking['feedback'];
  takesPlace: boolean;
  idempotencyKey: string;
  requestHash: string;
  /** Counts up with each change of state, from 1. */
  revision: number;
  createdAt: Date;
}

type AnySql = Sql | TransactionSql;
type Changes = Partial<Omit<BookingRow, 'id' | 'riderId' | 'createdAt' | 'idempotencyKey' | 'requestHash'>>;

const jsonColumns = new Set(['startPosition', 'endPosition', 'terms', 'price', 'feedback']);

const toColumns = (sql: AnySql, values: object): Record<string, never> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, jsonColumns.has(name) && value !== null ? sql.json(value as never) : value])) as Record<string, never>;

/** Why the database refused a booking. */
export type InsertRefusal = 'vehicle-taken' | 'active-booking-exists' | 'repeated';

/** @returns the refusal when a constraint stood against the row */
export function refusalOf(error: unknown): InsertRefusal | undefined {
  if (!(error instanceof postgres.PostgresError)) return undefined;
  switch (error.constraint_name) {
    case 'bookings_never_overlap':
      return 'vehicle-taken';
    case 'bookings_one_active_ride':
      return 'active-booking-exists';
    case 'bookings_rider_id_idempotency_key_key':
      return 'repeated';
    default:
      return undefined;
  }
}

export const insertBooking = async (sql: AnySql, row: BookingRow): Promise<void> => {
  await sql`insert into bookings ${sql(toColumns(sql, row))}`;
};

export async function findBooking(sql: AnySql, id: string): Promise<BookingRow | undefined> {
  const [row] = await sql<BookingRow[]>`select * from bookings where id = ${id}`;
  return row;
}

/** For a change: nobody else changes the row until the transaction ends. */
export async function lockBooking(sql: TransactionSql, id: string): Promise<BookingRow | undefined> {
  const [row] = await sql<BookingRow[]>`select * from bookings where id = ${id} for update`;
  return row;
}

export async function findByKey(sql: AnySql, riderId: string, idempotencyKey: string): Promise<BookingRow | undefined> {
  const [row] = await sql<BookingRow[]>`select * from bookings where rider_id = ${riderId} and idempotency_key = ${idempotencyKey}`;
  return row;
}

export async function updateBooking(sql: AnySql, id: string, changes: Changes): Promise<BookingRow> {
  const [row] = await sql<BookingRow[]>`update bookings set ${sql(toColumns(sql, changes))} where id = ${id} returning *`;
  if (!row) throw new Error(`booking ${id} is gone`);
  return row;
}

/** Newest first. @param before the id of the last booking of the page before */
export function listBookings(sql: AnySql, riderId: string, options: { states?: readonly BookingState[]; before?: string; limit: number }): Promise<BookingRow[]> {
  return sql<BookingRow[]>`
    select * from bookings where rider_id = ${riderId}
    ${options.before ? sql`and id < ${options.before}` : sql``}
    ${options.states ? sql`and state = any(${options.states as string[]})` : sql``}
    order by id desc limit ${options.limit}`;
}

export async function isVehicleInUse(sql: AnySql, vehicleId: string, exceptBookingId: string): Promise<boolean> {
  const rows = await sql`select 1 from bookings where vehicle_id = ${vehicleId} and state in ('riding', 'paused') and id <> ${exceptBookingId}`;
  return rows.length > 0;
}

export async function hasOpenBooking(sql: AnySql, riderId: string): Promise<boolean> {
  const rows = await sql`select 1 from bookings where rider_id = ${riderId} and state in ('reserved', 'confirmed', 'riding', 'paused', 'ended') limit 1`;
  return rows.length > 0;
}

export const countByState = (sql: AnySql): Promise<{ state: BookingState; count: number }[]> =>
  sql<{ state: BookingState; count: number }[]>`select state, count(*)::int as count from bookings group by state`;

/** Those that are not over: few, and in an index of their own. */
export const countOpenByState = (sql: AnySql): Promise<{ state: BookingState; count: number }[]> =>
  sql<{ state: BookingState; count: number }[]>`
    select open.state, count(bookings.id)::int as count from unnest(array['reserved', 'confirmed', 'riding', 'paused', 'ended']) as open (state)
    left join bookings on bookings.state = open.state and bookings.state in ('reserved', 'confirmed', 'riding', 'paused', 'ended') group by open.state`;

export interface QuoteRow {
  id: string;
  riderId: string;
  vehicleId: string;
  startsAt: Date | null;
  minutes: number;
  multiplier: number;
  answer: Quote;
  expiresAt: Date;
  requestHash: string;
}

/** @returns the quote of this key: the new one, or the one that was there */
export async function insertQuote(sql: AnySql, row: QuoteRow & { idempotencyKey: string }): Promise<QuoteRow> {
  const [stored] = await sql<QuoteRow[]>`
    insert into quotes ${sql({ ...row, answer: sql.json(row.answer as never) } as never)}
    on conflict (rider_id, idempotency_key) do update set rider_id = excluded.rider_id returning *`;
  if (!stored) throw new Error('a quote was neither stored nor found');
  return stored;
}

export async function findQuote(sql: AnySql, id: string): Promise<QuoteRow | undefined> {
  const [row] = await sql<QuoteRow[]>`select * from quotes where id = ${id}`;
  return row;
}

export const deleteQuotesBefore = async (sql: AnySql, expiredBefore: Date): Promise<void> => {
  await sql`delete from quotes where expires_at < ${expiredBefore}`;
};

export interface PhotoRow {
  id: string;
  riderId: string;
  contentType: string;
  digest: string;
  createdAt: Date;
  idempotencyKey: string;
}

/** @returns the photo of this key: the new one, or the one that was there */
export async function insertPhoto(sql: AnySql, row: PhotoRow): Promise<PhotoRow> {
  const [stored] = await sql<PhotoRow[]>`
    insert into photos ${sql(row as never)} on conflict (rider_id, idempotency_key) do update set rider_id = excluded.rider_id returning *`;
  if (!stored) throw new Error('a photo was neither stored nor found');
  return stored;
}

export async function findPhoto(sql: AnySql, id: string): Promise<PhotoRow | undefined> {
  const [row] = await sql<PhotoRow[]>`select * from photos where id = ${id}`;
  return row;
}

export async function countOwnPhotos(sql: AnySql, riderId: string, ids: readonly string[]): Promise<number> {
  const [row] = await sql<{ count: number }[]>`select count(*)::int as count from photos where rider_id = ${riderId} and id = any(${ids as string[]}::uuid[])`;
  return row?.count ?? 0;
}

/** Forgets a person: positions, words and photos go, money and times stay. @returns keys of photos to delete */
export async function erasePerson(sql: AnySql, riderId: string): Promise<string[]> {
  await sql`update bookings set start_position = null, end_position = null, feedback = feedback - 'text', photo_ids = '{}' where rider_id = ${riderId}`;
  await sql`delete from quotes where rider_id = ${riderId}`;
  const photos = await sql<{ id: string }[]>`delete from photos where rider_id = ${riderId} returning id`;
  return photos.map((photo) => photo.id);
}
