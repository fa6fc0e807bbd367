/** Tells people what takes long: a line for each step that lasts more than a second. */
export class Progress {
  readonly #output: NodeJS.WritableStream;
  #pending: NodeJS.Timeout | undefined;

  constructor(output: NodeJS.WritableStream) {
    this.#output = output;
  }

  /** The step in hand; printed when it is still the step in hand after a second. */
  say(step: string): void {
    clearTimeout(this.#pending);
    this.#pending = setTimeout(() => this.#output.write(`${step} …\n`), 1000);
  }

  async during<T>(step: string, work: Promise<T>): Promise<T> {
    this.say(step);
    try {
      return await work;
    } finally {
      this.done();
    }
  }

  done(): void {
    clearTimeout(this.#pending);
  }
}
