/**
 * A car of an imported feed, rented through the rider app at its own published tariff.
 * MOBILITY_TEST_FEED names another feed than the fixture: a real operator's, for example.
 */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { fixtureFolder } from '../../libs/gbfs/fixtures/read.ts';
import { chromiumPath, desktop, expectAccessible, openBrowser } from './browser.ts';
import { importFeed, type Program, startProgram, tinyJpeg } from './program.ts';

const password = 'correct horse battery';
const feed = process.env['MOBILITY_TEST_FEED'] ?? fixtureFolder('v3.0-nabobil');

let program: Program;
let browser: Browser;

if (!chromiumPath) console.warn('SKIPPED: renting an imported car in the app needs Chromium (apt-get install chromium)');

describe.skipIf(!chromiumPath)('an imported car in the rider app (needs Chromium)', () => {
  beforeAll(async () => {
    program = await startProgram({ environment: { MOBILITY_RIDER_APP: 'true', MOBILITY_VEHICLES: '0' }, readyTimeoutMs: 240_000 });
    browser = await openBrowser(true);
  }, 260_000);
  afterAll(async () => {
    await browser?.close();
    await program?.dispose();
  });

  test('is found in its city, quoted in kroner, booked, ridden, returned and paid', { timeout: 150_000 }, async () => {
    expect(await importFeed(program, feed)).toMatchObject({ code: 0 });
    const email = `driver-${v7()}@example.com`;
    const registered = await fetch(`${program.url}/v1/riders`, {
      method: 'POST', headers: { 'content-type': 'application/json', 'idempotency-key': v7() }, body: JSON.stringify({ email, password, name: 'Ingrid Dahl', birthDate: '1988-02-03', locale: 'en' }),
    });
    expect(registered.status).toBe(201);

    const page = await (await browser.newContext({ ...desktop, locale: 'en-GB' })).newPage();
    page.setDefaultTimeout(30_000);
    await page.goto(program.url);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Vehicles nearby' }).waitFor();
    await page.getByRole('button', { name: /^Choose a city/ }).click();
    await page.getByRole('radiogroup', { name: 'Choose a city' }).getByRole('radio').filter({ hasNotText: 'Frankfurt' }).click();
    await page.getByRole('list', { name: 'Vehicles nearby' }).getByRole('link', { name: /^Car/ }).first().waitFor();
    await expectAccessible(page, 'imported 01 city');
    await page.getByRole('list', { name: 'Vehicles nearby' }).getByRole('link', { name: /^Car/ }).first().click();
    await page.getByRole('button', { name: 'Hand in my licence' }).click();
    await page.getByLabel('Licence number').fill('B072RRE2I55');
    await page.getByLabel('Valid to').fill('31.01.2033');
    await page.getByRole('button', { name: 'Hand in' }).click();
    await page.getByText('Your licence is verified.').waitFor();
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('heading', { name: 'Your price' }).waitFor();
    await page.getByRole('button', { name: 'Add a card' }).click();
    await page.getByRole('button', { name: 'Visa Pays without questions' }).click();
    await expectAccessible(page, 'imported 02 price');
    await page.getByRole('button', { name: /^Reserve\s*(NOK|kr)/ }).click();
    await page.getByRole('timer').waitFor();
    await page.getByRole('button', { name: 'Unlock' }).click();
    await page.getByRole('heading', { name: 'On your way' }).waitFor();
    await expectAccessible(page, 'imported 03 riding');
    await page.getByRole('button', { name: 'End ride' }).click();
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Add photo' }).click();
    await (await chooser).setFiles({ name: 'parked.jpg', mimeType: 'image/jpeg', buffer: Buffer.from(tinyJpeg) });
    await page.getByRole('button', { name: 'Lock and end' }).click();
    await page.getByRole('heading', { name: /^Receipt / }).waitFor();
    await expectAccessible(page, 'imported 04 receipt');
    expect(await page.getByRole('main').innerText()).toMatch(/NOK|kr/);
  });
});
