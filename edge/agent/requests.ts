/** Requests on `$aws/things/…` and their answers on `/accepted` and `/rejected`, as AWS IoT's device SDK makes them. */

type Answer = Record<string, unknown>;

export class RequestRejected extends Error {
  readonly code: unknown;

  constructor(code: unknown, message: string) {
    super(message);
    this.code = code;
  }
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

const timeoutMs = 20_000;

/** One request at a time for each topic: the answer names the topic, and the token tells late ones apart. */
export class Requests {
  readonly #publish: (topic: string, payload: string) => Promise<void>;
  readonly #waiting = new Map<string, Waiting>();
  #count = 0;

  constructor(publish: (topic: string, payload: string) => Promise<void>) {
    this.#publish = publish;
  }

  /** @throws RequestRejected; Error when the answer did not come in time or the connection broke */
  async ask(topic: string, request: object = {}): Promise<Answer> {
    const clientToken = `${++this.#count}`;
    const key = `${topic} ${clientToken}`;
    const answer = new Promise<Answer>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(key);
        reject(new Error(`no answer on ${topic}`));
      }, timeoutMs);
      this.#waiting.set(key, { resolve, reject, timer });
    });
    answer.catch(() => undefined);
    await this.#publish(topic, JSON.stringify({ ...request, clientToken }));
    return answer;
  }

  /** @returns whether it was the answer to a request of ours */
  hear(topic: string, content: unknown): boolean {
    const accepted = topic.endsWith('/accepted');
    if (!accepted && !topic.endsWith('/rejected')) return false;
    const asked = topic.slice(0, topic.lastIndexOf('/'));
    const answer = (typeof content === 'object' && content !== null ? content : {}) as Answer;
    const key = `${asked} ${String(answer['clientToken'])}`;
    const waiting = this.#waiting.get(key);
    if (!waiting) return true;
    this.#waiting.delete(key);
    clearTimeout(waiting.timer);
    if (accepted) waiting.resolve(answer);
    else waiting.reject(new RequestRejected(answer['code'], typeof answer['message'] === 'string' ? answer['message'] : 'rejected'));
    return true;
  }

  disconnected(): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new Error('the connection is lost'));
    }
    this.#waiting.clear();
  }
}
