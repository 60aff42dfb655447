/**
 * Summaries as JSON lines in a local file: an archive, or the hand-over to another program.
 *
 * - A delivery is confirmed after `fdatasync`; a created or rotated name after a sync of its folder.
 * - A crash in the middle of a write leaves a last line without an end: it is cut off at the next start, unless it is
 *   longer than 1 MiB and does not begin as a summary does: then the file is someone else's, and stays as it is. Lines that
 *   were written but not confirmed are written again, as for any target: highest revision per id wins.
 * - After any failed write the file is closed, opened again and cut to what was confirmed, because after a failed
 *   sync the system no longer says which pages reached the disk.
 * - Before a line would make the file longer than `rotateBytes` it is moved to `path.1` (`path.1` to `path.2`, …);
 *   `keep` numbered files stay. One line longer than `rotateBytes` gets a file of its own.
 * - A file that someone else moved or removed is created anew, so logrotate may take the place of `rotateBytes`.
 * - The folder must exist: where it is a mount point, creating it would fill the disk beneath.
 * - The file is opened by the first delivery. Until one has failed, the status says whether that could work: at the start,
 *   and again whenever it is asked for, the file and its folder are looked at. A look never waits for a hung disk, nor
 *   does anything wait for it.
 */
import { messageOf, WeirError } from "../model/errors.js";
import type { Observer } from "../model/log-event.js";
import type { LogEntry } from "../model/summary.js";
import type { Target } from "../model/summary-log.js";
import { AppendFile, checkAppendable, errno, rotate } from "./append-file.js";
import { fileTargetRepaired, fileTargetRotated } from "./events.js";

export interface FileTargetOptions {
  readonly name: string;
  readonly path: string;
  /** Length at which the file is rotated. */
  readonly rotateBytes: number;
  /** Rotated files that stay; the oldest beyond that is removed. */
  readonly keep: number;
  readonly batch: Target["batch"];
  readonly observer: Observer;
}

/** What the operator can do, by error code of the system. */
const REMEDIES: Readonly<Record<string, readonly [code: string, hint: string]>> = {
  ENOSPC: ["file-target-full", "free space on the disk, or lower rotateBytes or keep"],
  EDQUOT: ["file-target-full", "raise the quota, or lower rotateBytes or keep"],
  EACCES: ["file-target-denied", "let the service's user write to the file and its folder"],
  EPERM: ["file-target-denied", "let the service's user write to the file and its folder"],
  EROFS: ["file-target-denied", "the file system is read-only: mount it for writing, or choose another path"],
  ENOENT: ["file-target-no-folder", "create the folder, or mount the disk that holds it"],
  ENOTDIR: ["file-target-no-folder", "create the folder, or mount the disk that holds it"],
};

export class FileTarget implements Target {
  readonly name: string;
  readonly batch: Target["batch"];
  private readonly options: FileTargetOptions;
  private file: AppendFile | undefined;
  /** The file as it was when a write failed, until it is open again. */
  private failed: AppendFile | undefined;
  private writing: Promise<void> = Promise.resolve();
  private stopped = false;
  /** Why the last delivery failed. */
  private problem: string | undefined;
  /** What the last look at the file found in the way. */
  private obstacle: string | undefined;
  private looked = false;
  private looking = false;
  /** Deliveries that were confirmed: one that ends during a look knows better. */
  private delivered = 0;

  constructor(options: FileTargetOptions) {
    this.name = options.name;
    this.batch = options.batch;
    this.options = options;
  }

  /** Opens nothing: the first delivery does, so that a missing disk is retried like any failure. */
  start(): void {
    void this.look();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.writing;
    await this.close();
  }

  deliver(entries: readonly LogEntry[]): Promise<void> {
    const work = this.writing.then(() => this.write(entries));
    this.writing = work.catch(() => {});
    return work;
  }

  status(): { readonly state: string; readonly detail?: string } {
    if (this.stopped) return { state: "stopped" };
    void this.look();
    const detail = this.problem ?? this.obstacle;
    if (detail !== undefined) return { state: "failing", detail };
    const { path } = this.options;
    return this.looked ? { state: "ready", detail: path } : { state: "waiting", detail: `${path}: starting` };
  }

  /** One at a time. What it finds is in the next status. */
  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    const { delivered } = this;
    const found = await checkAppendable(this.options.path).then(() => undefined, messageOf);
    if (delivered === this.delivered) this.obstacle = found;
    this.looked = true;
    this.looking = false;
  }

  private async write(entries: readonly LogEntry[]): Promise<void> {
    if (this.stopped) {
      throw new WeirError("target-stopped", `target ${this.name} is stopped`, { retryable: true });
    }
    try {
      await this.writeLines(entries.map((entry) => Buffer.from(`${entry.json}\n`)));
      this.problem = undefined;
      this.obstacle = undefined;
      this.looked = true;
      this.delivered++;
    } catch (error) {
      this.problem = messageOf(error);
      this.failed = this.file ?? this.failed;
      await this.close();
      throw this.explain(error);
    }
  }

  /** Fills the file up to `rotateBytes`, rotates, and goes on. */
  private async writeLines(lines: readonly Buffer[]): Promise<void> {
    let run: Buffer[] = [];
    let runBytes = 0;
    let file = await this.current();
    for (const line of lines) {
      if (file.confirmedBytes + runBytes + line.length > this.options.rotateBytes) {
        if (run.length > 0) await file.append(Buffer.concat(run));
        [run, runBytes] = [[], 0];
        if (file.confirmedBytes > 0) file = await this.rotated();
      }
      run.push(line);
      runBytes += line.length;
    }
    if (run.length > 0) await file.append(Buffer.concat(run));
  }

  private async current(): Promise<AppendFile> {
    const { path, observer } = this.options;
    if (this.file !== undefined && !(await this.file.isAt(path))) await this.close();
    if (this.file === undefined) {
      const { file, cutBytes } = await AppendFile.open(path, this.failed);
      this.file = file;
      this.failed = undefined;
      if (cutBytes > 0) observer.emit(fileTargetRepaired, { target: this.name, path, bytes: cutBytes });
    }
    return this.file;
  }

  private async rotated(): Promise<AppendFile> {
    const { path, keep, observer } = this.options;
    await this.close();
    const removed = await rotate(path, keep);
    observer.emit(fileTargetRotated, { target: this.name, path, removed: removed ?? "" });
    return this.current();
  }

  private async close(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    // A close that fails has nothing left to lose: what counts was synced before.
    await file?.close().catch(() => {});
  }

  private explain(error: unknown): WeirError {
    if (error instanceof WeirError) return error;
    const [code, hint] = REMEDIES[errno(error) ?? ""] ?? ["file-target-failed", "look at the system's log"];
    const message = `cannot write to ${this.options.path}: ${messageOf(error)}`;
    return new WeirError(code, message, { retryable: true, hint, cause: error });
  }
}
