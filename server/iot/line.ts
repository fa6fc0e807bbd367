/** Calls between two processes, over the channel that Node opens to a child. */

/** One end: a child of ours, or in the child the process itself. */
interface End {
  send?(message: unknown, callback: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
}

interface Call {
  name: string;
  given: readonly unknown[];
  /** Absent when no answer is awaited. */
  id?: number;
}

interface Answer {
  id: number;
  result?: unknown;
  error?: string;
}

/** What this side does for the other: by name, with what was given. */
export type Served = Record<string, (...given: never[]) => unknown>;

export class Line {
  readonly #end: End;
  readonly #served: Served;
  readonly #awaited = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  #lastId = 0;
  #isCut = false;

  constructor(end: End, served: Served) {
    this.#end = end;
    this.#served = served;
    end.on('message', (message) => this.#heard(message as Call | Answer));
    end.on('disconnect', () => {
      this.#isCut = true;
      for (const { reject } of this.#awaited.values()) reject(new Error('the other process is gone'));
      this.#awaited.clear();
    });
  }

  /** @throws Error what the other side threw, as text, or that it is gone */
  call(name: string, ...given: unknown[]): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#awaited.set(id, { resolve, reject });
      this.#send({ name, given, id });
    });
  }

  /** Without waiting. What is told to a process that is gone is lost. */
  tell(name: string, ...given: unknown[]): void {
    this.#send({ name, given });
  }

  #send(message: Call | Answer): void {
    const failed = (error: Error | null): void => {
      if (!error || !('name' in message) || message.id === undefined) return;
      this.#awaited.get(message.id)?.reject(error);
      this.#awaited.delete(message.id);
    };
    if (this.#isCut || !this.#end.send) failed(new Error('the other process is gone'));
    else this.#end.send(message, failed);
  }

  #heard(message: Call | Answer): void {
    if ('name' in message) {
      void this.#serve(message);
      return;
    }
    const awaited = this.#awaited.get(message.id);
    this.#awaited.delete(message.id);
    if (message.error === undefined) awaited?.resolve(message.result);
    else awaited?.reject(new Error(message.error));
  }

  async #serve({ name, given, id }: Call): Promise<void> {
    let answer: Omit<Answer, 'id'>;
    try {
      answer = { result: await this.#served[name]?.(...(given as never[])) };
    } catch (error) {
      answer = { error: error instanceof Error ? error.message : String(error) };
    }
    if (id !== undefined) this.#send({ id, ...answer });
  }
}
