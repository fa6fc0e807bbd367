/** A real browser, and the rules of accessibility checked in it. */
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const candidates = [process.env['MOBILITY_TEST_CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** Where a browser is; undefined where there is none, and tests that need one are skipped. */
export const chromiumPath = candidates.find((path) => path !== undefined && existsSync(path));

export const phone: BrowserContextOptions = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, locale: 'en-GB', timezoneId: 'Europe/Berlin' };
export const desktop: BrowserContextOptions = { viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', locale: 'de-DE', timezoneId: 'Europe/Berlin' };

/** @param drawsMaps WebGL by software; without it the browser has none at all */
export function openBrowser(drawsMaps = true): Promise<Browser> {
  const graphics = drawsMaps ? ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'] : ['--disable-gpu', '--disable-3d-apis'];
  return chromium.launch({ executablePath: chromiumPath ?? 'chromium', args: ['--no-sandbox', '--disable-dev-shm-usage', ...graphics] });
}

const axeSource = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  id: string;
  impact: string;
  nodes: { target: string[]; failureSummary: string }[];
}

/** No rule of WCAG 2.2 A or AA that axe can check is broken on what the page shows now. */
export async function expectAccessible(page: Page, screen: string): Promise<void> {
  await page.evaluate(await axeSource);
  const violations = (await page.evaluate(`axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then((found) => found.violations)`)) as Violation[];
  const told = violations.flatMap(({ id, impact, nodes }) => nodes.map(({ target, failureSummary }) => `${id} (${impact}) ${target.join(' ')}: ${failureSummary}`));
  expect(told, `accessibility of ${screen}`).toEqual([]);
  await keepPicture(page, screen);
}

/** Keeps a picture in the folder that `MOBILITY_TEST_SCREENSHOTS` names; without it, none. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = process.env['MOBILITY_TEST_SCREENSHOTS'];
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name.replaceAll(/\W+/g, '-')}.png`) });
}

/** Errors of the page's own script, which fail a journey even when the screen looks right. */
export function collectPageErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) errors.push(message.text());
  });
  return errors;
}
