/** What every error of Weir carries: a code that tests and scripts may rely on, and what to do about it. */
export interface WeirErrorOptions {
  /** One sentence that tells the reader what to do. */
  readonly hint?: string;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/** The only error class of Weir; `code` is stable, the message may improve. */
export class WeirError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: WeirErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "WeirError";
    this.code = code;
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
  }
}

/** What to do about anything that was thrown. */
export function hintOf(error: unknown): string {
  return (error instanceof WeirError ? error.hint : undefined) ?? "write it in another way";
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
