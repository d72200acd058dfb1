/** LayerLens's front-end (kernel side: src/saewidgets/widgets/layers/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";
import { offline } from "./offline";

export default widget("layers", App, offline);
