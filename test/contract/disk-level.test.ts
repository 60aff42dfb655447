import { describe } from "vitest";
import { LevelDisk } from "../../src/store/level-disk.js";
import { temporaryFolder } from "../helpers/tools.js";
import { diskContract } from "./disk.js";

describe("LevelDB as a disk", () => {
  diskContract(async () => {
    const path = await temporaryFolder();
    return { mount: () => new LevelDisk(path) };
  });
});
