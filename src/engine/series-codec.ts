import type { ByteReader, ByteWriter } from "../model/bytes.js";
import type { Device, Series } from "./device.js";

/** How series without holes are stored: for each definition, nothing or the next start and what was said last. */
export function writeSeries(writer: ByteWriter, all: Device["series"]): void {
  writer.varint(all.length);
  // Not every place need have been filled.
  for (let i = 0; i < all.length; i++) {
    const series = all[i];
    writer.text(series === undefined ? "" : JSON.stringify([series.nextMs, series.fields, series.holeMs]));
  }
}

export function readSeries(reader: ByteReader): Device["series"] {
  return Array.from({ length: reader.count() }, () => seriesOf(reader.text()));
}

function seriesOf(json: string): Series | undefined {
  if (json === "") return undefined;
  const [nextMs, fields, holeMs] = JSON.parse(json) as [number, Series["fields"], number | null];
  return { nextMs, fields, holeMs: holeMs ?? undefined };
}
