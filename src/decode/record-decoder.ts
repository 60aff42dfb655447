/**
 * Turns payload bytes into records, and says how to find a place in a record. One per profile and stream; not
 * reentrant. A record is opaque: only its decoder's getters know what it is, and only during the call it is given in.
 */
export interface RecordDecoder {
  /**
   * Calls `each` for every record, in payload order, and `bad` for every row that cannot be read among others that
   * can. Text is taken as decoded already.
   * @throws WeirError `decode-invalid` or `decode-too-large` when the payload as a whole cannot be read
   */
  decode(payload: Uint8Array | string, each: (record: unknown) => void, bad: (detail: string) => void): void;
  /**
   * Compiles access to a place: JSON Pointer, column name or `#3` (the third column), key. The accessor gives
   * undefined where there is nothing, null, or a missing token.
   * @throws WeirError `bad-path` when the format cannot have such a place
   */
  getter(from: string): (record: unknown) => unknown;
  /** The record as expressions see it: objects (own properties only), maps, arrays and scalars. */
  view(record: unknown): unknown;
  /** A decoder of its own for consecutive lines of one stream, where a header line comes once. */
  openStream(): RecordDecoder;
}
