/** The heatmap's page: every ranking carries the scale of all features that it lists, whichever are coloured. */

import { coloured } from "../../feature/picked";
import type { Offline } from "../../page/offline";

export const offline: Offline = { ignored: { tokens: "rank", rank: "features" }, opens: coloured };
