import { expect, test } from 'vitest';
import { errorFields, redacted, withoutSecrets } from './redaction.ts';

test('members are removed by their names, however they are written and wherever they stand', () => {
  expect(redacted({ riderId: 'r', email: 'a@b.de', profile: { licence_number: 'B072', 'date-of-birth': '1990' }, list: [{ Authorization: 'Bearer x', lat: 50.1 }] })).toEqual({
    riderId: 'r', email: '[removed]', profile: { licence_number: '[removed]', 'date-of-birth': '[removed]' }, list: [{ Authorization: '[removed]', lat: '[removed]' }],
  });
});

test('texts lose e-mail addresses, tokens, cards and passwords in addresses, and keep the rest', () => {
  const line = 'Key (email)=(ada.lovelace+1@rides.example.com) exists; Bearer abc.def-1 and eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln; card pm_1NXg8Z2eZvKY; postgres://mobility:hunter2@db:5432/x';
  const cleaned = withoutSecrets(line);
  for (const secret of ['ada.lovelace', 'rides.example.com', 'abc.def-1', 'eyJ', 'pm_1NXg8Z2eZvKY', 'hunter2']) expect(cleaned).not.toContain(secret);
  expect(cleaned).toContain('Key (email)=([removed]) exists');
  expect(cleaned).toContain('db:5432/x');
});

test('an error keeps its kind, code, text, stack and cause, and loses what a library has hung on it', () => {
  const error = Object.assign(new Error('refused', { cause: new RangeError('too much') }), { code: 'E_CARD', raw: { payment_method: 'secret' }, headers: { authorization: 'x' } });
  const fields = errorFields(error);
  expect(fields).toMatchObject({ type: 'Error', message: 'refused', code: 'E_CARD', cause: { type: 'RangeError', message: 'too much' } });
  expect(JSON.stringify(fields)).not.toContain('secret');
});
