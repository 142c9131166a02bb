// The inbox works without this; it turns UTC times into the reader's own.

import { localTimes } from "./local_time.js";

localTimes(document.querySelector("[data-approvals]"));
