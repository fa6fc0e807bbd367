/** Every generated file with its text as it should be. */
import { readText } from '../source/source.ts';
import { readHouse } from './house.ts';
import { drawInto, lifeCycles } from './life-cycles.ts';
import { page } from './markdown.ts';
import { callsPage, configurationPage, errorsPage, eventsPage, modulesPage, routesPage } from './pages.ts';

const index = page('Reference', 'Generated from the source by `node tools/reference/generate.ts`; a test compares them.', [
  ['modules', 'calls', 'events', 'routes', 'errors', 'configuration'].map((name) => `- [${name}](${name}.md)`).join('\n'),
]);

/** @returns text by path, relative to the root */
export function generatedFiles(): Map<string, string> {
  const house = readHouse();
  return new Map([
    ['docs/reference/README.md', index],
    ['docs/reference/modules.md', modulesPage(house)],
    ['docs/reference/calls.md', callsPage(house)],
    ['docs/reference/events.md', eventsPage(house)],
    ['docs/reference/routes.md', routesPage(house)],
    ['docs/reference/errors.md', errorsPage(house)],
    ['docs/reference/configuration.md', configurationPage()],
    ...lifeCycles.map((lifeCycle) => [lifeCycle.readme, drawInto(readText(lifeCycle.readme), lifeCycle)] as const),
  ]);
}
