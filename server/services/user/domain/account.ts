/** The rules of accounts: who may open one, and when one may be erased. */

export type AccountState = 'active' | 'suspended' | 'erased';
export type Refusal = 'too-young' | 'birth-date-implausible';

export const minimumAgeYears = 18;
const greatestAgeYears = 125;

/**
 * Full years of age on a day.
 * @param birthDate `YYYY-MM-DD`; somebody born on 29 February has a birthday on 1 March of other years
 * @param today `YYYY-MM-DD`
 */
export function ageInYears(birthDate: string, today: string): number {
  const [birthYear = 0, birthMonth = 0, birthDay = 0] = birthDate.split('-').map(Number);
  const [year = 0, month = 0, day = 0] = today.split('-').map(Number);
  const hadBirthday = month > birthMonth || (month === birthMonth && day >= birthDay);
  return year - birthYear - (hadBirthday ? 0 : 1);
}

/** Why somebody born then may not open an account today. */
export function registrationRefusal(birthDate: string, today: string): Refusal | undefined {
  const years = ageInYears(birthDate, today);
  if (years < 0 || years > greatestAgeYears) return 'birth-date-implausible';
  return years < minimumAgeYears ? 'too-young' : undefined;
}

/** Why an account may not be erased now. Whoever still rides or owes cannot be forgotten yet. */
export function erasureRefusal(account: { openBookings: number; debts: number }): 'rider-has-open-booking' | 'debt-outstanding' | undefined {
  if (account.openBookings > 0) return 'rider-has-open-booking';
  return account.debts > 0 ? 'debt-outstanding' : undefined;
}

const finishedStates = new Set(['charged', 'cancelled', 'expired', 'failed']);

/** @param eventType `bookings.confirmed`; undefined for events that do not change the state of a booking */
export function bookingIsOpenAfter(eventType: string): boolean | undefined {
  const state = eventType.slice('bookings.'.length);
  if (state === 'rated') return undefined;
  return !finishedStates.has(state);
}
