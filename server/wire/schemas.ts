/** Shapes that several contracts share. WGS84 degrees, integer minor units, ISO 4217, UTC. */
import { z } from 'zod';

export const Id = z.uuid();
export const Instant = z.iso.datetime({ offset: true }).describe('ISO 8601 instant, for example 2026-11-22T10:00:00Z');
export const Currency = z.string().regex(/^[A-Z]{3}$/).describe('ISO 4217 code');
export const Minor = z.int().describe('amount in minor units of the currency (cents)');
export const Position = z.object({
  lat: z.number().min(-90).max(90),
  lon: z.number().min(-180).max(180),
});
export type Position = z.infer<typeof Position>;

export const VehicleType = z.enum(['scooter', 'ebike', 'car', 'van']);
export type VehicleType = z.infer<typeof VehicleType>;

/** A page of a list: `next` is a cursor to give back, absent on the last page. */
export const page = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: z.string().optional() });

export const PageQuery = z.object({
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

/** `west,south,east,north` in degrees. */
export const BoundingBox = z
  .string()
  .regex(/^-?\d+(\.\d+)?(,-?\d+(\.\d+)?){3}$/, 'west,south,east,north in degrees')
  .transform((text) => text.split(',').map(Number) as [number, number, number, number])
  .refine(([west, south, east, north]) => west < east && south < north && west >= -180 && east <= 180 && south >= -90 && north <= 90, 'west,south,east,north in degrees');

/** A line of a price: what, and how much. The lines of a price add up to its total. */
export const PriceLine = z.object({
  kind: z.enum(['unlock', 'riding', 'pause', 'reservation', 'multiplier', 'cap', 'fine-parking', 'fine-plug', 'fine-late', 'discount']),
  description: z.string(),
  amountMinor: Minor,
});
export type PriceLine = z.infer<typeof PriceLine>;
