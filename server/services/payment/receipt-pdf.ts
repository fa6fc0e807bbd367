/** A receipt as a PDF of one page (more when it has many lines), tagged with its language and title. */
import PdfDocument from 'pdfkit';
import { receiptText } from './receipt-text.ts';
import type { Receipt } from './contract.ts';

const margin = 56;
const amountWidth = 110;

/** The fonts that every PDF reader has know Latin-1 and a little more; what they do not know is left out. */
const printable = (value: string): string => value.replaceAll('\u202f', ' ').replaceAll('\u00a0', ' ').replaceAll('\u2212', '-');

export async function receiptPdf(receipt: Receipt): Promise<Uint8Array> {
  const text = receiptText(receipt);
  const document = new PdfDocument({
    size: 'A4', margin, lang: text.language, tagged: true, displayTitle: true, info: { Title: text.title, Author: 'MobilityCorp', CreationDate: new Date(receipt.issuedAt) },
  });
  const chunks: Uint8Array[] = [];
  const finished = new Promise<void>((resume, reject) => {
    document.on('data', (chunk: Uint8Array) => chunks.push(chunk));
    document.on('end', resume);
    document.on('error', reject);
  });
  const width = document.page.width - 2 * margin;
  const row = (label: string, amount: string, bold: boolean): void => {
    document.font(bold ? 'Helvetica-Bold' : 'Helvetica').fontSize(11);
    const top = document.y;
    const height = Math.max(document.heightOfString(printable(label), { width: width - amountWidth }), document.heightOfString(printable(amount), { width: amountWidth }));
    if (top + height > document.page.height - margin) document.addPage();
    const at = document.y;
    document.text(printable(label), margin, at, { width: width - amountWidth });
    document.text(printable(amount), margin + width - amountWidth, at, { width: amountWidth, align: 'right' });
    document.y = at + height + 4;
    document.x = margin;
  };
  document.font('Helvetica-Bold').fontSize(20).text(printable(text.title));
  document.font('Helvetica').fontSize(11).text('MobilityCorp').moveDown();
  for (const { label, value } of text.facts) document.fillColor('#52525b').text(`${printable(label)}: `, { continued: true }).fillColor('#000000').text(printable(value));
  document.moveDown();
  row(text.columns[0], text.columns[1], true);
  for (const { label, detail, amount } of text.lines) row(`${label}: ${detail}`, amount, false);
  document.moveTo(margin, document.y).lineTo(margin + width, document.y).lineWidth(0.5).stroke();
  document.y += 6;
  for (const { label, amount, strong } of text.totals) row(label, amount, strong);
  document.end();
  await finished;
  return Buffer.concat(chunks);
}
