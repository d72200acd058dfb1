/** PromptComparison's front-end (kernel side: src/saewidgets/widgets/comparison/widget.py). */

import { widget } from "../../page/mount";
import { App } from "./app";
import { offline } from "./offline";

export default widget("comparison", App, offline);
