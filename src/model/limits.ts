/**
 * Every bound that is not configurable, with its unit. Configurable bounds have their default in `config/`.
 * A limit is here because something from outside could otherwise grow without end.
 */
export const LIMITS = {
  /** A config or profile file. */
  documentBytesMax: 1_048_576,
  /** What `decode.maxBytes` may allow. Sources that read files hand over a byte more of a longer one, and no more. */
  payloadBytesMax: 1_048_576,
  /** Alias expansions in one YAML file. */
  yamlAliasesMax: 100,
  /** Fields of one profile. */
  profileFieldsMax: 256,
  /** Windows of one profile. */
  profileWindowsMax: 32,
  /** Groups of one gateway. */
  groupsMax: 64,
  /** Windows of one definition of a group that are open at a time: beyond them the oldest fire without who is behind. */
  groupWindowsMax: 1_000,
  /**
   * Hopping windows of a profile that one reading is in. The first one after a gap opens them all at once, in each
   * device, and each is closed with a summary of its own.
   */
  readingWindowsMax: 10_000,
  /** Tumbling and hopping windows that a device has open at a time: they are in one record, and in memory together. */
  openWindowsMax: 20_000,
  /** Windows without a reading that are filled at a time: a week of minutes. */
  emptyWindowsMax: 10_080,
  /** Characters of an expression. */
  expressionCharactersMax: 1_024,
  /** Nesting of a JSON payload. */
  jsonDepthMax: 32,
  /** Readings in one payload. */
  payloadReadingsMax: 10_000,
  /** Columns of one row of separated values, or pairs of one line of key=value text. */
  rowColumnsMax: 1_024,
  /** Characters of a device name. */
  deviceNameCharactersMax: 128,
  /** Characters of a text value. */
  textValueCharactersMax: 256,
  /** Characters of a duplicate key. */
  duplicateKeyCharactersMax: 128,
  /** Magnitude of a numeric value; larger ones are out of range for every field, and keep exact sums of squares exact. */
  valueMagnitudeMax: 1e120,
  /** Smallest step of a field's values, in its unit: every value is a whole number of steps. */
  resolutionMin: 1e-12,
  resolutionMax: 1e12,
  /** Buckets of a histogram: of each sign where they are logarithmic, twice as many where they are linear. */
  histogramBucketsMax: 160,
  /** Different values that are counted one by one in a window. */
  countedValuesMax: 256,
  /** Remembered duplicate keys of one device; the oldest goes first and is counted. */
  duplicateKeysPerDeviceMax: 65_536,
  /** Remembered packet identities of one device without event time: as many as MQTT has packet identifiers. */
  deliveriesPerDeviceMax: 65_535,
  /** Of these, those that stay however old they are. */
  deliveriesPerDeviceKept: 1_024,
  /** The others are forgotten after this time. */
  deliveriesKeptMs: 60_000,
  /** Readings of one device that wait for the clock to be set: an hour at one per second. */
  heldReadingsPerDeviceMax: 3_600,
  /** What all of them may take in memory. */
  heldBytesMax: 16_777_216,
  /** Arrival stamps stand still for a clock that is set back by no more than this; beyond it time begins anew. */
  clockBackMsMax: 60_000,
  /** Changes of one window's definition, and times begun anew, that a device tells apart. */
  redefinitionsPerWindowMax: 8,
  /** Window names with such changes that a device remembers. */
  redefinedWindowsMax: 128,
  /** Devices that one block brings back into memory, or makes, at most; more of them wait for the next one. */
  loadsPerBlockMax: 4_096,
  /** And what they may take, as a share of the bound on all that is in memory. */
  loadsMemoryShare: 0.25,
  /** What devices that change over to another definition take, and the summaries they cause, before they are stored. */
  portionBytesMax: 2_097_152,
  portionSummariesMax: 1_024,
  /** Names of devices that are remembered because they were refused. */
  refusedNamesMax: 1_000,
  /** Devices that are read from the store for a status. */
  statusDevicesMax: 10_000,
  /** Routes remembered by topic. */
  routeCacheTopicsMax: 20_000,
  /** Summaries whose positions are held while the log is made coarser; about 16 bytes each. */
  coarsenMembersMax: 500_000,
  /** Sizes in a ladder of coarser windows. */
  ladderRungsMax: 8,
  /** Payload bytes in one commit before sources are pushed back. */
  commitBytesMax: 4_194_304,
  /** The summary log may be so much larger than its bound, as a part of it, before commits wait for room in it. */
  logHeadRoomShare: 1 / 16,
  /** What the summaries that one block causes take of the log, about. */
  blockSummaryBytesMax: 1_048_576,
  /** Summaries that one block causes before what else is in it waits for the next one; one share may go beyond. */
  blockSummariesMax: 1_536,
  /**
   * Windows of one device that fire at a time, and slices that are let go, and windows of a hole that are filled, of a group
   * too: the rest comes with the next block.
   */
  deviceShareMax: 64,
  /** The same where its definition changes, which stores the device each time. */
  changeShareMax: 512,
  /** What a message that waits for its commit takes beside its payload: the reading that was decoded, whom to tell. */
  waitingMessageBytes: 512,
  /** Readings in one block, but for those of one payload. */
  blockReadingsMax: 8_192,
  /** Journal blocks between two checkpoints, however small they are: each costs a deletion, and time to replay. */
  journalBlocksMax: 20_000,
  /** What LevelDB takes beyond what is in it: write buffers, tables being merged, and what is not compacted yet. */
  databaseHeadRoomBytes: 50_331_648,
  /** What of its files LevelDB keeps unpacked in memory. */
  databaseCacheBytes: 2_097_152,
  /** Longest line on a serial port unless configured. */
  serialLineBytesMax: 4_096,
} as const;
