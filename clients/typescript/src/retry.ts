import { type KeyValueError, unsent } from "./error.js";

const firstWait = 50; // ms
/** maxWait is the longest wait between two attempts, in ms. */
export const maxWait = 2000;
/** maxAttempts is how often a call is sent in all. The waits between the attempts take at most 0.35 s. */
export const maxAttempts = 4;

/** Backoff yields the waits between attempts. */
export class Backoff {
  #limit = 0; // ms; upper bound of the latest wait

  /**
   * next returns how long to wait now, in ms. The bound doubles each time, from 50 ms to maxWait, and the wait is random between half
   * of it and all of it, so that many clients which lost the same service do not return to it at once.
   */
  next(): number {
    this.#limit = Math.min(Math.max(2 * this.#limit, firstWait), maxWait);
    return (this.#limit * (1 + Math.random())) / 2;
  }

  reset(): void {
    this.#limit = 0;
  }
}

/** pause waits for ms, or until signal is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}

const tokens = 1000;

/**
 * Retries decides which failed calls are sent again, and limits the load that this adds to a service in trouble, as gRPC does: a
 * failure costs a token, an answer earns a tenth of one, and nothing is retried while less than half of the tokens are left.
 */
export class Retries {
  #tokens = tokens;

  /** answered accounts for a call that the service has handled. */
  answered(): void {
    this.#tokens = Math.min(this.#tokens + 0.1, tokens);
  }

  /**
   * again reports whether to send a call again that failed with error: reads, and calls that were certainly not carried out. A call
   * that ran out of time is not retried.
   */
  again(error: KeyValueError, readOnly: boolean): boolean {
    let safe = false;
    switch (error.reason) {
      case "OVERLOADED":
      case "LOG_BEHIND": safe = true; break; // the service did nothing
      case "SERVICE_UNAVAILABLE": safe = readOnly || unsent(error); break;
      case "DEADLINE_EXCEEDED": break;
      default:
        this.answered();
        return false;
    }
    this.#tokens = Math.max(this.#tokens - 1, 0);
    return safe && this.#tokens > tokens / 2;
  }
}
