/** The words and numbers of a receipt in the rider's language; page and PDF share them. */
import type { Receipt } from './contract.ts';

const words = {
  en: {
    title: 'Receipt', number: 'Receipt no.', issued: 'Issued', ride: 'Your ride', vehicle: 'Vehicle', from: 'From', to: 'To', distance: 'Distance', description: 'Description', amount: 'Amount',
    total: 'Total', tax: (percent: string) => `including ${percent} VAT`, net: 'Net', refunded: 'Refunded', paid: 'Paid', paidWith: 'Paid with', booking: 'Booking', types: { scooter: 'Scooter', ebike: 'eBike', car: 'Car', van: 'Van' },
  },
  de: {
    title: 'Quittung', number: 'Quittung Nr.', issued: 'Ausgestellt', ride: 'Ihre Fahrt', vehicle: 'Fahrzeug', from: 'Von', to: 'Bis', distance: 'Strecke', description: 'Beschreibung', amount: 'Betrag',
    total: 'Gesamt', tax: (percent: string) => `darin ${percent} MwSt.`, net: 'Netto', refunded: 'Erstattet', paid: 'Bezahlt', paidWith: 'Bezahlt mit', booking: 'Buchung', types: { scooter: 'E-Scooter', ebike: 'E-Bike', car: 'Auto', van: 'Transporter' },
  },
} as const;

const lineNames = {
  en: { 'unlock': 'Unlocking', 'riding': 'Riding', 'pause': 'Pause', 'reservation': 'Reservation', 'multiplier': 'Demand', 'cap': 'Price cap', 'fine-parking': 'Parked outside a bay', 'fine-plug': 'Not plugged in', 'fine-late': 'Returned late', 'discount': 'Discount' },
  de: { 'unlock': 'Entsperren', 'riding': 'Fahrt', 'pause': 'Pause', 'reservation': 'Reservierung', 'multiplier': 'Nachfrage', 'cap': 'Preisdeckel', 'fine-parking': 'Außerhalb einer Station abgestellt', 'fine-plug': 'Nicht angesteckt', 'fine-late': 'Verspätet zurückgegeben', 'discount': 'Rabatt' },
} as const;

export interface ReceiptText {
  language: 'en' | 'de';
  title: string;
  heading: string;
  facts: { label: string; value: string }[];
  columns: [string, string];
  lines: { label: string; detail: string; amount: string }[];
  totals: { label: string; amount: string; strong: boolean }[];
}

/** An amount as people of the language write it, with the decimals that the currency has. */
function money(language: string, currency: string): (amountMinor: number) => string {
  const format = new Intl.NumberFormat(language, { style: 'currency', currency });
  const decimals = format.resolvedOptions().maximumFractionDigits ?? 2;
  return (amountMinor) => format.format(amountMinor / 10 ** decimals);
}

export function receiptText(receipt: Receipt): ReceiptText {
  const { ride } = receipt;
  const language = ride.locale;
  const say = words[language];
  const locale = language === 'de' ? 'de-DE' : 'en-GB';
  const amount = money(locale, receipt.currency);
  const time = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short', timeZone: ride.timeZone });
  const at = (instant: string): string => time.format(new Date(instant));
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  const kilometres = new Intl.NumberFormat(locale, { style: 'unit', unit: 'kilometer', maximumFractionDigits: 1 });
  const totals = [
    { label: say.total, amount: amount(receipt.totalMinor), strong: true },
    { label: say.tax(`${number.format(receipt.taxPercent)} %`), amount: amount(receipt.taxMinor), strong: false },
    { label: say.net, amount: amount(receipt.totalMinor - receipt.taxMinor), strong: false },
  ];
  if (receipt.refundedMinor > 0) {
    totals.push({ label: say.refunded, amount: amount(-receipt.refundedMinor), strong: false }, { label: say.paid, amount: amount(receipt.totalMinor - receipt.refundedMinor), strong: true });
  }
  return {
    language, title: `${say.title} ${receipt.number}`, heading: say.ride,
    facts: [
      { label: say.number, value: receipt.number },
      { label: say.issued, value: at(receipt.issuedAt) },
      { label: say.vehicle, value: `${say.types[ride.vehicleType]} ${ride.model} (${ride.vehicleId})` },
      { label: say.from, value: at(ride.startedAt) },
      { label: say.to, value: at(ride.endedAt) },
      { label: say.distance, value: kilometres.format(ride.distanceMetres / 1000) },
      { label: say.paidWith, value: `${receipt.paidWith.brand} •••• ${receipt.paidWith.last4}` },
      { label: say.booking, value: receipt.bookingId },
    ],
    columns: [say.description, say.amount],
    lines: receipt.lines.map((line) => ({ label: lineNames[language][line.kind], detail: line.description, amount: amount(line.amountMinor) })),
    totals,
  };
}
