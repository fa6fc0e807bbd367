/** Numbers of receipts, and which form of a receipt a caller wants. */

/** `2026-000123`: gap-free within a year. */
export const receiptNumber = (year: number, count: number): string => `${year}-${String(count).padStart(6, '0')}`;

/** The year in which a receipt is issued, where the ride was. */
export const yearOf = (instant: Date, timeZone: string): number => Number(new Intl.DateTimeFormat('en', { year: 'numeric', timeZone }).format(instant));
