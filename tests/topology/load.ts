/** What riders do all day, again and again, counting every request that is not answered as it should be. */
import { v7 } from 'uuid';
import { apiUser, tinyJpeg } from '../journeys/program.ts';

export interface Load {
  /** Requests that were answered as they should be, by what was asked. */
  answered: Map<string, number>;
  /** Everything else, as a sentence. */
  lost: string[];
  /** Times that a stream of vehicles was opened: once, and after each that ended. */
  streamsOpened(): number;
  /** Finishes what is under way. */
  stop(): Promise<void>;
}

interface Rider {
  token: string;
}

class RunningLoad implements Load {
  readonly answered = new Map<string, number>();
  readonly lost: string[] = [];
  readonly #url: string;
  readonly #stopping = new AbortController();
  #streams = 0;
  #running: Promise<unknown> = Promise.resolve();

  constructor(url: string) {
    this.#url = url;
  }

  start(riders: readonly Rider[]): void {
    this.#running = Promise.all(riders.flatMap((rider, index) => [
      this.#again(() => this.#search(rider)),
      this.#again(() => this.#bookAndCancel(rider, index)),
      this.#again(() => this.#photo(rider)),
      ...(index === 0 ? [this.#watch(rider)] : []),
    ]));
  }

  streamsOpened = (): number => this.#streams;

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #again(work: () => Promise<void>): Promise<void> {
    while (!this.#stopping.signal.aborted) await work();
  }

  /** @returns the body when the status is one of those */
  async #expect<T>(what: string, statuses: readonly number[], ask: () => Promise<{ status: number; body: T }>): Promise<T | undefined> {
    try {
      const { status, body } = await ask();
      if (statuses.includes(status)) {
        this.answered.set(what, (this.answered.get(what) ?? 0) + 1);
        return status < 300 ? body : undefined;
      }
      this.lost.push(`${what}: ${status} ${JSON.stringify(body).slice(0, 300)}`);
    } catch (error) {
      this.lost.push(`${what}: ${String(error)} ${String((error as { cause?: unknown }).cause)}`);
    }
    return undefined;
  }

  async #search({ token }: Rider): Promise<void> {
    await this.#expect('search', [200], () => apiUser(this.#url, token).get('/v1/vehicles?lat=50.1109&lon=8.6821&radiusMetres=20000'));
  }

  async #bookAndCancel({ token }: Rider, index: number): Promise<void> {
    const user = apiUser(this.#url, token);
    const found = await this.#expect('search', [200], () => user.get<{ items: { id: string }[] }>('/v1/vehicles?lat=50.1109&lon=8.6821&radiusMetres=20000&minBattery=30&type=scooter'));
    const items = found?.items ?? [];
    const vehicleId = items[index % Math.max(1, items.length)]?.id;
    if (vehicleId === undefined) return;
    const booked = await this.#expect('book', [201, 409], () => user.post<{ id: string }>('/v1/bookings', { vehicleId }));
    if (booked) await this.#expect('cancel', [200], () => user.post(`/v1/bookings/${booked.id}/cancel`));
  }

  async #photo({ token }: Rider): Promise<void> {
    await this.#expect('photo', [201], async () => {
      const form = new FormData();
      form.append('photo', new Blob([tinyJpeg], { type: 'image/jpeg' }), 'parked.jpg');
      const response = await fetch(`${this.#url}/v1/photos`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'idempotency-key': v7() }, body: form });
      return { status: response.status, body: await response.json() };
    });
  }

  /** A stream ends when one of the processes that it goes through stops; whoever watches opens it again, as browsers do. */
  async #watch({ token }: Rider): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const response = await fetch(`${this.#url}/v1/vehicles/stream?bbox=8.5,50.0,8.9,50.3`, { headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream' }, signal });
        if (response.status !== 200) {
          this.lost.push(`stream: ${response.status} ${await response.text()}`);
          continue;
        }
        this.#streams += 1;
        for await (const _chunk of response.body ?? []) if (signal.aborted) break;
      } catch (error) {
        if (signal.aborted || (error as Error).message === 'terminated') continue;
        this.lost.push(`stream: ${String(error)} ${String((error as { cause?: unknown }).cause)}`);
      }
    }
  }
}

/** Begins at once. */
export function startLoad(url: string, riders: readonly Rider[]): Load {
  const load = new RunningLoad(url);
  load.start(riders);
  return load;
}
