/** The layers' page: every recorded ladder carries the columns of all features that it lists, whichever is chosen. */

import type { Offline } from "../../page/offline";

export const offline: Offline = { ignored: { lens: "ladder", ladder: "chosen" } };
