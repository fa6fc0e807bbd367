/** Stripe's request bodies: `metadata[attempt]=x&payment_method_types[0]=card` as an object. */

export type FormValue = string | FormObject;
export interface FormObject {
  [name: string]: FormValue;
}

/** Lists come out as objects with the keys `0`, `1`, …. The objects have no prototype. */
export function decodeForm(text: string): FormObject {
  const root = Object.create(null) as FormObject;
  for (const [path, value] of new URLSearchParams(text)) {
    const names = path.replaceAll(']', '').split('[');
    let target = root;
    for (const name of names.slice(0, -1)) {
      const known = target[name];
      const next = typeof known === 'object' ? known : (Object.create(null) as FormObject);
      target[name] = next;
      target = next;
    }
    target[names.at(-1) ?? ''] = value;
  }
  return root;
}

export const text = (value: FormValue | undefined): string | undefined => (typeof value === 'string' ? value : undefined);
export const texts = (value: FormValue | undefined): Record<string, string> =>
  typeof value === 'object' ? Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string')) : {};
