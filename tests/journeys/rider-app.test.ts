/** The rider app in a real browser, against the whole program. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { chromiumPath, collectPageErrors, desktop, expectAccessible, openBrowser, phone } from './browser.ts';
import { type Program, startProgram, tinyJpeg } from './program.ts';

const password = 'correct horse battery';
/** Software draws the map, on cores that other tests use as well. */
const patienceMs = 45_000;

let program: Program;
let browser: Browser | undefined;
let errors: string[] = [];

if (!chromiumPath) console.warn('SKIPPED: the journeys of the rider app need Chromium (apt-get install chromium)');

async function openApp(context: BrowserContextOptions, path = '/', drawsMaps = true): Promise<Page> {
  browser = await openBrowser(drawsMaps);
  const page = await (await browser.newContext(context)).newPage();
  page.setDefaultTimeout(patienceMs);
  errors = collectPageErrors(page);
  await page.goto(`${program.url}${path}`);
  return page;
}

/** The text of each open page, for whoever has to understand a failure. */
async function shownBy(opened: Browser | undefined): Promise<string> {
  const pages = (opened?.contexts() ?? []).flatMap((context) => context.pages());
  const texts = await Promise.all(pages.map(async (page) => `${page.url()}\n${await page.innerText('body').catch((error: unknown) => String(error))}`));
  return texts.join('\n\n');
}

async function register(locale: 'en' | 'de'): Promise<string> {
  const email = `rider-${v7()}@example.com`;
  const response = await fetch(`${program.url}/v1/riders`, {
    method: 'POST', headers: { 'content-type': 'application/json', 'idempotency-key': v7() },
    body: JSON.stringify({ email, password, name: 'Jonas Weber', birthDate: '1990-04-12', locale }),
  });
  expect(response.status).toBe(201);
  return email;
}

/** Fills the platform's sign-in page, in either language. */
async function signIn(page: Page, email: string): Promise<void> {
  await page.getByLabel(/^E-mail address$|^E-Mail-Adresse$/).fill(email);
  await page.getByLabel(/^Password$|^Passwort$/).fill(password);
  await page.getByRole('button', { name: /^Sign in$|^Anmelden$/ }).click();
}

/** Plays an incident to the app: what the platform asks the rider, and what comes back. @returns the answers that were given, in order */
async function playCheck(page: Page): Promise<string[]> {
  const bookingId = new URL(page.url()).pathname.split('/').at(-1) ?? '';
  const answers: string[] = [];
  const check = (answer: string | null) => ({ incidentId: v7(), bookingId, occurredAt: new Date().toISOString(), askedAt: new Date().toISOString(), answerBy: new Date(Date.now() + 50_000).toISOString(), answer });
  let asked = check(null);
  await page.route('**/v1/me/checks', (route) => route.fulfill({ json: { items: [asked] } }));
  await page.route('**/v1/me/checks/*', (route) => {
    const { answer } = route.request().postDataJSON() as { answer: string };
    answers.push(answer);
    asked = { ...asked, answer };
    return route.fulfill({ json: asked });
  });
  return answers;
}

/** Asked whether all is well, a rider says "I need help", then with the keyboard that it is all right after all. */
async function beAsked(page: Page, screen: string): Promise<void> {
  // The app listens already, and the platform lets it.
  await page.waitForResponse((response) => response.url().endsWith('/v1/me/checks') && response.ok());
  const answers = await playCheck(page);
  const dialog = page.getByRole('alertdialog', { name: 'Are you all right?' });
  await dialog.waitFor();
  expect(await page.evaluate(`document.activeElement.getAttribute('role')`)).toBe('alertdialog');
  await expectAccessible(page, `${screen} asked`);
  await dialog.getByRole('button', { name: 'I need help' }).click();
  const answered = page.getByRole('alertdialog', { name: 'Our team has been told' });
  await answered.waitFor();
  await expectAccessible(page, `${screen} help`);
  await answered.getByRole('button', { name: 'I’m fine' }).focus();
  await page.keyboard.press('Enter');
  const relieved = page.getByRole('alertdialog', { name: 'Good to hear' });
  await relieved.getByRole('button', { name: 'Close' }).click();
  await relieved.waitFor({ state: 'detached' });
  expect(answers).toEqual(['help', 'fine']);
}

async function pauseAndResume(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByRole('heading', { name: 'Paused and locked' }).waitFor();
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('heading', { name: 'On your way' }).waitFor();
}

const mapIsDrawn = (page: Page): Promise<void> => page.locator('[data-map-ready=true] canvas').waitFor();

describe.skipIf(!chromiumPath)('the rider app (needs Chromium)', () => {
  beforeAll(async () => {
    program = await startProgram({ environment: { MOBILITY_RIDER_APP: 'true', MOBILITY_VEHICLES: '120' }, readyTimeoutMs: 240_000 });
  }, 260_000);
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') console.error(`What the page showed:\n${await shownBy(browser)}\n${program.output()}`);
    await browser?.close();
    browser = undefined;
    expect(errors).toEqual([]);
  });
  afterAll(() => program?.dispose());

  test('a rider signs up, rides a scooter and has a receipt', { timeout: 300_000 }, async () => {
    const page = await openApp(phone);
    const email = `rider-${v7()}@example.com`;
    await page.getByRole('button', { name: 'Create an account' }).waitFor();
    await expectAccessible(page, 'phone 01 welcome');
    await page.getByRole('button', { name: 'Create an account' }).click();
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByText('Please check the marked fields').waitFor();
    await expectAccessible(page, 'phone 02 sign-up with complaints');
    await page.getByLabel('Full name').fill('Maya Lindqvist');
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByLabel('Date of birth').fill('23.05.1994');
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByRole('heading', { name: 'Welcome, Maya' }).waitFor();
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByLabel('Password').waitFor();
    await expectAccessible(page, 'phone 03 sign-in');
    await signIn(page, email);

    await page.getByRole('heading', { name: 'Vehicles nearby' }).waitFor();
    await mapIsDrawn(page);
    await page.getByRole('list', { name: 'Vehicles nearby' }).getByRole('link').first().waitFor();
    await expectAccessible(page, 'phone 04 explore');
    await page.getByRole('button', { name: 'Filters' }).click();
    await page.getByRole('radiogroup', { name: 'Battery at least' }).getByRole('radio', { name: '50 %' }).click();
    await page.getByRole('button', { name: 'Filters, 1 filter set' }).waitFor();
    await expectAccessible(page, 'phone 05 filters');
    await page.getByRole('button', { name: /^Filters/ }).click();

    // The session outlives a reload.
    await page.reload();
    await page.getByRole('radiogroup', { name: 'Vehicle type' }).getByRole('radio', { name: 'Scooter' }).click();
    await page.getByRole('list', { name: 'Vehicles nearby' }).getByRole('link', { name: /^Scooter/ }).first().click();
    await page.getByRole('heading', { name: 'Your price' }).waitFor();
    await page.getByRole('radio', { name: '30 mins' }).click();
    await expectAccessible(page, 'phone 06 vehicle');
    await page.getByRole('button', { name: 'Add a card' }).click();
    await page.getByRole('button', { name: 'Visa Pays without questions' }).waitFor();
    await expectAccessible(page, 'phone 07 wallet');
    await page.getByRole('button', { name: 'Visa Pays without questions' }).click();
    await page.getByRole('button', { name: /^Reserve\s*€/ }).click();
    await page.getByRole('timer').waitFor();
    await expectAccessible(page, 'phone 08 reserved');
    await page.getByRole('button', { name: 'Unlock' }).click();
    await page.getByRole('heading', { name: 'On your way' }).waitFor();
    await expectAccessible(page, 'phone 09 riding');
    await beAsked(page, 'phone 09 check');
    await pauseAndResume(page);

    await page.getByRole('button', { name: 'End ride' }).click();
    await page.getByRole('heading', { name: 'Before you end' }).waitFor();
    expect(await page.getByRole('button', { name: 'Lock and end' }).getAttribute('aria-disabled')).toBe('true');
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Add photo' }).click();
    await (await chooser).setFiles({ name: 'parked.jpg', mimeType: 'image/jpeg', buffer: Buffer.from(tinyJpeg) });
    await page.getByRole('img', { name: 'Photo 1 of the parked vehicle' }).waitFor();
    await expectAccessible(page, 'phone 10 end');
    await page.getByRole('button', { name: 'Lock and end' }).click();

    await page.getByRole('heading', { name: /^Receipt / }).waitFor();
    await expectAccessible(page, 'phone 11 receipt');
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download PDF' }).click();
    expect((await download).suggestedFilename()).toMatch(/\.pdf$/);
    await page.getByRole('radio', { name: '4 stars' }).click();
    await page.getByRole('checkbox', { name: 'Brakes' }).click();
    await page.getByRole('button', { name: 'Send rating' }).click();
    await page.getByText('Thank you. It helps the next rider.').waitFor();
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('list', { name: 'Your trips' }).getByRole('link', { name: /Paid$/ }).waitFor();
    await expectAccessible(page, 'phone 12 trips');
  });

  test('a rider with a licence books a car, and the bank asks for a confirmation', { timeout: 240_000 }, async () => {
    const email = await register('de');
    const page = await openApp(desktop);
    await page.getByRole('button', { name: 'Anmelden' }).waitFor();
    await expectAccessible(page, 'desktop 01 welcome');
    await page.getByRole('button', { name: 'Anmelden' }).click();
    await signIn(page, email);
    await page.getByRole('heading', { name: 'Fahrzeuge in der Nähe' }).waitFor();
    await mapIsDrawn(page);
    await page.getByRole('radiogroup', { name: 'Fahrzeugart' }).getByRole('radio', { name: 'Auto' }).click();
    await page.getByRole('list', { name: 'Fahrzeuge in der Nähe' }).getByRole('link', { name: /^Auto/ }).first().waitFor();
    await expectAccessible(page, 'desktop 02 explore');
    await page.getByRole('list', { name: 'Fahrzeuge in der Nähe' }).getByRole('link', { name: /^Auto/ }).first().click();

    await page.getByRole('button', { name: 'Führerschein hinterlegen' }).click();
    await page.getByLabel('Führerscheinnummer').fill('B072RRE2I55');
    await page.getByLabel('Gültig bis').fill('31.01.2033');
    await expectAccessible(page, 'desktop 03 licence');
    await page.getByRole('button', { name: 'Einreichen' }).click();
    await page.getByText('Dein Führerschein ist geprüft.').waitFor();
    await page.getByRole('button', { name: 'Weiter' }).click();

    await page.getByRole('heading', { name: 'Dein Preis' }).waitFor();
    await expectAccessible(page, 'desktop 04 vehicle');
    await page.getByRole('button', { name: 'Karte hinzufügen' }).click();
    await page.getByRole('button', { name: /3-D Secure/ }).click();
    await page.getByRole('button', { name: /^Reservieren/ }).click();
    await page.getByRole('heading', { name: 'Deine Bank fragt nach dir' }).waitFor();
    await expectAccessible(page, 'desktop 05 bank');
    await page.getByRole('button', { name: 'Bei der Bank bestätigen' }).click();
    // The sandbox's page of the bank; it leads back to the booking.
    await page.getByRole('button').first().click();
    await page.getByRole('heading', { name: 'Für dich reserviert' }).waitFor();
    await expectAccessible(page, 'desktop 06 reserved');
    await page.getByRole('button', { name: 'Reservierung stornieren' }).click();
    await page.getByRole('button', { name: 'Ja, stornieren' }).click();
    await page.getByRole('heading', { name: 'Reservierung storniert' }).waitFor();

    for (const [name, path] of [['Fahrten', 'trips'], ['Zahlung', 'wallet'], ['Profil', 'profile']] as const) {
      await page.getByRole('link', { name, exact: true }).click();
      await page.waitForURL(`**/${path}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await expectAccessible(page, `desktop 07 ${path}`);
    }
    await page.getByRole('radio', { name: 'English' }).click();
    await page.getByRole('heading', { name: 'Profile' }).waitFor();

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('button', { name: /^Yes, sign out$|^Ja, abmelden$/ }).click();
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByLabel(/^Password$|^Passwort$/).waitFor();
  });

  test('without a map the list does everything, in the dark too', { timeout: 120_000 }, async () => {
    const email = await register('en');
    const page = await openApp({ ...phone, colorScheme: 'dark', reducedMotion: 'reduce' }, '/', false);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await signIn(page, email);
    await page.getByText('The map cannot be drawn on this device').waitFor();
    await page.getByRole('list', { name: 'Vehicles nearby' }).getByRole('link').first().waitFor();
    await expectAccessible(page, 'dark 01 no map');
    await page.getByRole('list', { name: 'Vehicles nearby' }).getByRole('link').first().click();
    await page.getByRole('button', { name: 'Close' }).waitFor();
    await expectAccessible(page, 'dark 02 vehicle');
  });
});
