/** Ids and names of a feed in the alphabet of our contracts. */
import { createHash } from 'node:crypto';
import type { LocalisedText } from '../../libs/gbfs/index.ts';

/** Kept as it is where the contract allows it; else made fit, with a piece of its hash so that two stay two. */
export function fittingId(id: string, maximumLength: number): string {
  if (id.length <= maximumLength && /^[A-Za-z0-9:._-]+$/.test(id)) return id;
  const hash = createHash('sha256').update(id).digest('hex').slice(0, 8);
  return `${id.normalize('NFKD').replace(/[^A-Za-z0-9:._-]+/g, '-').slice(0, maximumLength - 9)}-${hash}`;
}

const letters: Record<string, string> = { ø: 'o', æ: 'ae', å: 'a', ß: 'ss', ł: 'l', đ: 'd', ð: 'd', þ: 'th', œ: 'oe', ı: 'i' };

/** "Bysykkel Østby" → `bysykkel-ostby`. */
export function citySlug(text: string): string {
  const slug = text.toLowerCase().replace(/[øæåßłđðþœı]/g, (letter) => letters[letter] ?? '').normalize('NFKD').replace(/\p{M}/gu, '').replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 60).replace(/-+$/, '');
  return slug === '' ? 'imported' : slug;
}

/** English if there is any, else the first language. */
export function oneText(text: LocalisedText | undefined): string | undefined {
  if (!text) return undefined;
  const english = Object.keys(text).find((tag) => /^en\b/i.test(tag));
  return text[english ?? Object.keys(text)[0] ?? ''];
}

/** Tags and lengths as the contract takes them. */
export function localisedName(text: LocalisedText, fallback: string): LocalisedText {
  const entries = Object.entries(text).filter(([tag, value]) => tag.length >= 2 && tag.length <= 35 && value.trim() !== '').map(([tag, value]) => [tag, value.slice(0, 2000)] as const);
  return entries.length > 0 ? Object.fromEntries(entries) : { en: fallback };
}
