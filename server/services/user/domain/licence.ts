/** The rules of driving licences. */

/** A licence is valid through the day on which it expires. Both as `YYYY-MM-DD`. */
export const licenceExpired = (expiresOn: string, today: string): boolean => expiresOn < today;

/** What people recognise a licence by; never the whole number. */
export const numberEnding = (number: string): string => withoutSpaces(number).slice(-3);

/** The same licence, however it was typed. */
export const withoutSpaces = (number: string): string => number.replaceAll(/\s/g, '').toUpperCase();
