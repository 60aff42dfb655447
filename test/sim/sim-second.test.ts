import { simulates } from "./campaign.js";

simulates(2);
