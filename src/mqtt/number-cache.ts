/**
 * Import this where packets are written. mqtt-packet, which writes them for aedes and mqtt alike, would keep a buffer
 * for every packet id there is from its first packet on: 65,536 of them, some 8 MB.
 */
import { writeToStream } from "mqtt-packet";

writeToStream.cacheNumbers = false;
