/** The comparison's page: every ranking carries the columns and scales of all features that it lists, whichever are coloured. */

import { coloured } from "../../feature/picked";
import type { Offline } from "../../page/offline";

export const offline: Offline = { ignored: { tokens: "rank", differences: "features" }, opens: coloured };
