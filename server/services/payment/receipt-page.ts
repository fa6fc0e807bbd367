/** A receipt as a page that stands alone: no script, no request, readable aloud and on paper. */
import { receiptText } from './receipt-text.ts';
import type { Receipt } from './contract.ts';

const escaped = (value: string): string => value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#1b1b1f;background:#fff}h1{font-size:1.6rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.5rem}dt{color:#52525b}dd{margin:0}table{width:100%;border-collapse:collapse;margin-top:1.5rem}
th,td{padding:.45rem 0;text-align:left;border-bottom:1px solid #d4d4d8;vertical-align:top}td:last-child,th:last-child{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
small{color:#52525b;display:block}tfoot th{font-weight:400}tfoot .strong th,tfoot .strong td{font-weight:700}@media print{body{margin:0}}`;

/** @returns HTML with everything inside */
export function receiptPage(receipt: Receipt): string {
  const text = receiptText(receipt);
  const facts = text.facts.map(({ label, value }) => `<dt>${escaped(label)}</dt><dd>${escaped(value)}</dd>`).join('');
  const lines = text.lines.map(({ label, detail, amount }) => `<tr><th scope="row">${escaped(label)}<small>${escaped(detail)}</small></th><td>${escaped(amount)}</td></tr>`).join('');
  const totals = text.totals.map(({ label, amount, strong }) => `<tr${strong ? ' class="strong"' : ''}><th scope="row">${escaped(label)}</th><td>${escaped(amount)}</td></tr>`).join('');
  const [description, amount] = text.columns;
  return `<!doctype html>
<html lang="${text.language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escaped(text.title)}</title><style>${style}</style></head>
<body><main><h1>${escaped(text.title)}</h1><p>MobilityCorp</p><h2>${escaped(text.heading)}</h2><dl>${facts}</dl>
<table><thead><tr><th scope="col">${escaped(description)}</th><th scope="col">${escaped(amount)}</th></tr></thead><tbody>${lines}</tbody><tfoot>${totals}</tfoot></table></main></body></html>`;
}
