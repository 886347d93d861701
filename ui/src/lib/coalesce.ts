/** Gathers keys and hands them over together: soon after the first, then never more often than `every`. */
export class Coalescer<K> {
  readonly #flush: (keys: K[]) => void;
  readonly #first: number;
  readonly #every: number;
  #keys = new Map<string, K>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = Number.NEGATIVE_INFINITY;
  #held = false;

  constructor(flush: (keys: K[]) => void, options: { first: number; every: number }) {
    this.#flush = flush;
    this.#first = options.first;
    this.#every = options.every;
  }

  add(id: string, key: K): void {
    this.#keys.set(id, key);
    this.#arm();
  }

  /** While held nothing is handed over: a hidden tab asks nobody for anything. */
  hold(held: boolean): void {
    this.#held = held;
    if (held) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
    } else {
      this.#arm();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#keys.clear();
  }

  #arm(): void {
    if (this.#held || this.#timer !== undefined || this.#keys.size === 0) return;
    const wait = Math.max(this.#first, this.#last + this.#every - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#last = Date.now();
      const keys = [...this.#keys.values()];
      this.#keys.clear();
      this.#flush(keys);
    }, wait);
  }
}
