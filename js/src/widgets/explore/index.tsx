/** The workbench's bar (kernel side: src/saewidgets/widgets/explore/widget.py). */

import { widget } from "../../page/mount";
import { App, BOX } from "./app";

export default widget("bench", App, undefined, BOX);
