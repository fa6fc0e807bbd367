/** What a rider may type into the forms, checked before anything is sent. */

export type Complaint = 'form.required' | 'form.email' | 'form.password' | 'form.date' | 'form.country' | 'form.licenceNumber';

export interface NewRider {
  name: string;
  email: string;
  password: string;
  birthDate: string;
}

/** A day that exists, as `1994-05-23`. */
export function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

/** Turns `23.05.1994`, `23/5/1994` and `1994-5-23` into `1994-05-23`; leaves anything else as it is. */
export function normaliseDay(text: string): string {
  const trimmed = text.trim();
  const dayFirst = /^(\d{1,2})[./](\d{1,2})[./](\d{4})$/.exec(trimmed);
  const yearFirst = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(trimmed);
  const [year, month, day] = dayFirst ? [dayFirst[3], dayFirst[2], dayFirst[1]] : yearFirst ? [yearFirst[1], yearFirst[2], yearFirst[3]] : [];
  return year && month && day ? `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}` : trimmed;
}

type Complaints<Fields> = { [Field in keyof Fields]?: Complaint };

export function checkNewRider({ name, email, password, birthDate }: NewRider): Complaints<NewRider> {
  return {
    ...(name.trim() === '' && { name: 'form.required' }),
    ...(!/^[^\s@]+@[^\s@]+\.[^\s@]{2,}$/.test(email.trim()) && { email: 'form.email' }),
    ...(password.length < 10 && { password: 'form.password' }),
    ...(!isDay(normaliseDay(birthDate)) && { birthDate: 'form.date' }),
  };
}

export interface LicenceForm {
  number: string;
  country: string;
  expiresOn: string;
}

export function checkLicence({ number, country, expiresOn }: LicenceForm): Complaints<LicenceForm> {
  return {
    ...(number.trim().length < 4 && { number: 'form.licenceNumber' }),
    ...(!/^[A-Za-z]{2}$/.test(country.trim()) && { country: 'form.country' }),
    ...(!isDay(normaliseDay(expiresOn)) && { expiresOn: 'form.date' }),
  };
}
